"""What the columns of a table are: pictures, texts, parts, labels. Found by looking at their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from regraft.data.numbers import has_unit, kind_of
from regraft.data.parts import part_of
from regraft.data.pictures import SUFFIXES
from regraft.errors import DataError, UnknownName
from regraft.types import Hints, Problem

Columns = dict[str, list[Any]]
LABEL_NAMES = ("label", "labels", "class", "classes", "category", "target", "y")
TEXT_LABEL_NAMES = (*LABEL_NAMES, "sentiment", "polarity", "stars", "rating", "标签", "情感", "类别", "评分")
TEXT_NAMES = ("text", "texts", "review", "reviews", "sentence", "sentences", "content", "comment", "comments", "body",
              "message", "tweet", "document", "description", "文本", "内容", "评论", "正文")  # fmt: skip
LOOKED_AT = 1000
FEW_LABELS = 20
LONG_NAME = 25

_NO_PROSE = re.compile(
    r"[\W\d_]+|[+-]?[\d.,]+(e[+-]?\d+)?%?|nan|true|false"  # numbers, dates of digits, punctuation
    r"|\d{4}-\d\d-\d\d[ T][\d:.+Z-]+|\w+://\S+|\S+@\S+\.\w+"  # times, addresses
    r"|(?=[\x21-\x7e]*\d)[\x21-\x7e]+"  # identifiers: no space, a digit
    r"|[\w./\\-]+\.\w{2,4}",  # names of files
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[\d\s.,:;/+-]+")


def cell_text(value: Any) -> str:
    """A cell as text without white space around it, "" where it is missing."""
    missing = value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT")
    return "" if missing else str(value).strip()


def image_column(columns: Columns) -> str | None:
    """The column with the largest share of picture paths, at least half; None where there is none."""
    shares = {name: _share(_is_path(v) for v in values[:500]) for name, values in columns.items()}
    best = max(shares, key=lambda n: shares[n], default="")
    return best if best and shares[best] >= 0.5 else None


def text_column(columns: Columns, taken: set[str | None]) -> str | None:
    """The column of texts: one with a name such as text or review, else the longest of those with many values.

    Names of things in a table of numbers are no texts.
    """
    prose: dict[str, float] = {}
    various: set[str] = set()
    called: dict[str, str] = {}
    for name, values in columns.items():
        cells = [c for c in (cell_text(v) for v in _sample(values)) if c]
        if name in taken or not cells:
            continue
        if _share(bool(_NUMBER.fullmatch(c)) or _is_path(c) for c in cells) < 0.5:
            called.setdefault(name.lower(), name)
        if _share(_is_prose(c) for c in cells) >= 0.5:
            prose[name] = sum(map(len, cells)) / len(cells)
            if len(set(cells)) > 0.3 * len(cells):
                various.add(name)
    for known in TEXT_NAMES:
        if known in called:
            return called[known]
    named = [name for name in prose if name in various and set(re.split(r"[\W_]+", name.lower())) & set(TEXT_NAMES)]
    candidates = named or [name for name in prose if name in various and name.lower() not in TEXT_LABEL_NAMES]
    best = max(candidates, key=lambda n: prose[n], default=None)
    if best is not None and not named and prose[best] < LONG_NAME:
        others = [[cell_text(v) for v in _sample(values)] for name, values in columns.items() if name != best]
        numeric = sum(kind_of(cells) == "number" for cells in others)
        if numeric >= 2 and numeric >= len(others) / 2:
            return None
    return best


def part_column(columns: Columns, item: str) -> str | None:
    for name, values in columns.items():
        texts = {cell_text(v) for v in values[:5000]} - {""}
        if name != item and texts and all(part_of(t) for t in texts):
            return name
    return None


def wanted(name: str, columns: Columns, where: str, option: str) -> str:
    """``name`` if there is such a column; raises ``DataError`` naming the option that asked for it."""
    if name not in columns:
        raise DataError(f"{option} {name}: {UnknownName('column', name, columns)} ({where})")
    return name


def label_columns(columns: Columns, taken: set[str | None], hints: Hints, where: str, *, texts: bool) -> list[str]:
    """The columns that are labels. Beside texts, those with few values are taken where any are."""
    if hints.label:
        return [wanted(name.strip(), columns, where, "--label") for name in hints.label.split(",")]
    free = [name for name in columns if name not in taken]
    known = TEXT_LABEL_NAMES if texts else LABEL_NAMES
    named = [name for name in free if name.lower() in known]
    if texts:
        named.sort(key=lambda name: known.index(name.lower()))
        free = [name for name in free if _few_values(columns[name])] or free
    chosen = named[:1] or free
    if not chosen:
        beside = "texts" if texts else "pictures"
        raise DataError(f"{where} has no column beside the {beside} that could be a label.")
    return chosen


def white_space_problems(name: str, cells: list[Any]) -> list[Problem]:
    """Labels that were several by the white space around them alone, and are one now."""
    forms: dict[str, set[str]] = {}
    for cell in cells:
        if isinstance(cell, str) and cell.strip():
            forms.setdefault(cell.strip(), set()).add(cell)
    return [
        Problem("label-white-space", label, f"is written in {len(raw)} ways in {name} that differ by white space; "
                "they are one class")
        for label, raw in forms.items() if len(raw) > 1
    ]  # fmt: skip


def header_problems(columns: Columns, labels: list[str]) -> list[Problem]:
    """A first line that looks like a row: the name of a label's column is one of its own labels."""
    return [
        Problem("no-header", name, "is the name of a column and a label in it: the first line looks like a row, and "
                "was read as the names of the columns")
        for name in labels if any(cell_text(v) == name for v in columns[name])
    ]  # fmt: skip


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path) and PurePosixPath(str(value).strip()).suffix.lower() in SUFFIXES


def _is_prose(cell: str) -> bool:
    return len(cell) > 200 or not (_NO_PROSE.fullmatch(cell) or part_of(cell) or has_unit(cell))


def _few_values(values: list[Any]) -> bool:
    cells = [str(v) if isinstance(v, list) else cell_text(v) for v in values]
    different = len(set(cells) - {""})
    return 1 < different <= max(FEW_LABELS, 0.05 * len(cells)) and (
        len(cells) < 2 * FEW_LABELS or different < len(cells) / 2
    )


def _sample(values: list[Any]) -> list[Any]:
    return values[:: max(1, len(values) // LOOKED_AT)]


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / max(len(listed), 1)
