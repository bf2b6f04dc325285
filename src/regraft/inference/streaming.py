"""Items to predict as they come, and the rows that answer them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import UnreadableItem
from regraft.core.files import digest
from regraft.core.types import Hints, Problem
from regraft.data.formats.table import Read
from regraft.data.items import Items, PictureFiles, Texts
from regraft.data.names import shown
from regraft.data.open import is_there, open_inputs
from regraft.features.engines.base import SHAPES
from regraft.inference.answer_files import Row
from regraft.inference.base import BasePredictor
from regraft.inference.sorting import Sorter


def opened(predictor: BasePredictor[Any], text: str, hints: Hints) -> Read:
    """The items of one input: for a model of texts also a text itself, where it has not the look of a path and names
    none.
    """
    if predictor.modality != "text" or _PATH.fullmatch(text) or (len(text) < 255 and is_there(text)):
        return open_inputs(text, modality=predictor.modality, hints=hints)
    slash = [Problem("taken-as-text", text, "there is nothing at this path; it is read as a text itself")]
    return Read(Texts([text], [text]), slash if re.fullmatch(r"\S+[/\\]\S+", text) else [])


class Rows:
    """The records of all inputs, one after the other."""

    def __init__(
        self, predictor: BasePredictor[Any], sources: list[tuple[str, Items]], sorter: Sorter | None = None
    ) -> None:
        self.predictor = predictor
        self.sources = sources
        self.sorter = sorter

    @property
    def total(self) -> int:
        """How many items there are."""
        return sum(len(items) for _, items in self.sources)

    def digest(self) -> str:
        """Names the items, so that a run is not resumed on others."""
        return digest([items.name(i) for _, items in self.sources for i in range(len(items))]).hex()

    def digests(self, first: int) -> Iterator[str]:
        """What names the contents of the ``first`` items."""
        places = ((items, i) for _, items in self.sources for i in range(len(items)))
        return (content(items, i) for items, i in islice(places, first))

    def stream(self, skip: int) -> Iterator[tuple[Row, Items, int]]:
        """Each record, and the item it is of; but for the first ``skip``. Of few items some are answered to again, so
        that those that follow come in batches of the same size as they would have without.
        """
        for text, items in self.sources:
            start = min(skip, len(items))
            skip -= start
            first = min(start, max(0, len(items) - SHAPES[-1] - 1)) if start < len(items) else start
            rest = items.take(np.arange(first, len(items))) if first else items
            for answers in self.predictor.stream(rest):
                for position, row in self.predictor.describe(rest, answers):
                    if position < start - first:
                        continue
                    if self.sorter:
                        self.sorter.add(rest, position, row)
                    yield {**row, "input": as_typed(text, row["input"], rest)}, rest, position


def as_typed(text: str, name: str, items: Items) -> str:
    """The name of an item as its user would type it."""
    if not isinstance(items, PictureFiles):
        return name
    return shown(text if Path(text).is_file() and Path(text).name == name else str(Path(text) / name))


_PATH = re.compile(r"[.~]{0,2}[/\\].*|[A-Za-z]:[/\\].*|.*[/\\]|\S*\.[A-Za-z]\w{1,8}(#\w+)?|embedded:\S*", re.DOTALL)


def content(items: Items, i: int) -> str:
    """What names the content of an item."""
    try:
        return items.digest(i).hex()
    except UnreadableItem as error:
        return str(error)
