"""What a column of labels means: classes, several classes a cell, or numbers."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.tasks import TASKS
from regraft.tasks.cells import LabelCells, LabelColumn, is_list, plain_text
from regraft.tasks.multilabel import separator_of, spaced
from regraft.text.numbers import POINT_ZERO, as_plain, fits, is_missing, kind_of, number, style_of, why_not

FEW_NUMBERS, MANY_NUMBERS, FEW_CLASSES, REPEATS, MANY_REPEATS = 5, 100, 20, 3, 20
CLASS_NAMES = {"label", "labels", "class", "classes", "category", "categories", "species", "type", "标签", "类别"}
_LIST = re.compile(r"\s*\[.*\]\s*", re.DOTALL)


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
    lists = any(map(is_list, cells))
    kind = None if task is None else TASKS.get(task, TASKS["classification"])
    if lists and kind is not None and not kind.several:
        cells, lists = _singles(name, cells, kind.name, where, rows), False
    # an empty list is an answer (none of the classes), an empty cell is not
    missing = np.array([c is None or (not is_list(c) and plain_text(c) == "") for c in cells])
    texts = ["" if m or lists else plain_text(c) for c, m in zip(cells, missing, strict=True)]
    doubt = ""
    if not lists and (kind is None or kind.numbers) and not separator:
        texts, style = _plain_numbers(name, texts, cells, style, where, rows)
    if kind is None:
        given = [t for t in texts if t]
        separator = separator or separator_of(given)
        several = lists or separator
        task, doubt = ("multilabel", "") if several else _number_or_class(name, given, whole=bool(missing.any()))
        kind = TASKS[task]
    column = kind.of_cells(LabelCells(name, where, rows, cells, texts, missing, separator, style))
    return replace(column, doubt=column.doubt or doubt)


def _plain_numbers(
    name: str, texts: list[str], cells: list[Any], style: str, where: str, rows: Sequence[str]
) -> tuple[list[str], str]:
    """The ``cells`` as ``texts`` with their numbers written as 1234.5, and how they were written: in this ``style``
    where they could be; what is a number already stays. Raises ``DataError`` where 1,500 could be two numbers.
    """
    given = [t for t, cell in zip(texts, cells, strict=True) if t and isinstance(cell, str)]
    style = style if style and fits(given, style) else style_of(given)
    if style == "ambiguous":
        first = next(i for i, t in enumerate(texts) if "," in t)
        why = why_not(texts[first]).rstrip(".")
        raise DataError(f"{where}, {rows[first]}: {name!r} is {texts[first]!r}, {why}; a list of classes: "
                        "--task multilabel.")  # fmt: skip
    return [as_plain(t, style) if isinstance(cell, str) else t for t, cell in zip(texts, cells, strict=True)], style


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
        held = list(cell) if is_list(cell) else [cell]
        if len(held) > 1:
            raise DataError(f"{where}, {row}: {name!r} holds {len(held)} values, and --task {task} takes one; "
                            "--task multilabel takes several.")  # fmt: skip
        found.append(held[0] if held else None)
    return found


def _number_or_class(name: str, texts: list[str], *, whole: bool) -> tuple[str, str]:
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
        return "classification", said if spaced(some) else ""
    values = {v for v in map(number, different) if v is not None and math.isfinite(v)}
    count, repeats = len(different), len(some) / max(1, len(different))
    written = not whole and count > FEW_NUMBERS and all(map(POINT_ZERO.fullmatch, different))
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
