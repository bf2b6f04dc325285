"""Days in the cells of a table, in the ways people and programs write them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATE_NAMES = {"date", "day", "time", "datetime", "timestamp", "created", "published", "posted", "when", "日期", "时间",
              "发布时间", "创建时间", "评论时间"}  # fmt: skip
ENOUGH = 0.8
"""The least share of a column's cells that must be dates for it to be found by looking."""

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10,
           "nov": 11, "dec": 12}  # fmt: skip
_NAME = f"(?P<month>{'|'.join(_MONTHS)})[a-z]*"
_YEAR_FIRST = re.compile(r"(\d{4})(?P<s>[-/.])(\d{1,2})(?:(?P=s)(\d{1,2}))?(?!\d)")
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月(?:\s*(\d{1,2})\s*日)?")
_SOLID = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})(?:T?\d{4,6}Z?)?$")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_DAY_NAME = re.compile(
    rf"(?:[a-z]{{3,9}},?\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+{_NAME}\.?,?[\s-]+(?P<year>\d{{4}})"
)
_NAME_DAY = re.compile(
    rf"(?:[a-z]{{3,9}},?\s+)??{_NAME}\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+"
    r"(?:\d\d:\d\d(?::\d\d)?\s+(?:[+-]\d{4}\s+|[a-z]+\s+)?)?(?P<year>\d{4})\b"
)
_SECONDS = re.compile(r"(\d{10})(\d{3})?(\.\d+)?$")


def days(cells: Sequence[str]) -> tuple[NDArray[np.datetime64], bool]:
    """(n,) the day of each cell, NaT where it is none; and whether 03/04/2024 could be read in two ways.

    Where the year comes last, day or month stands first as in those cells that can be read in one way only; where all
    could be either, the day is taken to be first.
    """
    pairs = [(int(m[1]), int(m[2])) for c in cells if (m := _YEAR_LAST.match(c.strip()))]
    month_first = any(b > 12 for _, b in pairs) and not any(a > 12 for a, _ in pairs)
    doubtful = any(a != b for a, b in pairs) and not any(a > 12 or b > 12 for a, b in pairs)
    return np.array([_day(c.strip().lower(), month_first) for c in cells], "datetime64[D]"), doubtful


def date_column(columns: dict[str, list[str]]) -> str | None:
    """The column that holds dates: one with a name such as date first, numbers only where it has such a name."""
    found: dict[str, tuple[bool, float]] = {}
    for name, values in columns.items():
        cells = [v for v in values[:: max(1, len(values) // 500)] if v]
        named = bool(DATE_NAMES & {name.lower(), *re.split(r"[\W_]+", name.lower())})
        if not cells or (not named and all(c.replace(".", "").isdigit() for c in cells)):
            continue
        share = float(np.mean(~np.isnat(days(cells)[0])))
        if share >= ENOUGH:
            found[name] = (named, share)
    return max(found, key=lambda n: found[n], default=None)


def _day(cell: str, month_first: bool) -> Any:
    for pattern in (_YEAR_FIRST, _CHINESE, _SOLID):
        if m := pattern.match(cell):
            numbers = [g for g in m.groups() if g and g.isdigit()]
            return _made(int(numbers[0]), int(numbers[1]), int(numbers[2]) if len(numbers) > 2 else 1)
    if m := _YEAR_LAST.match(cell):
        day, month = (int(m[2]), int(m[1])) if month_first else (int(m[1]), int(m[2]))
        return _made(int(m[3]), month, day)
    if m := _DAY_NAME.match(cell) or _NAME_DAY.match(cell):
        return _made(int(m["year"]), _MONTHS[m["month"]], int(m["day"]))
    if m := _SECONDS.match(cell):
        return dt.datetime.fromtimestamp(int(m[1]), dt.UTC).date()
    return np.datetime64("NaT")


def _made(year: int, month: int, day: int) -> Any:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return np.datetime64("NaT")
