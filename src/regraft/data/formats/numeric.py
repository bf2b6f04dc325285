"""Tables of numbers and categories: which column is the label, which are features, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Sequence

from regraft.core.errors import DataError
from regraft.core.types import Problem
from regraft.data.formats.columns import LABEL_NAMES
from regraft.text.numbers import is_missing, kind_of, numbers

Texts = dict[str, list[str]]
MOST_LEVELS = 50
LEAST_ROWS = 2


def table_label(free: Sequence[str], problems: list[Problem]) -> str:
    """The label among the columns that are nothing else: by its name, else the last one, which is said."""
    named = sorted((n for n in free if n.lower() in LABEL_NAMES), key=lambda n: LABEL_NAMES.index(n.lower()))
    chosen = named[0] if named else free[-1]
    why = "" if len(named) == 1 else f"is taken before {named[1]!r}" if named else "is the last column, so it is taken"
    if why:
        problems.append(Problem("label-guessed", chosen, f"{why} as the label; --label names another"))
    return chosen


def feature_columns(
    columns: Texts, rows: Sequence[str], where: str, problems: list[Problem], *, kept: bool = False
) -> Texts:
    """The columns to learn from, of numbers or of categories; those left out and their gaps are listed. None is left
    out where they are ``kept``, those that a model learned from: what it cannot read fails row by row.

    Raises ``DataError`` where a cell in a column of numbers is none, and where no column is left.
    """
    found = {}
    for name, texts in columns.items():
        left_out = None if kept else _why_left_out(name, texts, rows, where)
        if left_out:
            problems.append(Problem(*left_out))
            continue
        found[name] = texts
        gaps = sum(map(is_missing, texts))
        if gaps:
            how = "the median of the training rows stands in" if kind_of(texts) == "number" else "a category of its own"
            problems.append(Problem("missing-values", name, f"{gaps:,} of {len(texts):,} values are missing: {how}"))
    if not found:
        said = "; ".join(f"{p.item} {p.message}" for p in problems if p.item in columns)
        raise DataError(f"{where} has no column to learn from beside the label ({said}).")
    return found


def _why_left_out(name: str, texts: list[str], rows: Sequence[str], where: str) -> tuple[str, str, str] | None:
    kind = kind_of(texts)
    if kind == "empty":
        return "empty-column", name, "holds no value at all; left out"
    if kind == "date":
        return "date-column", name, "holds dates; left out: numbers are learned from, such as days since the first one"
    values = {str(v) for v in numbers(name, texts, rows, where)} if kind in ("number", "unit") else set(texts)
    if len(values) == 1:
        return "constant-column", name, f"holds {texts[0]} in every row; left out"
    if kind == "category" and len(values) > MOST_LEVELS and len(values) > len(texts) / 2:
        return "names-column", name, f"holds {len(values):,} different texts in {len(texts):,} rows; left out"
    return None
