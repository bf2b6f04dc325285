"""From the bytes of a table to its columns: CSV, TSV, JSON lines (gzipped or not), Parquet, or a DataFrame.

A row that cannot be read keeps its place: it is named in ``faults``, so that who counts rows loses none.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Problem
from regraft.data.frames import frame_columns
from regraft.data.text.encoding import decode_text, encoding_problems, unzipped
from regraft.data.trees import Directory, Tree

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, list[Any]]
ENDINGS = {".csv": ",", ".tsv": "\t", ".jsonl": "", ".ndjson": "", ".parquet": ""}
SEPARATORS = ",;\t|"
LOOKED_AT = 1 << 16
_SAID = re.compile(r'"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)
_INDEX_LEVEL = re.compile(r"__index_level_\d+__")


@dataclass
class Table:
    """Columns of equal length; ``rows`` are the numbers a person counts them by, ``where`` names the table in errors.

    ``tree`` is what the paths in its cells are looked for in, below ``folder`` ("" or a path with a slash at its end);
    ``faults`` maps the place of a row that cannot be read to why; ``index`` are columns that the table's own writer
    marked as its index. The rows of a CSV file are counted with its header and its blank lines, as a spreadsheet
    shows them.
    """

    name: str
    where: str
    tree: Tree
    folder: str
    columns: Columns
    rows: list[int]
    faults: dict[int, str] = field(default_factory=dict)
    index: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)

    def good(self) -> Table:
        """The rows that can be read; the others are listed."""
        if not self.faults:
            return self
        keep = [i for i in range(len(self.rows)) if i not in self.faults]
        said = [Problem("bad-row", f"row {self.rows[i]}", f"{why}; left out") for i, why in sorted(self.faults.items())]
        columns = {name: [values[i] for i in keep] for name, values in self.columns.items()}
        return replace(self, columns=columns, rows=[self.rows[i] for i in keep], faults={},
                       problems=[*self.problems, *said])  # fmt: skip


def ending_of(name: str) -> str:
    """The ending that says what the file is: that before ``.gz``."""
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def read_frame(frame: pd.DataFrame) -> Table:
    """A DataFrame, its paths relative to the current folder; raises ``DataError`` where two columns share a name."""
    columns = [(name, [_cell(v) for v in values]) for name, values in frame_columns(frame)]
    _unlike([name for name, _ in columns], "the DataFrame")
    return Table("DataFrame", "the DataFrame", Directory(Path()), "", dict(columns), list(range(len(frame))))


def read_table(tree: Tree, file: str, encoding: str | None = None) -> Table:
    """The table ``file`` of a folder or archive; raises ``DataError``. ``encoding`` overrules what is recognised."""
    where = str(tree.path / file)
    try:
        data = unzipped(tree.read(file))
    except UnreadableItem as error:
        raise DataError(f"{where} cannot be read: {error}.") from error
    path, ending = PurePosixPath(file), ending_of(file)
    folder = "" if str(path.parent) == "." else f"{path.parent}/"
    table = Table(path.name[: path.name.lower().rindex(ending)], where, tree, folder, {}, [])
    if ending == ".parquet":
        return _parquet(data, table)
    decoded = decode_text(data, encoding)
    table.problems = encoding_problems(decoded, path.name)
    if ending in (".csv", ".tsv"):
        return _csv(decoded.text, table, ENDINGS[ending])
    return _lines(decoded.text, table)


def csv_columns(text: str, where: str, comma: str) -> tuple[Columns, list[int], list[Problem]]:
    """The columns of a table with a header, the number of each row, and the rows left out; ``where`` names the table.

    Another separator than ``comma`` is seen by looking. Raises ``DataError`` where nothing is below the header.
    """
    found = _csv(text, Table("", where, Directory(Path()), "", {}, []), comma).good()
    return found.columns, found.rows, found.problems


def _csv(text: str, table: Table, comma: str) -> Table:
    said = _SAID.match(text)
    text, comma = (text[said.end() :], said[1]) if said else (text, separator_of(text, comma))
    csv.field_size_limit(1 << 30)
    records = list(enumerate(_records(text, comma), 1))
    start = next((i for i, (_, row) in enumerate(records) if row), len(records))
    below = [(number, row) for number, row in records[start + 1 :] if row]
    if not below:
        raise DataError(f"{table.where} holds no rows below its header.")
    head = records[start][1]
    if isinstance(head, str):
        raise DataError(f"{table.where} has no header that can be read: its first row {head}.")
    names = [name.strip() for name in head]
    # a spreadsheet's empty columns at the right
    wide = max((i + 1 for i, n in enumerate(names) if n or any(len(r) > i and r[i] for _, r in below)), default=0)
    names = names[:wide]
    _unlike(names, table.where)
    columns: Columns = {name: [] for name in names}
    for number, row in below:
        why = row if isinstance(row, str) else ""
        if not why and (len(row) < wide or any(row[wide:])):
            why = f"has {len(row)} columns of {wide}"
        if why:
            table.faults[len(table.rows)] = why
        elif _swallowed(row, comma, wide):
            text = "spans lines of the file that look like rows: is a quotation mark missing?"
            table.problems.append(Problem("many-lines", f"row {number}", text))
        for i, values in enumerate(columns.values()):
            values.append("" if why else row[i])
        table.rows.append(number)
    table.columns = columns
    if len(table.faults) * 2 > len(table.rows):
        place, why = next(iter(table.faults.items()))
        raise DataError(
            f"{table.where}: most rows cannot be read; row {table.rows[place]} {why} in the header ("
            f"{', '.join(names[:5])}). Is the first line a title, or the separator another one?"
        )
    return table


def _swallowed(row: Sequence[str], comma: str, wide: int) -> bool:
    """Whether a cell holds whole lines that could be rows."""
    inner = [line for cell in row for line in cell.split("\n")[1:-1]]
    return wide > 1 and any(len(line.split(comma)) == wide for line in inner)


def separator_of(text: str, usual: str) -> str:
    """What stands between the cells: that which cuts most of the first rows into as many as the header has."""
    head = text[:LOOKED_AT]
    if len(text) > LOOKED_AT:
        head = head[: head.rfind("\n") + 1] or head
    candidates = [usual, *(s for s in SEPARATORS if s != usual)]
    shares = {}
    for one in candidates:
        rows = [row for row in csv.reader(io.StringIO(head, newline=None), delimiter=one) if row][:200]
        wide = len(rows[0]) if rows else 0
        shares[one] = sum(len(row) == wide for row in rows[1:]) / max(1, len(rows) - 1) if wide > 1 else 0.0
    best = max(candidates, key=lambda one: shares[one])
    first = text.split("\n", 1)[0]
    return best if shares[best] or usual in first else max(candidates, key=first.count)


def _records(text: str, comma: str) -> Iterator[list[str] | str]:
    """Each row, blank ones too, or why it is none: what follows a stray quotation mark is read again as rows."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if comma == "\t" and _stray(lines, comma):  # in tables with tabs a quotation mark may be a character like any other
        yield from (line.split(comma) if line else [] for line in lines)
        return
    at = 0
    while at < len(lines):
        reader = csv.reader((f"{line}\n" for line in lines[at:]), delimiter=comma, strict=True)
        begun = at
        try:
            for row in reader:
                yield row if any(row) or len(row) > 1 else []
                begun = at + reader.line_num
            return
        except csv.Error as error:
            yield f"is no whole row: {error} (a quotation mark that is not closed?)"
            at = begun + 1


