"""Feature maps that are learned from the training part, as networks among others."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.data.items import Items


class MappedRows(NamedTuple):
    """Rows (m, D), an array or a sparse matrix, of the items at ``positions`` (m,); ``failed`` maps others to why."""

    rows: Any
    positions: NDArray[np.int64]
    failed: dict[int, str]


class Mapped(Pretrained):
    """A network that gives rows by itself, without an engine; `fitted` learns it from training items."""

    def fitted(self, items: Items) -> Self:
        raise TypeError(f"{self.name} learns nothing from items")

    def rows_of(self, items: Items) -> MappedRows:
        raise TypeError(f"{self.name} gives no rows")
