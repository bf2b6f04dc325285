"""What a column of labels means: classes, several classes a cell, or numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.data.numbers import is_missing, kind_of, number, numbers
from regraft.errors import DataError
from regraft.types import TargetSpec

SEPARATORS = ("|", ";", ",")
MANY_NUMBERS, FEW_NUMBERS = 20, 5
LEAST_ROWS = 10


@dataclass(frozen=True)
class LabelColumn:
    """One target: its labels as indices (n,), 0 and 1 (n, k), or numbers (n,); ``missing`` (n,) marks empty cells."""

    name: str
    spec: TargetSpec
    values: NDArray[Any]
    missing: NDArray[np.bool_]


def label_column(name: str, cells: list[Any], task: str | None, where: str, rows: Sequence[str]) -> LabelColumn:
    """Reads one column; ``task`` overrules what its cells suggest, ``rows`` are what a person calls its rows.

    Raises ``DataError`` where every value is another one: that is no class; and where one that should be a number is
    none, or infinite.
    """
    lists = any(isinstance(c, list | tuple | np.ndarray) for c in cells)
    # an empty list is an answer (none of the classes), an empty cell is not
    missing = np.array([c is None or (not isinstance(c, list | tuple | np.ndarray) and _text(c) == "") for c in cells])
    texts = [_text(c) for c, m in zip(cells, missing, strict=True) if not m] if not lists else []
    if task is None:
        task = (
            "multilabel" if lists or _separator(texts) else "regression" if _many_numbers(texts) else "classification"
        )
    if task == "multilabel":
        return _multilabel(name, cells, missing, texts)
    if task == "regression":
        values = numbers(name, ["" if m else _text(c) for c, m in zip(cells, missing, strict=True)], rows, where)
        return LabelColumn(name, TargetSpec("regression"), values, np.isnan(values))
    return _classes(name, cells, missing, texts, where)


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) == "<NA>":
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _separator(texts: list[str]) -> str | None:
    """The separator of cells with several labels: their parts must be fewer than the cells' own values."""
    for separator in SEPARATORS:
        if sum(separator in t for t in texts) >= max(1, 0.01 * len(texts)):
            atoms = {a.strip() for t in texts for a in t.split(separator)}
            if len(atoms) <= max(2, len(set(texts))) and len(atoms) < len(texts) / 2:
                return separator
    return None


def _many_numbers(texts: list[str]) -> bool:
    """Mostly numbers (or dates, or numbers with a unit, which will be refused), more different ones than classes would
    have: with decimals more than 20, else also more than one in 20 rows; in short columns more than one in two.
    """
    some = [t for t in texts if not is_missing(t)]
    kind = kind_of(some)
    if kind not in ("number", "unit", "date"):
        return False
    different = set(some)
    whole = all(v is None or float(v).is_integer() for v in map(number, different))
    many = len(different) > MANY_NUMBERS and (not whole or len(different) > 0.05 * len(some))
    return many or len(different) > max(FEW_NUMBERS, len(some) / 2)


def _multilabel(name: str, cells: list[Any], missing: NDArray[np.bool_], texts: list[str]) -> LabelColumn:
    separator = _separator(texts) or next((s for s in SEPARATORS if any(s in t for t in texts)), "|")
    sets: list[set[str]] = []
    for cell in cells:
        parts = list(cell) if isinstance(cell, list | tuple | np.ndarray) else _text(cell).split(separator)
        sets.append({str(a).strip() for a in parts} - {""})
    classes = tuple(sorted(set().union(*sets)))
    position = {c: i for i, c in enumerate(classes)}
    values = np.zeros((len(cells), len(classes)), np.int64)
    for row, atoms in enumerate(sets):
        values[row, [position[a] for a in atoms]] = 1
    return LabelColumn(name, TargetSpec("multilabel", classes), values, missing)


def _classes(name: str, cells: list[Any], missing: NDArray[np.bool_], texts: list[str], where: str) -> LabelColumn:
    different = set(texts)
    if len(texts) > LEAST_ROWS and len(different) == len(texts):
        raise DataError(
            f"{where}: the column {name!r} holds another value in each of its {len(texts)} rows, so it names no "
            "classes; choose the label's column with --label."
        )
    values_of = {t: number(t) for t in different}
    ordered = all(v is not None and not math.isnan(v) for v in values_of.values())
    classes = tuple(sorted(different, key=(lambda t: (values_of[t], t)) if ordered else str))
    position = {c: i for i, c in enumerate(classes)}
    values = np.array([-1 if m else position[_text(c)] for c, m in zip(cells, missing, strict=True)], dtype=np.int64)
    return LabelColumn(name, TargetSpec("classification", classes), values, missing)
