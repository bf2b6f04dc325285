"""What a column of labels means: classes, several classes a cell, or numbers."""

from __future__ import annotations

import ast
import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import LabelSpec, Task
from regraft.text.numbers import as_plain, fits, is_missing, kind_of, number, numbers, style_of, why_not

SEPARATORS = ("|", ";", ",")
FEW_NUMBERS, MANY_NUMBERS, FEW_CLASSES, REPEATS, MANY_REPEATS = 5, 100, 20, 3, 20
LEAST_ROWS = 10
CLASS_NAMES = {"label", "labels", "class", "classes", "category", "categories", "species", "type", "标签", "类别"}
_BLANK = string.whitespace + "\u00a0\u3000\ufeff"
_FLOAT = re.compile(r"\d+\.0")
_LIST = re.compile(r"\s*\[.*\]\s*", re.DOTALL)


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


def label_column(
    name: str, cells: list[Any], task: str | None, where: str, rows: Sequence[str], *, separator: str = "",
    style: str = "",
) -> LabelColumn:  # fmt: skip
    """Reads one column; ``task`` overrules what its cells suggest, ``rows`` are what a person calls its rows;
    ``separator`` and ``style`` are those of the table that a model learned from.

    Numbers are recognised before separators are looked for. Raises ``DataError`` where every value is another one: that
    is no class; where one that should be a number is none, or infinite; and where 1,500 could be two numbers.
    """
    cells = _as_lists(cells)
    lists = any(isinstance(c, list | tuple | np.ndarray) for c in cells)
    if lists and task in ("classification", "regression"):
        cells, lists = _singles(name, cells, task, where, rows), False
    # an empty list is an answer (none of the classes), an empty cell is not
    missing = np.array([c is None or (not isinstance(c, list | tuple | np.ndarray) and _text(c) == "") for c in cells])
    texts = ["" if m or lists else _text(c) for c, m in zip(cells, missing, strict=True)]
    some = [t for t in texts if t]
    doubt = ""
    if not lists and task in (None, "regression") and not separator:
        style = style if style and fits(some, style) else style_of(some)
        if style == "ambiguous":
            first = next(i for i, t in enumerate(texts) if "," in t)
            why = why_not(texts[first]).rstrip(".")
            raise DataError(f"{where}, {rows[first]}: {name!r} is {texts[first]!r}, {why}; a list of classes: "
                            "--task multilabel.")  # fmt: skip
        if style:
            texts = [as_plain(t, style) for t in texts]
            some = [t for t in texts if t]
    if task is None:
        separator = separator or _separator(some)
        task, doubt = (
            ("multilabel", "") if lists or separator else _number_or_class(name, some, whole=bool(missing.any()))
        )
    if task == "multilabel":
        return _multilabel(name, cells, missing, some, separator)
    if task == "regression":
        values = numbers(name, texts, rows, where)
        return LabelColumn(name, LabelSpec("regression"), values, np.isnan(values), style=style, doubt=doubt)
    return _classes(name, texts, missing, where, doubt)


def _as_lists(cells: list[Any]) -> list[Any]:
    """Cells with sets as lists; those with lists as Python and JSON write them (``['a', 'b']``), where all are, too."""
    cells = [sorted(map(str, c)) if isinstance(c, set | frozenset) else c for c in cells]
    written = {c for c in cells if isinstance(c, str) and c.strip()}
    if not written or not all(map(_LIST.fullmatch, written)):
        return cells
    try:
        lists = {c: ast.literal_eval(c.strip()) for c in written}
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return cells
    plain = all(isinstance(a, str | int) for one in lists.values() for a in one)
    return [lists.get(c, c) if isinstance(c, str) else c for c in cells] if plain else cells


def _singles(name: str, cells: list[Any], task: str, where: str, rows: Sequence[str]) -> list[Any]:
    """The only members of lists; raises ``DataError`` where one has several."""
    found = []
    for row, cell in zip(rows, cells, strict=True):
        held = list(cell) if isinstance(cell, list | tuple | np.ndarray) else [cell]
        if len(held) > 1:
            raise DataError(f"{where}, {row}: {name!r} holds {len(held)} values, and --task {task} takes one; "
                            "--task multilabel takes several.")  # fmt: skip
        found.append(held[0] if held else None)
    return found


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) in ("<NA>", "NaT"):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return unicodedata.normalize("NFC", str(cell)).strip(_BLANK)


def _separator(texts: list[str]) -> str:
    """The separator of cells with several labels, "" where there is none: their parts must be fewer than the cells' own
    values. Names of several words, such as ``red, small``, of which each place has its own, are whole.
    """
    for separator in SEPARATORS:
        if sum(separator in t for t in texts) >= max(1, 0.01 * len(texts)):
            rows = [[a.strip() for a in t.split(separator)] for t in texts]
            atoms = {a for row in rows for a in row}
            if len(atoms) <= max(2, len(set(texts))) and len(atoms) < len(texts) / 2:
                if separator != "|" and _compound(rows):
                    continue
                return separator
    return ""


