"""The rows of a table with named columns, of numbers and categories, as they were written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError, UnknownName, UnreadableItem
from regraft.core.types import Modality
from regraft.data.items import NO_FAULTS, Indices, RowsInMemory
from regraft.text.numbers import number, numbers


class Cells(RowsInMemory):
    """n rows; ``columns`` maps each column's name to its n cells as text, ``names`` are what a person calls the rows,
    ``where`` the table in errors, ``faults`` maps the places of rows that cannot be read to why. Taking a part copies
    nothing.
    """

    modality: Modality = "table"

    def __init__(
        self, columns: Mapping[str, Sequence[str]], names: Sequence[str], where: str, index: Indices | None = None, *,
        faults: Mapping[int, str] = NO_FAULTS,
    ) -> None:  # fmt: skip
        super().__init__(len(names), names, index)
        self.columns, self.where, self.faults = columns, where, faults

    def row(self, i: int) -> list[str]:
        """The cells of row ``i``, in the order of the columns."""
        return [cells[int(self.index[i])] for cells in self.columns.values()]

    def digest(self, i: int) -> bytes:
        return hashlib.blake2b(repr([*self.columns, *self.row(i)]).encode("utf-8", "replace"), digest_size=16).digest()

    def load(self, i: int) -> NDArray[Any]:
        """The row as numbers (d,), NaN where one is missing; raises ``UnreadableItem`` where it holds anything else."""
        if int(self.index[i]) in self.faults:
            raise UnreadableItem(self.faults[int(self.index[i])])
        found = [number(cell) for cell in self.row(i)]
        for column, value, cell in zip(self.columns, found, self.row(i), strict=True):
            if value is None:
                raise UnreadableItem(f"{column} is {cell!r}, which is no number")
        return np.array(found, np.float64)

    def take(self, indices: Indices) -> Cells:
        return Cells(self.columns, self.names, self.where, self.index[indices], faults=self.faults)

    def texts(self, column: str) -> list[str]:
        """(n,) the cells of a column; raises ``DataError`` where there is none of that name."""
        if column not in self.columns:
            raise DataError(f"{self.where}: {UnknownName('column', column, self.columns)} (the model takes it)")
        cells = self.columns[column]
        return [cells[i] for i in self.index.tolist()]

    def failed(self) -> dict[int, str]:
        """Position -> why, of the rows that cannot be read."""
        places = self.index.tolist() if self.faults else []
        return {i: self.faults[place] for i, place in enumerate(places) if place in self.faults}

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n,) the cells of a column as numbers, NaN where missing; raises ``DataError`` naming a row that is none."""
        return numbers(column, self.texts(column), [self.names[i] for i in self.index.tolist()], self.where)
