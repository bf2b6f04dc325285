"""Rows of a table -> what an exported graph takes: numbers, and codes of categories. It needs NumPy and nothing of
regraft, beside whose files it is laid.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "--", "."}
BETWEEN = " '\u2019\u00a0\u202f"
WRITTEN = {
    "comma": re.compile(rf"[+-]?(\d+|\d{{1,3}}([.{BETWEEN}]\d{{3}})+)(,\d+)?([eE][+-]?\d+)?"),
    "thousands": re.compile(rf"[+-]?(\d+|\d{{1,3}}([,{BETWEEN}]\d{{3}})+)(\.\d+)?([eE][+-]?\d+)?"),
}
NUMBERISH = re.compile(rf"[+-]?\d[\d.,{BETWEEN}]*([eE][+-]?\d+)?")


class TableInputs:
    """``about["columns"]`` tells, in their order, the name of each column, its kind, its categories."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.columns, self.inputs = about["columns"], about["inputs"]

    def __call__(self, row: Sequence[str]) -> dict[str, Any]:
        """What the graph takes of one row, its cells in the order of the columns; raises ``ValueError`` where one is no
        number.
        """
        given: dict[str, list[Any]] = {"numbers": [], "categories": []}
        for at, (column, cell) in enumerate(zip(self.columns, row, strict=True)):
            if column["kind"] == "category":
                level = "" if cell.casefold() in MISSING else cell
                levels = column["levels"]
                given["categories"].append(levels.index(level) if level in levels else -1)
            else:
                given["numbers"].append(self.number(column.get("name", f"column {at}"), cell, "name" in column))
        kinds = {"numbers": np.float64, "categories": np.int64}
        return {name: np.array([given[name]], kinds[name]) for name in self.inputs}

    def number(self, name: str, cell: str, gaps: bool) -> float:
        """The number in a cell, NaN where it is missing and a column may have ``gaps``."""
        if cell.casefold() in MISSING:
            value: float | None = math.nan
        else:
            try:
                value = None if "_" in cell else float(cell)
            except ValueError:
                value = None
        if value is None or math.isinf(value) or not (gaps or math.isfinite(value)):
            raise ValueError(f"{name!r} is {cell!r}, which is no finite number")
        return value

    def rows(self, table: dict[str, list[str]]) -> Iterable[list[str]]:
        """The rows of a table, a list of cells a column; raises ``ValueError`` where a column is missing."""
        if "name" not in self.columns[0]:
            cells = list(table.values())
            if len(cells) != len(self.columns):
                raise ValueError(f"the model takes {len(self.columns)} columns and the table has {len(cells)}")
            return [*map(list, zip(*cells, strict=True))]
        missing = [c["name"] for c in self.columns if c["name"] not in table]
        if missing:
            raise ValueError(f"there is no column {missing[0]!r}; there are {', '.join(table)}")
        return [*map(list, zip(*(written(table[c["name"]], c.get("written", "")) for c in self.columns), strict=True))]


def written(cells: list[str], style: str) -> list[str]:
    """The cells of a column with their numbers as 1234.5, where all of them could be written in ``style``."""
    if not style or not all(WRITTEN[style].fullmatch(c) for c in cells if NUMBERISH.fullmatch(c)):
        return cells
    return [as_plain(c, style) if WRITTEN[style].fullmatch(c) else c for c in cells]


def as_plain(cell: str, style: str) -> str:
    """A number of that style as 1234.5."""
    if style == "comma":
        return re.sub(rf"[.{BETWEEN}]", "", cell).replace(",", ".")
    return re.sub(rf"[,{BETWEEN}]", "", cell)


def read_table(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV or TSV file with a header, or of JSON: a list of objects, or one a line."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        records = json.loads(text) if text.lstrip().startswith("[") else [json.loads(t) for t in text.splitlines() if t]
        names = dict.fromkeys(name for record in records for name in record)
        return {name: [as_cell(record.get(name)) for record in records] for name in names}
    head = text.split("\n", 1)[0]
    comma = max(",;\t|", key=head.count)
    names, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=comma) if any(row)]
    odd = next((row for row in rows if len(row) != len(names)), None)
    if odd is not None:
        raise ValueError(f"{path} has {len(names)} columns, and a row of {len(odd)} cells: {odd[:3]}")
    return {name.strip(): [row[i].strip() for row in rows] for i, name in enumerate(names)}


def as_cell(value: Any) -> str:
    """A value of JSON as it would be written in a table."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()
