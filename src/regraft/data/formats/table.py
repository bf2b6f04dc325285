"""Tables of texts, of pictures or of numbers: CSV, TSV, JSON lines (gzipped or not), Parquet, or a DataFrame.

The columns are found by looking at their names and values (`regraft.data.formats.roles`): paths by their endings, texts
by their length, parts by names such as train and val; the label is the column so called, or else every other column
(beside numbers: the last one). The user's word goes before, and what a model learned from is read again by name. Paths
are relative to the table's folder. A cell with several labels (``cat|dog``, or a list) makes the task multilabel.

A folder or zip with nothing but tables, or with pictures that lie in no class folders and a table that names them, is
read as that table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import Evidence, Hints, Problem, Roles
from regraft.data.dataset import Dataset
from regraft.data.formats.columns import (
    cell_text,
    header_problems,
    part_words,
    picture_paths,
    wanted,
    white_space_problems,
)
from regraft.data.formats.numeric import feature_columns
from regraft.data.formats.readers import ENDINGS, Columns, Table, ending_of, read_frame, read_table
from regraft.data.formats.roles import called_ids, item_column, roles_of, without
from regraft.data.image.decoding import SUFFIXES
from regraft.data.items import Items, PictureFiles, Texts
from regraft.data.tabular.cells import Cells
from regraft.data.tabular.labels import label_column
from regraft.data.trees import Directory, Tree, open_tree
from regraft.tasks.cells import LabelColumn
from regraft.text.dates import date_column, days
from regraft.text.numbers import STYLES, as_plain, fits, style_of, why_not

if TYPE_CHECKING:
    import pandas as pd

MOST_TABLES = 10
_ANSWERS, _CORRECTIONS = {"input", "entropy_bits"}, {"item", "digest", "new_label"}
_CALLED = {"text": ("text", "texts"), "image": ("picture", "pictures"), "table": ("number", "numbers")}


def sniff(path: Path) -> Evidence | None:
    if path.is_file() and ending_of(path.name) in ENDINGS:
        return Evidence(f"a table ({ending_of(path.name)[1:]})", 1)
    tree = open_tree(path)
    found = [] if tree is None else tables_in(tree)
    if not found:
        return None
    return Evidence(f"a table in a folder ({', '.join(f for f, _ in found)})", max(n for _, n in found), weak=True)


def tables_in(tree: Tree) -> list[tuple[str, int]]:
    """The tables at the top of a folder or archive, each with how many items it would give: rows whose pictures are
    there, where there are pictures, else all rows. Answers and audits that regraft wrote are none.
    """
    files = tree.files()
    top = min((f.count("/") for f in files), default=0)
    tables = [f for f in files if f.count("/") == top and ending_of(f) in ENDINGS]
    pictures, found = any(PurePosixPath(f).suffix.lower() in SUFFIXES for f in files), []
    for file in tables[:MOST_TABLES]:
        try:
            table = read_table(tree, file).good()
            kind = item_column(table, Hints(), "image" if pictures else None)
        except DataError:
            continue
        count = len(table.rows)
        if pictures:
            there, paths, _ = picture_paths(table, kind[0])
            count = sum(there.exists(p) for p in paths)
        if count and not any(set(table.columns) >= ours for ours in (_ANSWERS, _CORRECTIONS)):
            found.append((file, count))
    return found


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    return _dataset(_opened(path, hints), hints)


def of_frame(frame: pd.DataFrame, hints: Hints = Hints()) -> Dataset:
    """A DataFrame as if it were read from a table in the current folder."""
    return _dataset(read_frame(frame), hints)


def read_items(data: Path | pd.DataFrame, hints: Hints = Hints(), modality: str | None = None) -> Read:
    """The texts or pictures of a table, all of them, whatever its other columns hold, or (modality ``table``) its rows
    of numbers and categories; for prediction. Rows that cannot be read are items that fail.
    """
    table = _opened(data, hints) if isinstance(data, Path) else read_frame(data)
    column, kind = item_column(table.good(), hints, modality)
    said = [*table.problems]
    if kind == "table":
        names = [f"row {row}" for row in table.rows]
        columns = _as_texts(table.columns)
        if hints.kept:
            columns, _ = _plain_numbers(columns, table.columns, hints, names, table.where, said)
        return Read(Cells(columns, names, table.where, faults=table.faults), said)
    if hints.kept is None or not hints.kept.item:
        said.append(Problem("column-read", column, f"is the column of the {_CALLED[kind][1]} that are read"))
    items, more = _items(table, column, kind)
    return Read(items, [*said, *more])


def of_features(frame: pd.DataFrame) -> tuple[Cells, Roles, list[Problem]]:
    """A DataFrame whose columns are all handed over to be learned from, the roles they get, and what to say of them.

    What `regraft fit` leaves out of a table is left out: ids, dates, names, what is constant or empty.
    """
    table, problems = read_frame(frame), []
    names = [f"row {row}" for row in table.rows]
    unused = called_ids(table)
    for name, what in unused.items():
        problems.append(Problem("id-column", name, f"{what}, so it is not learned from; under another name it is"))
    columns = _as_texts({n: values for n, values in table.columns.items() if n not in unused})
    columns, styles = _plain_numbers(columns, table.columns, Hints(), names, table.where, problems)
    columns = feature_columns(columns, names, table.where, problems)
    unused = {n: unused.get(n, "holds nothing to learn from") for n in table.columns if n not in columns}
    roles = Roles("table", features=tuple(columns), decimals=styles, unused=unused)
    return Cells(columns, names, table.where), roles, problems


def only_column(frame: pd.DataFrame) -> Roles | None:
    """The role of the only column of a DataFrame, where it holds texts or pictures; else None."""
    table = read_frame(frame)
    if len(table.columns) != 1:
        return None
    try:
        column, kind = item_column(table, Hints())
    except DataError:
        return None
    return Roles(kind, column)


@dataclass
class Read:
    """Items to predict, and what was wrong with or noticed of what they come from."""

    items: Items
    problems: list[Problem]


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


def read_dated(data: Path | pd.DataFrame, hints: Hints = Hints(), date: str | None = None) -> DatedTexts:
    """The texts of a table with their dates: of the column ``date``, else of one found by looking, else none."""
    table = _opened(data, hints) if isinstance(data, Path) else read_frame(data)
    if date:
        wanted(date, table.columns, table.where, "--date")
    if hints.text and hints.text == date:
        raise DataError(f"--text and --date both name {date}; each needs a column of its own ({table.where}).")
    rest = {name: values for name, values in table.columns.items() if name != date}
    column = item_column(replace(table, columns=rest).good(), hints, "text")[0]
    items, more = _items(table, column, "text")
    problems = [*table.problems, *more]
    cells = {name: [cell_text(v) for v in values] for name, values in table.columns.items() if name != column}
    chosen = date or date_column(cells)
    if not chosen:
        return DatedTexts(items, problems)
    found, doubtful = days(cells[chosen])
    if np.isnat(found).all():
        raise DataError(
            f"--date {chosen}: none of its cells is a date, such as {cells[chosen][0]!r} ({table.where}); "
            "2024-03-05, 5.3.2024, 2024年3月5日, 5 March 2024 are read."
        )
    return DatedTexts(items, problems, chosen, found, doubtful)


def _opened(path: Path, hints: Hints) -> Table:
    if path.is_file() and ending_of(path.name) in ENDINGS:
        return read_table(Directory(path.parent), path.name, hints.encoding)
    tree = open_tree(path)
    found = [] if tree is None else tables_in(tree)
    if tree is None or len(found) != 1:
        several = ", ".join(f for f, _ in found)
        raise DataError(f"{path} holds the tables {several}: name one of them, others with --val." if found else
                        f"{path} is no table, and holds none that names pictures or texts.")  # fmt: skip
    return read_table(tree, found[0][0], hints.encoding)


def _as_texts(columns: Columns) -> dict[str, list[str]]:
    return {name: [cell_text(v) for v in values] for name, values in columns.items()}


def _items(table: Table, column: str, kind: str) -> tuple[Items, list[Problem]]:
    """The items of a column; those of rows that cannot be read fail with the reason."""
    names = [f"row {row}" for row in table.rows]
    if kind == "text":
        return Texts([cell_text(v) for v in table.columns[column]], names, faults=table.faults), []
    tree, paths, said = picture_paths(table, column)
    empty = {names[i]: "the cell of its picture is empty" for i, path in enumerate(paths) if not path}
    for i in table.faults:
        paths[i] = names[i]
    for i, path in enumerate(paths):
        paths[i] = path or names[i]
    faults = empty | {names[i]: why for i, why in table.faults.items()}
    return PictureFiles(tree, paths, table.folder, faults=faults), said


def _dataset(whole: Table, hints: Hints) -> Dataset:
    table = without(whole, hints.drop).good()
    roles, said = roles_of(table, hints)
    problems = [*table.tree.problems, *table.problems, *said, *header_problems(table.columns, list(roles.labels))]
    names = [f"row {row}" for row in table.rows]
    counted = [f"row {row:,}" for row in table.rows]
    items: Items
    called, known = names, np.ones(len(names), bool)
    if roles.modality == "text":
        items = Texts([cell_text(v) for v in table.columns[roles.item]], names)
    elif roles.modality == "image":
        tree, paths, more = picture_paths(table, roles.item)
        problems += more
        called = names if table.tree is not tree else [cell_text(v) for v in table.columns[roles.item]]
        known = _there(tree, paths, called, names, table.where, problems, {p.item for p in more})
        items = PictureFiles(tree, paths, table.folder)
    found = [_label(table, name, hints, counted, problems) for name in roles.labels]
    some = hints.labels == "some" and len(found) == 1
    for column in [] if some else found:
        for i in np.flatnonzero(column.missing & known):
            problems.append(Problem("missing-label", called[i], f"has no {column.name}; left out"))
        if len(found) == 1:
            known &= ~column.missing
    if not known.any():
        one = _CALLED[roles.modality][0]
        raise DataError(f"{table.where} holds no {f'row with both a {one} and a label' if found else one}.")
    parts = _parts(table, roles, called, known, problems)
    text = "holds no item with a label that can be read: nothing of it is judged or learned from"
    problems += [Problem("part-without-labels", part, text) for part in sorted({*parts} - {*parts[known], ""})]
    if roles.modality == "table":
        columns = _as_texts({n: table.columns[n] for n in roles.features})
        columns, styles = _plain_numbers(columns, table.columns, hints, counted, table.where, problems)
        columns = feature_columns(columns, counted, table.where, problems, kept=hints.kept is not None)
        left = {n: "holds nothing to learn from" for n in roles.features if n not in columns}
        roles = replace(roles, features=tuple(columns), decimals=styles, unused=roles.unused | left)
        items = Cells(columns, names, table.where)
    roles = replace(
        roles, labels={c.name: c.spec.task for c in found},
        separators={c.name: c.separator for c in found if c.separator},
        decimals=roles.decimals | {c.name: c.style for c in found if c.style},
    )  # fmt: skip
    keep = np.flatnonzero(known)
    items = items.take(keep)
    source = f"{len(roles.features)} columns" if roles.features else f"{_CALLED[roles.modality][1]} from {roles.item!r}"
    labels = ", ".join(map(repr, roles.labels))
    ending = f" ({ending_of(table.where)[1:]})" if table.where != "the DataFrame" else ""
    return Dataset(
        table.name,
        items,
        {c.name: c.spec for c in found},
        {c.name: c.values[keep] for c in found},
        parts[keep],
        groups=_groups(table, roles.group, names, problems)[keep] if roles.group else None,
        format="table",
        evidence=f"a table{ending}, {source}, {f'labels from {labels}' if labels else 'no labels'}",
        problems=tuple(problems),
        roles=roles,
    )


def _label(table: Table, name: str, hints: Hints, rows: list[str], problems: list[Problem]) -> LabelColumn:
    kept = hints.kept
    found = label_column(
        name, table.columns[name], hints.task, table.where, rows,
        separator=kept.separators.get(name, "") if kept else "", style=kept.decimals.get(name, "") if kept else "",
    )  # fmt: skip
    if found.doubt and hints.task is None:
        problems.append(Problem("task-guessed", name, found.doubt))
    if found.style and not kept:
        problems.append(Problem("decimals", name, f"is read so: {STYLES[found.style]}"))
    if found.spec.classes and found.values.ndim == 1:
        problems += white_space_problems(name, table.columns[name])
    return found


def _plain_numbers(
    columns: dict[str, list[str]], cells: Columns, hints: Hints, rows: list[str], where: str, problems: list[Problem]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Columns with their numbers written as 1234.5, and how they were written where it was otherwise: as in the table
    that a model learned from, where they could be. Of ``cells``, the same untouched, numbers are what they are.

    Raises ``DataError`` where 1,500 could be 1.5 or 1500 in a whole column; what a model reads then fails row by row.
    """
    plain, styles = {}, {}
    for name, texts in columns.items():
        learned = hints.kept.decimals.get(name, "") if hints.kept else ""
        words = [t for t, cell in zip(texts, cells[name], strict=True) if isinstance(cell, str)]
        style = learned if learned and words and fits(words, learned) else style_of(words)
        if hints.kept and (style == "ambiguous" or name not in hints.kept.features):
            style = ""
        if style == "ambiguous":
            first = next(i for i, t in enumerate(texts) if "," in t)
            raise DataError(f"{where}, {rows[first]}: {name!r} is {texts[first]!r}, {why_not(texts[first])}")
        if style:
            styles[name] = style
            if style != learned:
                problems.append(Problem("decimals", name, f"is read so: {STYLES[style]}"))
        plain[name] = [as_plain(t, style) if isinstance(cell, str) else t
                       for t, cell in zip(texts, cells[name], strict=True)] if style else texts  # fmt: skip
    return plain, styles


