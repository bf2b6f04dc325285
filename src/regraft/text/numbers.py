"""Numbers in the cells of a table, and what stands there in their place."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.text.dates import days

Kind = Literal["number", "category", "date", "unit", "empty"]
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "--", "."}
MOSTLY = 0.9
"""The least share of a column's cells that must be of a kind for the column to be."""

_AMOUNT = r"[+-]?\d[\d.,' ]*"
_UNIT = re.compile(
    rf"(?P<number>{_AMOUNT}?)\s*[A-Za-z%‰€$£¥°µΩ][\w%‰€$£¥°µΩ²³/·^]{{0,9}}|[€$£¥]\s*(?P<price>{_AMOUNT})"
)
STYLES = {"comma": "1.234,5 for 1234.5", "thousands": "1,234.5 for 1234.5"}
"""Ways to write numbers besides 1234.5, and what each makes of a cell."""
_BETWEEN = " '\u2019\u00a0\u202f"
_TIMES = r"([eE][+-]?\d+)?"
_STYLED = {
    "comma": re.compile(rf"[+-]?(\d+|\d{{1,3}}([.{_BETWEEN}]\d{{3}})+)(,\d+)?{_TIMES}"),
    "thousands": re.compile(rf"[+-]?(\d+|\d{{1,3}}([,{_BETWEEN}]\d{{3}})+)(\.\d+)?{_TIMES}"),
}
POINT_ZERO = re.compile(r"\d+\.0")
"""How whole numbers are written by what takes them for numbers with fractions."""
_NUMBERISH = re.compile(rf"[+-]?\d[\d.,{_BETWEEN}]*{_TIMES}")
_SEPARATED = re.compile(r"[+-]?\d+(?:[,' ]\d+)+(?:\.\d+)?|[+-]?\d{1,3}(?:\.\d{3})*,\d+")


def has_unit(text: str) -> bool:
    """Whether it is a number with a unit or a sign of money: ``120 m2``, ``$95``."""
    return bool(_UNIT.fullmatch(text))


def is_missing(text: str) -> bool:
    """Whether a cell says that nothing is known: empty, NA, null, ?, ..."""
    return text.casefold() in MISSING


def number(text: str) -> float | None:
    """The number that a cell holds (NaN where it says that nothing is known, also infinite); None where it is none."""
    if is_missing(text):
        return math.nan
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def style_of(texts: Sequence[str]) -> str:
    """How a column's numbers are written: one of `STYLES`, ``ambiguous`` where 1,500 could be 1.5 or 1500 all through
    it, "" where they are plain or no numbers.
    """
    some = [t for t in texts if not is_missing(t)]
    odd = [t for t in some if number(t) is None and _NUMBERISH.fullmatch(t)]
    plain = [t for t in some if _NUMBERISH.fullmatch(t) and number(t) is not None]
    if not odd or len(odd) + len(plain) < MOSTLY * len(some):
        return ""
    fitting = [name for name, form in _STYLED.items() if all(map(form.fullmatch, odd + plain))]
    if len(fitting) == 2:
        return "ambiguous" if any("," in t for t in odd) else "thousands"
    return fitting[0] if fitting else ""


def fits(texts: Sequence[str], style: str) -> bool:
    """Whether all numbers among the cells could be written in this style."""
    return all(_STYLED[style].fullmatch(t) for t in texts if _NUMBERISH.fullmatch(t))


def as_plain(text: str, style: str) -> str:
    """A cell with its number written as 1234.5; as it is where it holds none in this style."""
    if style not in STYLES or not _STYLED[style].fullmatch(text):
        return text
    if style == "comma":
        return re.sub(rf"[.{_BETWEEN}]", "", text).replace(",", ".")
    return re.sub(rf"[,{_BETWEEN}]", "", text)


def kind_of(texts: Sequence[str]) -> Kind:
    """What most of a column's cells are, missing ones aside."""
    some = [t for t in texts if not is_missing(t)]
    if not some:
        return "empty"
    if sum(number(t) is not None for t in some) >= MOSTLY * len(some):
        return "number"
    if sum(map(has_unit, some)) >= MOSTLY * len(some):
        units = {re.sub(_AMOUNT, "", t, count=1).strip() for t in some}
        return "unit" if len(units) <= max(1, 0.02 * len(some)) else "category"
    if float((~np.isnat(days(some)[0])).mean()) >= MOSTLY:
        return "date"
    return "category"


def numbers(column: str, texts: Sequence[str], rows: Sequence[str], where: str) -> NDArray[np.float64]:
    """(n,) the cells as finite numbers, NaN where they are missing.

    Raises ``DataError`` that names the first row whose cell is no number, or infinite, and says what would be right.
    """
    found = np.empty(len(texts))
    for i, text in enumerate(texts):
        value = number(text)
        if value is None or math.isinf(value):
            raise DataError(f"{where}, {rows[i]}: {column!r} is {text!r}, {why_not(text)}")
        found[i] = value
    return found


def why_not(text: str) -> str:
    """Why a cell is no finite number, and what to write in its place."""
    if number(text) is not None:
        return "which is infinite; empty the cell where the value is not known."
    unit = _UNIT.fullmatch(text)
    if unit:
        alone = (unit["number"] or unit["price"]).strip()
        return f"a number with a unit: write {alone} in its place, and the unit into the column's name."
    if _SEPARATED.fullmatch(text):
        return "which is not read as a number: write 1234.5, with a point and without separators of thousands."
    if not np.isnat(days([text])[0][0]):
        return "a date; numbers are wanted, such as the days since the first one."
    return "which is no number; mend the cell, or empty it where the value is not known."
