"""Tables of texts, of picture paths or of numbers: CSV, TSV, JSON lines (gzipped or not), Parquet, or a DataFrame.

The columns are found by looking at their values: paths by their endings, texts by their length, parts by names such
as train and val; the label is the column so called, or else every other column (beside numbers: the last one).
``--text``, ``--label`` and ``--group`` overrule. Paths are relative to the table's folder. A cell with several labels
(``cat|dog``, or a list) makes the task multilabel.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regraft.data.cells import Cells
from regraft.data.dataset import Dataset
from regraft.data.dates import date_column, days
from regraft.data.encoding import decode_text, encoding_problems, unzipped
from regraft.data.formats.columns import (
    Columns,
    cell_text,
    header_problems,
    image_column,
    label_columns,
    part_column,
    text_column,
    wanted,
    white_space_problems,
)
from regraft.data.formats.numeric import LEAST_ROWS, feature_columns, table_label
from regraft.data.items import Items, PictureFiles, Texts
from regraft.data.labels import LabelColumn, label_column
from regraft.data.parts import part_of
from regraft.data.trees import Directory
from regraft.errors import DataError, UnreadableItem
from regraft.types import Hints, Problem

if TYPE_CHECKING:
    import pandas as pd

_CALLED = {"text": ("text", "texts"), "image": ("picture", "pictures"), "table": ("number", "numbers")}
ENDINGS = {".csv": ",", ".tsv": "\t", ".jsonl": "", ".ndjson": "", ".parquet": ""}


@dataclass
class _Table:
    """Columns of equal length; ``rows`` are the numbers a person counts them by, ``where`` names the table in errors.

    The rows of a CSV file are counted with its header, as a spreadsheet shows them.
    """

    name: str
    where: str
    folder: Path
    columns: Columns
    rows: list[int]
    problems: list[Problem] = field(default_factory=list)


def _ending(path: Path) -> str:
    """The ending that says what the file is: that before ``.gz``."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def sniff(path: Path) -> str | None:
    if _ending(path) not in ENDINGS or not path.is_file():
        return None
    return f"a table ({_ending(path)[1:]})"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    return _dataset(_read(path), hints)


def read_frame(frame: pd.DataFrame, hints: Hints = Hints()) -> Dataset:
    """A DataFrame as if it were read from a table in the current folder."""
    return _dataset(_of_frame(frame), hints)


def read_items(data: Path | pd.DataFrame, *, text: str | None = None, modality: str | None = None) -> Items:
    """The texts or pictures of a table, all of them, whatever its other columns hold, or (modality ``table``) its rows
    of numbers and categories; for prediction.
    """
    table = _read(data) if isinstance(data, Path) else _of_frame(data)
    if modality == "table":
        return Cells(_as_texts(table.columns), [f"row {row}" for row in table.rows], table.where)
    column, kind = _item_column(table, Hints(text=text), modality)
    cells = [cell_text(v) for v in table.columns[column]]
    if kind == "text":
        return Texts(cells, [f"row {row}" for row in table.rows])
    return PictureFiles(Directory(table.folder), cells)


@dataclass
class DatedTexts:
    """The texts of a table, what was wrong with its rows, and, where ``column`` holds dates, the ``days`` (NaT where
    one cannot be read); ``doubtful`` where the day could as well be the month.
    """

    items: Items
    problems: list[Problem]
    column: str | None = None
    days: NDArray[np.datetime64] = field(default_factory=lambda: np.zeros(0, "datetime64[D]"))
    doubtful: bool = False


def read_dated(data: Path | pd.DataFrame, *, text: str | None = None, date: str | None = None) -> DatedTexts:
    """The texts of a table with their dates: of the column ``date``, else of one found by looking, else none."""
    table = _read(data) if isinstance(data, Path) else _of_frame(data)
    if date:
        wanted(date, table.columns, table.where, "--date")
    if text and text == date:
        raise DataError(f"--text and --date both name {text}; each needs a column of its own ({table.where}).")
    rest = {name: values for name, values in table.columns.items() if name != date}
    column = _item_column(replace(table, columns=rest), Hints(text=text), "text")[0]
    items = Texts([cell_text(v) for v in table.columns[column]], [f"row {row}" for row in table.rows])
    cells = {name: [cell_text(v) for v in values] for name, values in table.columns.items() if name != column}
    chosen = date or date_column(cells)
    if not chosen:
        return DatedTexts(items, table.problems)
    found, doubtful = days(cells[chosen])
    if np.isnat(found).all():
        raise DataError(
            f"--date {chosen}: none of its cells is a date, such as {cells[chosen][0]!r} ({table.where}); "
            "2024-03-05, 5.3.2024, 2024年3月5日, 5 March 2024 are read."
        )
    return DatedTexts(items, table.problems, chosen, found, doubtful)


