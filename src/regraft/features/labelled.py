"""Features with their labels, computed from items and kept in the store."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.features.engines.base import plain_engine
from regraft.features.fusion import parts_of
from regraft.features.lesson import Lesson
from regraft.features.runner import Runner


@dataclass
class LabelledFeatures:
    """The features (m, D) and labels (m,) or (m, k) of one part, without what could not be read.

    ``items`` (m,) are the positions of the rows in that part. ``lesson`` is what a teacher says of them, where there is
    one; ``y`` then holds its answer for those that have no label.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    items: NDArray[np.int64]
    lesson: Lesson | None = None

    @property
    def targets(self) -> NDArray[Any]:
        """What is to be learned: the labels, or of a lesson probabilities (m, k)."""
        return self.y if self.lesson is None else self.lesson.targets

    def at(self, some: NDArray[np.integer[Any]]) -> LabelledFeatures:
        """The rows at the positions ``some`` (k,)."""
        lesson = None if self.lesson is None else self.lesson.at(some)
        return LabelledFeatures(self.x[some], self.y[some], self.items[some], lesson)


def adapted_rows(network: Pretrained, data: Dataset, rows: LabelledFeatures, engine: str, device: str) -> NDArray[Any]:
    """The trained network's features (m, D) of the items of ``rows``; computed afresh: nobody asks again."""
    return fresh_rows(network, data, rows.items, engine, device).x


def fresh_rows(
    network: Pretrained, data: Dataset, items: NDArray[np.int64], engine: str, device: str
) -> LabelledFeatures:
    """The rows of the items that can be read."""
    with tempfile.TemporaryDirectory() as folder:
        own = own_engine(engine, plain_engine(parts_of(network)[0], device))
        found = Runner(network, own, device).stored(data.items.take(items), RowStore(Path(folder)))
    read = items[found.positions]
    return LabelledFeatures(found.rows, data.y[read], read)


def own_engine(engine: str, plain: str = "torch") -> str:
    """What runs a network that a fit has trained, and that only few items see: ``auto`` would time and convert it anew
    in every fit, and could run some of its items by one engine and some by another. It means ``plain`` here.
    """
    return plain if engine == "auto" else engine
