"""A column of labels, and what a task makes of it."""

from __future__ import annotations

import math
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import LabelSpec

_BLANK = string.whitespace + "\u00a0\u3000\ufeff"


@dataclass(frozen=True)
class LabelCells:
    """The cells (n,) of the column ``name`` of the table ``where``, whose rows a person calls ``rows``.

    ``texts`` are the cells in plain words, "" for empty ones and lists, ``missing`` marks the empty ones. ``separator``
    is known to stand between several classes of a cell, ``style`` is how numbers were written.
    """

    name: str
    where: str
    rows: Sequence[str]
    cells: list[Any]
    texts: list[str]
    missing: NDArray[np.bool_]
    separator: str = ""
    style: str = ""


@dataclass(frozen=True)
class LabelColumn:
    """One target: its labels as indices (n,), 0 and 1 (n, k), or numbers (n,); ``missing`` (n,) marks empty cells.

    ``separator`` stands between several classes of a cell, ``style`` is how its numbers are written where not plainly,
    ``doubt`` what a person should know of how the column was understood.
    """

    name: str
    spec: LabelSpec
    values: NDArray[Any]
    missing: NDArray[np.bool_]
    separator: str = ""
    style: str = ""
    doubt: str = ""


def is_list(cell: Any) -> bool:
    """Whether a cell holds several values."""
    return isinstance(cell, list | tuple | np.ndarray)


def plain_text(cell: Any) -> str:
    """One value as text, "" where it is missing; whole numbers without a point."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) in ("<NA>", "NaT"):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return unicodedata.normalize("NFC", str(cell)).strip(_BLANK)