def _of_frame(frame: pd.DataFrame) -> _Table:
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    return _Table("DataFrame", "the DataFrame", Path(), columns, list(range(len(frame))))


def _read(path: Path) -> _Table:
    ending = _ending(path)
    name = path.name[: path.name.lower().rindex(ending)]
    try:
        data = unzipped(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnreadableItem as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    table = _Table(name, str(path), path.parent, {}, [])
    if ending == ".parquet":
        table.columns = _read_parquet(data, path)
        table.rows = list(range(1, 1 + len(next(iter(table.columns.values()), []))))
        return table
    decoded = decode_text(data)
    table.problems = encoding_problems(decoded, path.name)
    if ending in (".csv", ".tsv"):
        table.columns, table.rows, bad = csv_columns(decoded.text, table.where, ENDINGS[ending])
        table.problems += bad
    else:
        _read_lines(decoded.text, table)
    return table


def _read_parquet(data: bytes, path: Path) -> Columns:
    from pyarrow import ArrowException, BufferReader, parquet

    try:
        return {str(k): v for k, v in parquet.read_table(BufferReader(data)).to_pydict().items()}
    except (OSError, ArrowException) as error:
        raise DataError(f"{path} is no whole Parquet file: {error}.") from error


def csv_columns(text: str, where: str, comma: str) -> tuple[Columns, list[int], list[Problem]]:
    """The columns of a table with a header, the number of each row, and the rows left out; ``where`` names the table.

    Another separator than ``comma`` is seen by looking. Raises ``DataError`` where nothing is below the header.
    """
    first = text.split("\n", 1)[0]
    if comma not in first:
        comma = max(",;\t|", key=first.count)
    csv.field_size_limit(1 << 30)
    lines = _csv_rows(text, comma, where)
    if len(lines) < 2:
        raise DataError(f"{where} holds no rows below its header.")
    head = [name.strip() for name in lines[0]]
    if len(set(head)) < len(head):
        raise DataError(f"{where} has two columns of the same name ({', '.join(head)}); give each its own.")
    good, rows, problems = [], [], []
    for number, row in enumerate(lines[1:], 2):
        if len(row) != len(head):
            text = f"has {len(row)} columns of {len(head)}; left out"
            problems.append(Problem("bad-row", f"row {number}", text))
        else:
            good.append(row)
            rows.append(number)
    return {name: [row[i] for row in good] for i, name in enumerate(head)}, rows, problems


def _csv_rows(text: str, comma: str, where: str) -> list[list[str]]:
    """The rows that hold anything; in tables with tabs a quotation mark may be a character like any other."""
    try:
        return [r for r in csv.reader(io.StringIO(text, newline=None), delimiter=comma, strict=True) if r]
    except csv.Error as error:
        if comma == "\t":
            return [line.split(comma) for line in text.replace("\r\n", "\n").split("\n") if line]
        raise DataError(f"{where} is no whole table: {error} (a quotation mark that is not closed?).") from error


def _read_lines(text: str, table: _Table) -> None:
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{table.where}, line {number} is no JSON: {error}.") from error
        if not isinstance(record, dict):
            raise DataError(f"{table.where}, line {number} is no JSON object ({{...}}).")
        records.append(record)
        table.rows.append(number)
    if not records:
        raise DataError(f"{table.where} holds no rows.")
    names = list(dict.fromkeys(k for r in records for k in r))
    table.columns = {name: [r.get(name) for r in records] for name in names}


def _as_texts(columns: Columns) -> dict[str, list[str]]:
    return {name: [cell_text(v) for v in values] for name, values in columns.items()}


def _item_column(table: _Table, hints: Hints, modality: str | None = None) -> tuple[str, str]:
    """The column of the items, and whether they are ``image`` or ``text``; "" and ``table`` where its rows are."""
    columns, where = table.columns, table.where
    if hints.text:
        return wanted(hints.text, columns, where, "--text"), "text"
    image = None if modality == "text" else image_column(columns)
    if image:
        return image, "image"
    labels = {name.strip() for name in (hints.label or "").split(",")}
    text = None if modality == "image" else text_column(columns, {hints.group, *labels})
    if text:
        return text, "text"
    if modality is None and len(table.rows) >= LEAST_ROWS and len(columns) > 1:
        return "", "table"
    looked_for = {"image": "paths of pictures (.jpg, .png, ...)", "text": "texts (--text names the column)"}
    sought = looked_for.get(modality or "", " or ".join(looked_for.values()))
    raise DataError(f"{where} has the columns {', '.join(columns)}, and none of them holds {sought}.")


def _without(table: _Table, drop: str | None) -> _Table:
    """The table less the columns named in ``drop``; one that is not there is listed."""
    gone = {name.strip() for name in (drop or "").split(",") if name.strip()}
    for name in sorted(gone - set(table.columns)):
        table.problems.append(Problem("no-such-column", name, f"--drop names it; {table.where} has no such column"))
    return replace(table, columns={n: v for n, v in table.columns.items() if n not in gone})


def _dataset(table: _Table, hints: Hints) -> Dataset:
    table = _without(table, hints.drop)
    columns, where, problems = table.columns, table.where, table.problems
    item, kind = _item_column(table, hints)
    part = part_column(columns, item)
    group = wanted(hints.group, columns, where, "--group") if hints.group else None
    free = [name for name in columns if name not in (item, part, group)]
    if not hints.label and hints.usual in free:
        labels = [str(hints.usual)]
    elif kind == "table" and not hints.label:
        labels = [table_label(free, problems)]
    else:
        labels = label_columns(columns, {item, part, group}, hints, where, texts=kind == "text")
    problems += header_problems(columns, labels)
    names = [f"row {row}" for row in table.rows]
    cells = [cell_text(v) for v in columns[item]] if item else names
    known = _there(table.folder, cells, names, where, problems) if kind == "image" else np.ones(len(cells), bool)
    called = cells if kind == "image" else names
    counted = [f"row {row:,}" for row in table.rows]
    found: list[LabelColumn] = []
    for column in labels:
        read_column = label_column(column, columns[column], hints.task, where, counted)
        if read_column.spec.task == "classification":
            problems += white_space_problems(column, columns[column])
        missing = read_column.missing & known
        for i in np.flatnonzero(missing):
            problems.append(Problem("missing-label", called[i], f"has no {column}; left out"))
        if len(labels) == 1:
            known &= ~read_column.missing
        found.append(read_column)
    if not known.any():
        raise DataError(f"{where} holds no row with both a {_CALLED[kind][0]} and a label.")
    parts = np.array([part_of(cell_text(v)) or "" for v in columns[part]] if part else [""] * len(cells), dtype=str)
    if part:
        for i in np.flatnonzero(known & (parts == "")):
            problems.append(Problem("missing-part", called[i], f"has no {part}; left out"))
        known &= parts != ""
    keep = np.flatnonzero(known)
    items: Items
    if kind == "table":
        free = [name for name in free if name not in labels]
        learned = feature_columns(_as_texts({n: columns[n] for n in free}), counted, where, problems)
        items = Cells(learned, names, where, keep)
    elif kind == "text":
        items = Texts(cells, names, keep)
    else:
        items = PictureFiles(Directory(table.folder), [cells[i] for i in keep])
    source = f"{len(items.columns)} columns" if isinstance(items, Cells) else f"{_CALLED[kind][1]} from {item!r}"
    ending = f" ({_ending(Path(where))[1:]})" if where != "the DataFrame" else ""
    return Dataset(
        table.name,
        items,
        {c.name: c.spec for c in found},
        {c.name: c.values[keep] for c in found},
        parts[keep],
        groups=np.array([cell_text(v) for v in columns[group]])[keep] if group else None,
        format="table",
        evidence=f"a table{ending}, {source}, labels from {', '.join(map(repr, labels))}",
        problems=tuple(problems),
    )


def _there(folder: Path, paths: list[str], names: list[str], where: str, problems: list[Problem]) -> NDArray[np.bool_]:
    """(n,) which pictures exist; the others are listed. Raises ``DataError`` where none does."""
    tree = Directory(folder)
    known = np.array([bool(p) and tree.exists(p) for p in paths])
    for i in np.flatnonzero(~known):
        problems.append(Problem("missing-file", paths[i] or names[i], "there is no such picture; left out"))
    if not known.any():
        raise DataError(f"{where} names {len(paths)} pictures and none is there, as {paths[0]!r} below {folder}.")
    return known