def _compound(rows: list[list[str]]) -> bool:
    """Whether all have as many parts, and no part stands in two places."""
    if len({len(row) for row in rows}) > 1:
        return False
    places = [set(place) for place in zip(*rows, strict=True)]
    return sum(map(len, places)) == len(set().union(*places))


def _spaced(texts: list[str]) -> bool:
    """Whether cells could hold several classes between spaces: each of them stands alone too, or a few make many."""
    different = set(texts)
    atoms = {a for t in different for a in t.split(" ")}
    return any(" " in t for t in different) and (atoms <= different or len(atoms) < len(different) / 2)


def _number_or_class(name: str, texts: list[str], *, whole: bool) -> tuple[Task, str]:
    """``regression`` or ``classification``, and what is said of it where it could be the other.

    Dates and numbers with a unit count as numbers, which will be refused. Numbers with fractions are numbers; whole
    ones are classes where they are few and each is there often: up to 20 of them, or numbered through from 0 or 1 (or
    in a column called label) and there 3 times each, or 20 times each. Those written as 7.0 have fractions, unless
    ``whole``: pandas writes whole numbers so where some are missing.
    """
    some = [t for t in texts if not is_missing(t)]
    kind = kind_of(some)
    different = set(some)
    if kind not in ("number", "unit", "date") or any(re.fullmatch(r"0\d+", t) for t in different):
        said = "could hold several classes between spaces: each cell is taken as one class; --task multilabel overrules"
        return "classification", said if _spaced(some) else ""
    values = {v for v in map(number, different) if v is not None and math.isfinite(v)}
    count, repeats = len(different), len(some) / max(1, len(different))
    written = not whole and count > FEW_NUMBERS and all(map(_FLOAT.fullmatch, different))
    if kind != "number" or written or any(v % 1 for v in values):
        few = kind == "number" and count <= FEW_CLASSES and repeats >= 2
        if few and count == 2:
            return "classification", ""
        said = f"holds {count} different numbers with fractions: taken as numbers; --task classification as classes"
        return "regression", said if few else ""
    numbered = bool(values) and min(values) in (0, 1) and max(values) - min(values) + 1 <= 1.1 * count
    often = repeats >= MANY_REPEATS or (repeats >= REPEATS and (numbered or name.lower() in CLASS_NAMES))
    classes = count <= FEW_NUMBERS or (repeats >= 2 and (count <= FEW_CLASSES or often))
    if count <= 2:
        return "classification", ""
    which, other = ("classes", "regression") if classes else ("numbers", "classification")
    said = f"holds {count} different whole numbers in {len(some)} rows: taken as {which}; --task {other} overrules"
    told = count > FEW_NUMBERS and repeats >= 1.5 and (classes or count <= MANY_NUMBERS)
    return ("classification" if classes else "regression"), said if told else ""


def _multilabel(
    name: str, cells: list[Any], missing: NDArray[np.bool_], texts: list[str], separator: str
) -> LabelColumn:
    usual = next((s for s in SEPARATORS if any(s in t for t in texts)), " " if _spaced(texts) else "|")
    separator = separator or _separator(texts) or usual
    sets: list[set[str]] = []
    for cell in cells:
        parts = list(cell) if isinstance(cell, list | tuple | np.ndarray) else _text(cell).split(separator)
        sets.append({_text(a) for a in parts} - {""})
    classes = tuple(sorted(set().union(*sets)))
    position = {c: i for i, c in enumerate(classes)}
    values = np.zeros((len(cells), len(classes)), np.int64)
    for row, atoms in enumerate(sets):
        values[row, [position[a] for a in atoms]] = 1
    split = separator if any(separator in t for t in texts) else ""
    return LabelColumn(name, LabelSpec("multilabel", classes), values, missing, separator=split)


def _classes(name: str, texts: list[str], missing: NDArray[np.bool_], where: str, doubt: str) -> LabelColumn:
    if (
        missing.any()
        and not missing.all()
        and all(m or _FLOAT.fullmatch(t) for t, m in zip(texts, missing, strict=True))
    ):
        texts = [t.removesuffix(".0") for t in texts]
        doubt = "is written with .0, as whole numbers are where some are missing; they are read without it"
    counts = Counter(t for t, m in zip(texts, missing, strict=True) if not m)
    if sum(counts.values()) > LEAST_ROWS and len(counts) == sum(counts.values()):
        raise DataError(
            f"{where}: the column {name!r} holds another value in each of its {len(counts)} rows, so it names no "
            "classes; choose the label's column with --label."
        )
    values_of = {t: number(t) for t in counts}
    ordered = all(v is not None and not math.isnan(v) for v in values_of.values())
    classes = tuple(sorted(counts, key=(lambda t: (values_of[t], t)) if ordered else str))
    position = {c: i for i, c in enumerate(classes)}
    values = np.array([-1 if m else position[t] for t, m in zip(texts, missing, strict=True)], dtype=np.int64)
    return LabelColumn(name, LabelSpec("classification", classes), values, missing, doubt=doubt)
