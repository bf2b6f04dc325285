"""The audit of a data set, as every command that learns from it wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.audit.checks import duplicate_groups, group_problems, picture_problems, target_problems, text_problems
from regraft.data.audit.facts import Facts
from regraft.data.audit.measure import facts
from regraft.data.dataset import Dataset
from regraft.data.text.texts import TextFacts


@dataclass
class Audited:
    """The readable items of a data set; ``facts`` (None for numeric rows) line up with them.

    ``copies`` (n,) are numbers that all copies of a picture or text share (None where there are none); ``groups`` are
    those joined with the data's own groups: what no split may tear.
    """

    data: Dataset
    problems: list[Problem]
    facts: Facts | TextFacts | None = None
    copies: NDArray[np.int64] | None = None
    groups: NDArray[Any] | None = None


def audited_to_learn(data: Dataset, store: RowStore) -> tuple[Audited, NDArray[np.int64]]:
    """`audited`, with what is to say of the labels to learn from, those of the part train where there are parts; and
    the positions (n,) of the items that have them.
    """
    whole = audited(data, store)
    there = whole.data.parts == "train" if "train" in data.part_names else np.ones(len(whole.data), bool)
    learn = np.flatnonzero(there)
    if len(data.targets) == 1:
        whole.problems += target_problems(whole.data.take(learn))
    return whole, learn


def audited(data: Dataset, store: RowStore) -> Audited:
    """Looks at every item; what cannot be read is listed and set aside. Raises ``DataError`` where nothing is left."""
    problems = [*data.problems, *group_problems(data)]
    if data.modality == "table":
        return Audited(data, problems, groups=data.groups)
    found, failed = facts(data.items, store)
    failed = {i: f"{why}; it is set aside" for i, why in failed.items()}
    if isinstance(found, TextFacts):
        problems += text_problems(data, found, failed)
    else:
        problems += picture_problems(data, found, failed)
    if not len(found.positions):
        first = min(failed, default=0)
        why = f": {data.items.name(first)}: {failed[first]}" if failed else ""
        raise DataError(f"None of the items of {data.name} can be read{why}.")
    if failed:
        data = data.take(found.positions)
        found = found._replace(positions=np.arange(len(data)))
    copies = duplicate_groups(len(data), found)
    groups = duplicate_groups(len(data), found, data.groups) if data.groups is not None else copies
    return Audited(data, problems, found, copies, groups)
