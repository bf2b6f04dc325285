"""Tables with a column of picture paths: CSV, TSV, JSON lines, Parquet, or a pandas DataFrame.

The columns are found by looking at their values: paths by their endings, parts by names such as train and val; the
label is the column so called, or else every other column. ``--label`` and ``--group`` overrule. Paths are relative
to the table's folder. A cell with several labels (``cat|dog``, or a list) makes the task multilabel.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from regraft.data.dataset import Dataset
from regraft.data.encoding import decode_text
from regraft.data.items import PictureFiles
from regraft.data.labels import LabelColumn, label_column
from regraft.data.parts import part_of
from regraft.data.pictures import SUFFIXES
from regraft.data.trees import Directory
from regraft.errors import DataError, UnknownName
from regraft.types import Hints, Problem

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = {".csv": ",", ".tsv": "\t", ".jsonl": "", ".ndjson": "", ".parquet": ""}
LABEL_NAMES = ("label", "labels", "class", "classes", "category", "target", "y")
Columns = dict[str, list[Any]]


def sniff(path: Path) -> str | None:
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        return None
    return f"a table ({path.suffix.lower()[1:]})"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    columns, problems = _columns(path)
    return _dataset(path.stem, columns, path.parent, str(path), hints, problems)


def read_frame(frame: pd.DataFrame, hints: Hints = Hints()) -> Dataset:
    """A DataFrame as if it were read from a table in the current folder."""
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    return _dataset("DataFrame", columns, Path(), "the DataFrame", hints, [])


def read_items(path: Path) -> PictureFiles:
    """The pictures that a table names, all of them, whatever its other columns hold; for prediction."""
    columns, _ = _columns(path)
    paths = [_text(v) for v in columns[_image_column(columns, str(path))]]
    return PictureFiles(Directory(path.parent), paths)


def _columns(path: Path) -> tuple[Columns, list[Problem]]:
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _read_parquet(path), []
    try:
        text, encoding = decode_text(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    problems = []
    if encoding not in ("utf-8", "utf-8-sig"):
        problems.append(Problem("encoding", path.name, f"is not UTF-8; read as {encoding}"))
    if ending in (".csv", ".tsv"):
        return _read_csv(text, path, problems), problems
    return _read_lines(text, path), problems


def _read_parquet(path: Path) -> Columns:
    from pyarrow import ArrowException, parquet

    try:
        return {str(k): v for k, v in parquet.read_table(path).to_pydict().items()}
    except (OSError, ArrowException) as error:
        raise DataError(f"{path} is no whole Parquet file: {error}.") from error


def _read_csv(text: str, path: Path, problems: list[Problem]) -> Columns:
    comma = ENDINGS[path.suffix.lower()]
    first = text.split("\n", 1)[0]
    if comma not in first:
        comma = max(",;\t|", key=first.count)
    try:
        rows = [r for r in csv.reader(io.StringIO(text, newline=None), delimiter=comma, strict=True) if r]
    except csv.Error as error:
        raise DataError(f"{path} is no whole table: {error} (a quotation mark that is not closed?).") from error
    if len(rows) < 2:
        raise DataError(f"{path} holds no rows below its header.")
    head = [name.strip() for name in rows[0]]
    if len(set(head)) < len(head):
        raise DataError(f"{path} has two columns of the same name ({', '.join(head)}); give each its own.")
    good = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            problems.append(Problem("bad-row", f"row {number}", f"has {len(row)} columns of {len(head)}; left out"))
        else:
            good.append(row)
    return {name: [row[i].strip() for row in good] for i, name in enumerate(head)}


def _read_lines(text: str, path: Path) -> Columns:
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is no JSON: {error}.") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}, line {number} is no JSON object ({{...}}).")
        records.append(record)
    if not records:
        raise DataError(f"{path} holds no rows.")
    names = list(dict.fromkeys(k for r in records for k in r))
    return {name: [r.get(name) for r in records] for name in names}


def _dataset(name: str, columns: Columns, folder: Path, where: str, hints: Hints, problems: list[Problem]) -> Dataset:
    image = _image_column(columns, where)
    part = _part_column(columns, image)
    group = _wanted(hints.group, columns, where, "--group") if hints.group else None
    labels = _label_columns(columns, {image, part, group}, hints, where)
    tree = Directory(folder)
    paths = [_text(v) for v in columns[image]]
    known = np.array([bool(p) and tree.exists(p) for p in paths])
    for i in np.flatnonzero(~known):
        problems.append(Problem("missing-file", paths[i] or f"row {i + 1}", "there is no such picture; left out"))
    if not known.any():
        raise DataError(f"{where} names {len(paths)} pictures and none is there, as {paths[0]!r} below {folder}.")
    found: list[LabelColumn] = []
    for column in labels:
        read_column = label_column(column, columns[column], hints.task, where)
        missing = read_column.missing & known
        for i in np.flatnonzero(missing):
            problems.append(Problem("missing-label", paths[i], f"has no {column}; left out"))
        if len(labels) == 1:
            known &= ~read_column.missing
        found.append(read_column)
    if not known.any():
        raise DataError(f"{where} holds no row with both a picture and a label.")
    parts = np.array([part_of(_text(v)) or "" for v in columns[part]] if part else [""] * len(paths), dtype=str)
    if part:
        for i in np.flatnonzero(known & (parts == "")):
            problems.append(Problem("missing-part", paths[i], f"has no {part}; left out"))
        known &= parts != ""
    keep = np.flatnonzero(known)
    return Dataset(
        name,
        PictureFiles(tree, [paths[i] for i in keep]),
        {c.name: c.spec for c in found},
        {c.name: c.values[keep] for c in found},
        parts[keep],
        groups=np.array([_text(v) for v in columns[group]])[keep] if group else None,
        format="table",
        problems=tuple(problems),
    )


def _text(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>"
    return "" if missing else str(value).strip()


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path) and PurePosixPath(str(value)).suffix.lower() in SUFFIXES


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / max(len(listed), 1)


def _image_column(columns: Columns, where: str) -> str:
    shares = {name: _share(_is_path(v) for v in values[:500]) for name, values in columns.items()}
    best = max(shares, key=lambda n: shares[n], default="")
    if not best or shares[best] < 0.5:
        raise DataError(
            f"{where} has the columns {', '.join(columns)}, and none of them holds paths of pictures (.jpg, .png, ...)."
        )
    return best


def _part_column(columns: Columns, image: str) -> str | None:
    for name, values in columns.items():
        texts = {_text(v) for v in values[:5000]} - {""}
        if name != image and texts and all(part_of(t) for t in texts):
            return name
    return None


def _wanted(name: str, columns: Columns, where: str, option: str) -> str:
    if name not in columns:
        raise DataError(f"{option} {name}: {UnknownName('column', name, columns)} ({where})")
    return name


def _label_columns(columns: Columns, taken: set[str | None], hints: Hints, where: str) -> list[str]:
    if hints.label:
        return [_wanted(name.strip(), columns, where, "--label") for name in hints.label.split(",")]
    free = [name for name in columns if name not in taken]
    named = [name for name in free if name.lower() in LABEL_NAMES]
    chosen = named[:1] or free
    if not chosen:
        raise DataError(f"{where} has no column beside the pictures that could be a label.")
    return chosen