def _stray(lines: list[str], comma: str) -> bool:
    try:
        return not all(True for _ in csv.reader((f"{line}\n" for line in lines), delimiter=comma, strict=True))
    except csv.Error:
        return True


def _lines(text: str, table: Table) -> Table:
    """JSON lines, an object each; others are faults as long as they are few."""
    records: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        table.rows.append(number)
        try:
            record, why = json.loads(line), ""
        except (ValueError, RecursionError) as error:
            record, why = {}, f"is no JSON: {error}"
        if not isinstance(record, dict):
            record, why = {}, "is no JSON object ({...})"
        if why:
            table.faults[len(records)] = why
        records.append(record)
    if not records:
        raise DataError(f"{table.where} holds no rows.")
    if len(table.faults) * 2 >= len(records):
        place, why = next(iter(table.faults.items()))
        raise DataError(f"{table.where}, line {table.rows[place]} {why}.")
    names = list(dict.fromkeys(k for r in records for k in r))
    table.columns = {name: [_cell(r.get(name)) for r in records] for name in names}
    return table


def _parquet(data: bytes, table: Table) -> Table:
    """Columns as their writer meant them: names of classes for their numbers, pandas' index apart."""
    from pyarrow import ArrowException, BufferReader, parquet

    try:
        read = parquet.read_table(BufferReader(data))
        names = [str(n) for n in read.column_names]
        _unlike(names, table.where)
        table.columns = {
            n: [_cell(v) for v in column.to_pylist()] for n, column in zip(names, read.columns, strict=True)
        }
    except (OSError, ArrowException, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{table.where} is no whole Parquet file: {error}.") from error
    table.rows = list(range(1, 1 + read.num_rows))
    about = {k.decode(): v for k, v in (read.schema.metadata or {}).items()}
    marked = {n for n in _json(about.get("pandas")).get("index_columns", ()) if isinstance(n, str)}
    table.index = frozenset(n for n in names if n in marked or _INDEX_LEVEL.fullmatch(n))
    features = _json(about.get("huggingface")).get("info", {}).get("features", {})
    for name, kind in features.items() if isinstance(features, dict) else ():
        if name in table.columns and isinstance(kind, dict) and kind.get("_type") == "ClassLabel" and kind.get("names"):
            table.columns[name] = [_named(v, kind["names"]) for v in table.columns[name]]
    return table


def _named(value: Any, names: list[str]) -> Any:
    """The name of a class number; -1 is no class."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None if value == -1 else value


def _json(data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _cell(value: Any) -> Any:
    """A value; of a picture as ``{bytes, path}``, the way Hugging Face's data sets hold them, its bytes or its path."""
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        return value["bytes"] if value["bytes"] is not None else value["path"]
    return value


def _unlike(names: list[str], where: str) -> None:
    if len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise DataError(f"{where} has two columns of the same name ({twice or 'without a name'}); give each its own.")