def _parts(
    table: Table, roles: Roles, called: list[str], known: NDArray[np.bool_], problems: list[Problem]
) -> NDArray[np.str_]:
    """(n,) the part of each row; rows that name none are taken out of ``known`` and listed."""
    if not roles.part:
        return np.full(len(called), "", dtype=np.str_)
    cells = [cell_text(v) for v in table.columns[roles.part]]
    words = part_words(roles.part, cells) or dict.fromkeys(cells, "")
    parts = np.array([words.get(c, "") or c for c in cells], dtype=np.str_)
    for word in [w for w, part in words.items() if w and not part]:
        count = cells.count(word)
        text = (f"{count} rows of {roles.part!r} are in this part, which is neither train, val nor test: they are "
                f"neither learned from nor judged on; DATA#{word} names them")  # fmt: skip
        problems.append(Problem("other-part", word, text))
    for i in np.flatnonzero(known & (parts == "")):
        problems.append(Problem("missing-part", called[i], f"has no {roles.part}; left out"))
    known &= parts != ""
    return parts


def _groups(table: Table, column: str, names: list[str], problems: list[Problem]) -> NDArray[Any]:
    """(n,) the group of each row; one without is a group of its own."""
    cells = [cell_text(v) for v in table.columns[column]]
    alone = [name for name, cell in zip(names, cells, strict=True) if not cell]
    problems += [Problem("missing-group", name, f"has no {column}; it is a group of its own") for name in alone]
    return np.array([cell or f"\0{name}" for name, cell in zip(names, cells, strict=True)])


def _there(
    tree: Tree, paths: list[str], called: list[str], names: list[str], where: str, problems: list[Problem],
    told: set[str],
) -> NDArray[np.bool_]:  # fmt: skip
    """(n,) which pictures exist; the others are listed. Raises ``DataError`` where none does."""
    known = np.array([bool(p) and tree.exists(p) for p in paths])
    for i in np.flatnonzero(~known):
        if called[i] not in told:
            problems.append(Problem("missing-file", called[i] or names[i], "there is no such picture; left out"))
    if not known.any():
        raise DataError(f"{where} names {len(paths)} pictures and none is there, as {paths[0]!r} below {tree.path}.")
    return known
