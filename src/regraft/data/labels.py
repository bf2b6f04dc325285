"""What a column of labels means: classes, several classes a cell, or numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.errors import DataError
from regraft.types import TargetSpec

SEPARATORS = ("|", ";", ",")
MANY_NUMBERS = 20
LEAST_ROWS = 10


@dataclass(frozen=True)
class LabelColumn:
    """One target: its labels as indices (n,), 0 and 1 (n, k), or numbers (n,); ``missing`` (n,) marks empty cells."""

    name: str
    spec: TargetSpec
    values: NDArray[Any]
    missing: NDArray[np.bool_]


def label_column(name: str, cells: list[Any], task: str | None, where: str) -> LabelColumn:
    """Reads one column; ``task`` overrules what its cells suggest.

    Raises ``DataError`` where every value is another one: that is no class.
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
        return LabelColumn(name, TargetSpec("regression"), np.array([_number(c) for c in cells]), missing)
    return _classes(name, cells, missing, texts, where)


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) == "<NA>":
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _number(cell: Any) -> float:
    try:
        return float(_text(cell))
    except ValueError:
        return math.nan


def _separator(texts: list[str]) -> str | None:
    """The separator of cells with several labels: their parts must be fewer than the cells' own values."""
    for separator in SEPARATORS:
        if sum(separator in t for t in texts) >= max(1, 0.01 * len(texts)):
            atoms = {a.strip() for t in texts for a in t.split(separator)}
            if len(atoms) <= max(2, len(set(texts))) and len(atoms) < len(texts) / 2:
                return separator
    return None


def _many_numbers(texts: list[str]) -> bool:
    """Numbers with decimals, or more different ones than classes would have."""
    values = [_number(t) for t in texts]
    if not values or any(math.isnan(v) for v in values):
        return False
    different = set(values)
    whole = all(v.is_integer() for v in different)
    return len(different) > MANY_NUMBERS and (not whole or len(different) > 0.05 * len(values))


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
    numbers = all(not math.isnan(_number(t)) for t in different)
    classes = tuple(sorted(different, key=(lambda t: (_number(t), t)) if numbers else str))
    position = {c: i for i, c in enumerate(classes)}
    values = np.array([-1 if m else position[_text(c)] for c, m in zip(cells, missing, strict=True)], dtype=np.int64)
    return LabelColumn(name, TargetSpec("classification", classes), values, missing)
