"""Labels that a person has corrected, in a file beside the data: what ``regraft audit`` writes, filled in.

A row names an item and its ``new_label``: a class, several joined by ``|``, a number, ``none`` (of several classes
none), or ``drop``, which takes the item out. Where it is empty the item stays as it is. ``digest``, where it is given,
is that of the item which the person looked at. Of boxes see `regraft.data.box_corrections`.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.files import path_of, sha256
from regraft.core.types import Hints, Problem
from regraft.data.dataset import Corrections, Dataset
from regraft.data.formats.columns import cell_text
from regraft.data.formats.readers import ENDINGS, Table, ending_of, read_table
from regraft.data.items import Items
from regraft.data.open import open_data, part_named, split_part
from regraft.data.trees import Directory
from regraft.tasks import TASKS
from regraft.text.numbers import as_plain, number, style_of

ITEM, DIGEST, NEW = "item", "digest", "new_label"
DROP, NONE = "drop", "none"
MARK = "b2:"
"""Stands before a digest, so that no spreadsheet takes one for a number."""


@dataclass(frozen=True)
class _Row:
    number: int
    item: str
    digest: str
    new: str


def digest_of(items: Items, i: int) -> str:
    """What names the content of item ``i`` in such a file; "" where it cannot be read."""
    try:
        return MARK + items.digest(i).hex()
    except UnreadableItem:
        return ""


def open_corrected(
    data: Any, corrections: str | PathLike[str] | None, *, format: str | None = None, hints: Hints = Hints()
) -> Dataset:
    """`regraft.data.open.open_data`, with the labels that the file ``corrections`` corrects, of all parts."""
    if corrections is None:
        return open_data(data, format=format, hints=hints)
    place = path_of(corrections, "--corrections")
    where, part = split_part(str(data)) if isinstance(data, str | PathLike) else (data, None)
    whole = corrected(open_data(where, format=format, hints=hints), place)
    return whole if part is None else part_named(whole, part)


def corrected(data: Dataset, path: Path) -> Dataset:
    """The items with the labels of the file at ``path``, without those that it takes out; listed with their numbers.

    Raises ``DataError`` where the file names items that are not there (but to take them out), items that have changed
    since, classes that the data has not, or two labels for one item.
    """
    if data.target.task not in TASKS:
        from regraft.data.box_corrections import corrected_boxes

        return corrected_boxes(data, path)
    rows, problems = _read(path)
    place = {data.items.name(i): i for i in range(len(data))}
    rows, others, more = _found_again(path, data, rows, place)
    problems += more
    gone = [r for r in rows if r.item not in place]
    _require_there(path, data, rows, gone)
    rows = [r for r in rows if r.item in place]
    if moved := [r for r in rows if r.item in others]:
        raise DataError(
            f"{path}: {_some(moved)} changed since the audit, so nobody knows whether the correction still holds: "
            "audit again, or empty the cells below digest where it does."
        )
    marks = DROP not in data.classes
    out = np.array([place[r.item] for r in rows if marks and r.new == DROP], np.int64)
    kept = [r for r in rows if not (marks and r.new == DROP)]
    labels, changed = data.y.copy(), np.zeros(len(data), bool)
    for row, new in zip(kept, _labels(path, data, kept), strict=True):
        i = place[row.item]
        changed[i] = bool(data.kind.differ(labels[i], new, exact=True))
        labels[i] = new
    if gone:
        problems.append(Problem("corrections", str(path), f"takes out {_some(gone)}, which {_are(gone)} not there"))
    if not marks and any(r.new == DROP for r in rows):
        problems.append(Problem("corrections", str(path), f"{DROP} is a class of the data, and read as that"))
    problems.append(Problem("corrections", str(path), _said(data, changed, out)))
    about = Corrections(str(path), sha256(path), int(changed.sum()), len(out), changed)
    whole = replace(data, labels={data.target_name: labels}, corrections=about, problems=(*data.problems, *problems))
    return whole.take(np.setdiff1d(np.arange(len(data)), out)) if len(out) else whole


def _found_again(
    path: Path, data: Dataset, rows: list[_Row], place: dict[str, int]
) -> tuple[list[_Row], set[str], list[Problem]]:
    """The rows with the names that their items have here, found by their digests, since the rows of a file and of a
    DataFrame are counted otherwise, and a table may have been sorted; the names of those whose digest no item has; what
    is to be said. Raises ``DataError`` where it cannot be told which item is meant.
    """
    moved = {r.item for r in rows if r.digest and not (r.item in place and
                                                       digest_of(data.items, place[r.item]) == r.digest)}  # fmt: skip
    if not moved:
        return rows, moved, []
    there = [digest_of(data.items, i) for i in range(len(data))]
    counts, names = Counter(there), {d: data.items.name(i) for i, d in enumerate(there)}
    if twice := [r for r in rows if r.item in moved and counts[r.digest] > 1]:
        alike = counts[twice[0].digest]
        raise DataError(f"{path}: {twice[0].item} is called otherwise in {data.name}, where {alike} items hold what it "
                        "holds: give the data as it was audited.")  # fmt: skip
    found = {r.item: names[r.digest] for r in rows if r.item in moved and r.digest in names}
    if not found:
        return rows, moved, []
    was, now = next(iter(found.items()))
    if bare := [r for r in rows if not r.digest]:
        raise DataError(f"{path}: row {bare[0].number} has no digest, and items of {data.name} are called otherwise "
                        f"than in it ({was} is {now}): give the data as it was audited.")  # fmt: skip
    text = f"{len(found)} of its items are called otherwise here ({was} is {now}): they are found by their digests"
    rows = [replace(r, item=found.get(r.item, r.item)) for r in rows]
    return _one_an_item(path, rows), moved - {*found}, [Problem("corrections", str(path), text)]


def table_of(path: Path, wanted: Sequence[str]) -> Table:
    """The table at ``path``; raises ``DataError`` where it cannot be read, or lacks a column that is ``wanted``."""
    if not path.is_file():
        raise DataError(f"--corrections {path}: there is no such file; 'regraft audit DATA' writes one to fill in.")
    if ending_of(path.name) not in ENDINGS:
        raise DataError(f"--corrections {path} is no table that is read here: save it as .csv.")
    table = read_table(Directory(path.parent), path.name)
    if table.faults:
        first, why = next(iter(table.faults.items()))
        raise DataError(f"--corrections {path}: row {table.rows[first]} {why}; mend it, so that nothing is lost.")
    missing = [c for c in wanted if c not in table.columns]
    if missing:
        raise DataError(f"--corrections {path} has no column {missing[0]!r}: wanted are {' and '.join(wanted)}, as in "
                        "what 'regraft audit' writes.")  # fmt: skip
    return table


def cells_of(table: Table, column: str) -> list[str]:
    """The cells of a column as text, NFC, without blanks around them but in names of items; empty where there is no
    such column.
    """
    cells = [cell_text(v) for v in table.columns.get(column, [""] * len(table.rows))]
    return [unicodedata.normalize("NFC", c if column == ITEM else c.strip()) for c in cells]


def _read(path: Path) -> tuple[list[_Row], list[Problem]]:
    """The rows that correct something, one an item."""
    table = table_of(path, (ITEM, NEW))
    cells = zip(table.rows, *(cells_of(table, c) for c in (ITEM, DIGEST, NEW)), strict=True)
    rows = [row for row in starmap(_Row, cells) if row.new]
    return _one_an_item(path, rows), table.problems


def _one_an_item(path: Path, rows: Sequence[_Row]) -> list[_Row]:
    """The first row of each item; raises ``DataError`` where another one wants another label."""
    found: dict[str, _Row] = {}
    for row in rows:
        before = found.setdefault(row.item, row)
        if before.new != row.new:
            raise DataError(f"--corrections {path}: {row.item} is to be {before.new} in row {before.number} and "
                            f"{row.new} in row {row.number}; leave one of them.")  # fmt: skip
    return list(found.values())


def _require_there(path: Path, data: Dataset, rows: Sequence[_Row], gone: Sequence[_Row]) -> None:
    lost = [r for r in gone if r.new != DROP] or (gone if len(gone) == len(rows) else [])
    if lost:
        raise DataError(
            f"--corrections {path}: {_some(lost)} {_are(lost)} not in {data.name}, whose items are named as "
            f"{data.items.name(0)!r} is: name the data that was audited, or take these rows out."
        )


def _labels(path: Path, data: Dataset, rows: Sequence[_Row]) -> list[Any]:
    """The new label of each row as the data holds them."""
    if data.kind.numbers:
        return _numbers(path, rows)
    known = _reader(path, data.classes)
    if not data.kind.several:
        return [known(r, r.new) for r in rows]
    found = []
    for row in rows:
        marks = np.zeros(len(data.classes), data.y.dtype)
        if row.new in data.classes:
            marks[known(row, row.new)] = 1
        elif row.new != NONE:
            marks[[known(row, one.strip()) for one in row.new.split("|")]] = 1
        found.append(marks)
    return found


def class_of(name: str, classes: Sequence[str]) -> int | str:
    """The number of the class that a person wrote: its name, or what a spreadsheet makes of it (TRUE of true, 1 of 1.0)
    where that can be only one; else why there is none.
    """
    alike = [k for k, c in enumerate(classes) if c == name] or [
        k for k, c in enumerate(classes) if _plain(c) == _plain(name)
    ]
    if len(alike) == 1:
        return alike[0]
    close = difflib.get_close_matches(name, classes, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(list(classes)[:20])}."
    return f"there is no class {name!r}: {hint}"


def _reader(path: Path, classes: Sequence[str]) -> Callable[[_Row, str], int]:
    """`class_of` a row, which raises ``DataError``; each name is looked up once."""
    known: dict[str, int | str] = {}

    def number_of(row: _Row, name: str) -> int:
        found = known[name] = known[name] if name in known else class_of(name, classes)
        if isinstance(found, str):
            raise DataError(f"--corrections {path}, row {row.number}: {found}")
        return found

    return number_of


def _plain(name: str) -> str:
    return name.casefold().removesuffix(".0")


def _numbers(path: Path, rows: Sequence[_Row]) -> list[float]:
    style = style_of([r.new for r in rows])
    if style == "ambiguous":
        raise DataError(f"--corrections {path}: numbers such as {rows[0].new} could be read in two ways; write 1234.5.")
    found = []
    for row in rows:
        value = number(as_plain(row.new, style) if style else row.new)
        if value is None or not math.isfinite(value):
            raise DataError(f"--corrections {path}, row {row.number}: {row.new!r} is no number.")
        found.append(value)
    return found


def _said(data: Dataset, changed: Any, out: Any) -> str:
    """How many labels of which parts."""

    def parts(some: Any) -> str:
        names, counts = np.unique(data.parts[some], return_counts=True)
        told = ", ".join(f"{n} of the part {p}" for p, n in zip(names, counts, strict=True) if p)
        return f" ({told})" if told else ""

    n = int(changed.sum())
    return (f"{n} {'label' if n == 1 else 'labels'} corrected{parts(changed)}, {len(out)} "
            f"{'item' if len(out) == 1 else 'items'} taken out{parts(out)}")  # fmt: skip


def _some(rows: Sequence[_Row]) -> str:
    return rows[0].item + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


def _are(rows: Sequence[_Row]) -> str:
    return "is" if len(rows) == 1 else "are"
