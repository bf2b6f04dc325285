"""Tables -> what an exported graph takes of a row: numbers, and codes of categories. Needs NumPy and nothing of
regraft; it is laid beside exported models for their ``predict.py``.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
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
ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")


@dataclass
class Table:
    """Columns of cells, the ``numbers`` by which a person counts the rows, and ``faults``: why a row is none."""

    columns: dict[str, list[str]]
    numbers: list[int]
    faults: dict[int, str] = field(default_factory=dict)
    typed: dict[str, set[int]] = field(default_factory=dict)
    """The places in a column of what JSON gives as a number."""

    def column(self, name: str) -> list[str]:
        """The cells of a column; raises ``ValueError`` where there is none of that name."""
        if name not in self.columns:
            raise ValueError(f"there is no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]


class TableInputs:
    """``about["columns"]`` tells, in their order, the name of each column, its kind, its categories."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.columns = about["columns"]
        self.kinds = {column["kind"] for column in self.columns}

    def __call__(self, row: Sequence[str]) -> dict[str, Any]:
        """What the graph takes of one row, its cells in the order of the columns; raises ``ValueError`` where one is no
        number.
        """
        numbers, codes = [], []
        for at, (column, cell) in enumerate(zip(self.columns, row, strict=True)):
            if column["kind"] == "category":
                level, levels = "" if cell.casefold() in MISSING else cell, column["levels"]
                codes.append(levels.index(level) if level in levels else -1)
            else:
                numbers.append(number(column.get("name", f"column {at}"), cell, "name" in column))
        given = {} if "number" not in self.kinds else {"columns": np.array([numbers], np.float64)}
        return given if "category" not in self.kinds else {**given, "categories": np.array([codes], np.int64)}

    def rows(self, table: Table) -> list[list[str]]:
        """The rows of a table in the order of the columns; raises ``ValueError`` where a column is missing."""
        if "name" in self.columns[0]:
            cells = [written(table.column(c["name"]), c.get("written", ""), table.typed.get(c["name"], set()))
                     for c in self.columns]  # fmt: skip
        else:
            cells = [*table.columns.values()]
        if len(cells) != len(self.columns):
            raise ValueError(f"the model takes {len(self.columns)} columns and the table has {len(cells)}")
        return [*map(list, zip(*cells, strict=True))]


def number(name: str, cell: str, gaps: bool) -> float:
    """The number in a cell, NaN where it is missing and a column may have ``gaps``; raises ``ValueError``."""
    value: float | None = math.nan
    if cell.casefold() not in MISSING:
        try:
            value = None if "_" in cell else float(cell)
        except ValueError:
            value = None
    if value is None or math.isinf(value) or not (gaps or math.isfinite(value)):
        raise ValueError(f"{name!r} is {cell!r}, which is no finite number")
    return value


def written(cells: list[str], style: str, typed: Set[int] = frozenset()) -> list[str]:
    """The cells of a column with their numbers as 1234.5, where all of them could be written in ``style``; those that
    are numbers already (``typed``) stay.
    """
    words = {i for i, c in enumerate(cells) if i not in typed}
    if not style or not all(WRITTEN[style].fullmatch(cells[i]) for i in words if NUMBERISH.fullmatch(cells[i])):
        return cells
    return [as_plain(c, style) if i in words and WRITTEN[style].fullmatch(c) else c for i, c in enumerate(cells)]


def as_plain(cell: str, style: str) -> str:
    """A number of that style as 1234.5."""
    if style == "comma":
        return re.sub(rf"[.{BETWEEN}]", "", cell).replace(",", ".")
    return re.sub(rf"[,{BETWEEN}]", "", cell)


def is_table(file: str) -> bool:
    """Whether a file is a table by its name."""
    return file.lower().removesuffix(".gz").endswith(ENDINGS)


def read_table(file: str) -> Table:
    """A CSV or TSV file with a header, or JSON: a list of objects, or one a line; in UTF-8, gzipped or not. Rows count
    from 1 with the header, as a spreadsheet shows them. Raises ``ValueError`` where there are none.
    """
    data = Path(file).read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    if not file.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        return of_records(
            [*enumerate(json.loads(text), 1)]
            if text.lstrip()[:1] == "["
            else [(i, json.loads(line)) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
        )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    comma = max(",;\t|", key=lines[0].count)
    csv.field_size_limit(2**31 - 1)
    try:
        read = [*enumerate(csv.reader((f"{line}\n" for line in lines), delimiter=comma), 1)]
    except csv.Error as error:
        raise ValueError(f"{file}: {error}") from None
    counted = [(i, row) for i, row in read if any(row) or len(row) > 1]
    if len(counted) < 2:
        raise ValueError(f"{file} holds no rows below its header")
    names = [name.strip() for name in counted[0][1]]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"{file} has two columns of the same name ({twice[0] or 'none'})")
    table = Table({name: [] for name in names}, [])
    for i, row in counted[1:]:
        if len(row) != len(names):
            table.faults[len(table.numbers)] = f"has {len(row)} columns of {len(names)}"
        for at, cells in enumerate(table.columns.values()):
            cells.append(row[at].strip() if len(row) == len(names) else "")
        table.numbers.append(i)
    return table


def of_records(records: list[tuple[int, dict[str, Any]]]) -> Table:
    """Objects of JSON as a table."""
    names = dict.fromkeys(name for _, record in records for name in record)
    typed = {name: {i for i, (_, record) in enumerate(records) if isinstance(record.get(name), int | float)}
             for name in names}  # fmt: skip
    columns = {name: [as_cell(record.get(name)) for _, record in records] for name in names}
    return Table(columns, [i for i, _ in records], typed=typed)


def as_cell(value: Any) -> str:
    """A value of JSON as it would be written in a table."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()


def readable(table: Table, rows: list[Any]) -> Iterator[tuple[str, Any, str]]:
    """(name of the row, what is read of it, why there is nothing to read)."""
    for i, (at, row) in enumerate(zip(table.numbers, rows, strict=True)):
        yield f"row {at}", row, table.faults.get(i, "")
