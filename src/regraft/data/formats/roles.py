"""What each column of a table is: decided once, from names and values, and said; the user's word goes before both."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from regraft.core.errors import DataError
from regraft.core.types import Hints, Modality, Problem, Roles
from regraft.data.formats.columns import (
    TEXT_LABEL_NAMES,
    cell_text,
    image_column,
    is_bytes,
    label_columns,
    part_words,
    text_column,
    wanted,
)
from regraft.data.formats.numeric import LEAST_ROWS, table_label
from regraft.data.formats.readers import Table
from regraft.text.numbers import number

SPLIT_NAMES = {"split", "splits", "fold", "folds", "set", "subset", "part", "partition", "usage", "phase", "holdout",
               "isvalid", "isval", "isvalidation", "istest", "istrain", "datasplit", "datasetsplit", "cvfold",
               "kfold"}  # fmt: skip
LEAST_COUNTED, _COUNTS = 10, "it counts the rows"
INDEX_NAMES = {"index", "idx", "columnindex", "row", "rowid", "rowno", "rownr", "rownum", "rownumber", "rownames", "no",
               "nr", "lfdnr", "序号", "编号", "行号"}  # fmt: skip
_ROW = re.compile(r"\[?\s*([+-]?\d[\d.e+-]*[\s,;]+){15,}[+-]?\d[\d.e+-]*\s*\]?")
_ID = re.compile(
    r"(?i:(.*[\W_])?(id|ids|uid|uuid|guid|identifier))|.*[a-z]I[dD]|(?i:(passenger|customer|user|sample)id)"
)


def item_column(table: Table, hints: Hints, modality: str | None = None) -> tuple[str, Modality]:
    """The column of the items and their kind; "" and ``table`` where the rows are the items.

    Named by ``hints`` or by the model that reads (``hints.kept``), else found by looking; ``modality`` is the kind that
    is wanted. Raises ``DataError`` where there is none.
    """
    columns, where, kept = table.columns, table.where, hints.kept
    told: list[tuple[str | None, Modality, str]] = [(hints.text, "text", "--text"), (hints.image, "image", "--image")]
    for name, kind, option in told:
        if name and modality in (None, kind) and (name in columns or not hints.lenient):
            return wanted(name, columns, where, option), kind
    if kept is not None and modality in (None, kept.modality) and (kept.item in ("", *columns) or not hints.lenient):
        if kept.item and kept.item not in columns:
            raise DataError(f"{where} has no column {kept.item!r}, which the model reads; it has {', '.join(columns)}: "
                            f"--{kept.modality} names the one to read in its place.")  # fmt: skip
        return kept.item, kept.modality
    if modality == "table":
        return "", "table"
    taken = {hints.group, hints.part, *named(hints.label, columns)}
    image = None if modality == "text" else image_column(table, taken)
    text = None if modality == "image" else text_column(columns, taken)
    if image and text and not _some_are_there(table, image):
        said = f"names pictures of which none is there; the texts in {text!r} are read"
        table.problems.append(Problem("missing-file", image, said))
        image = None
    if image:
        return image, "image"
    if text:
        return text, "text"
    if modality is None and len(table.rows) >= LEAST_ROWS and len(columns) > 1:
        rows = next((n for n, values in columns.items() if n not in taken and _holds_rows(values)), None)
        if rows is not None and not hints.features:
            raise DataError(
                f"{where}: each cell of {rows!r} holds a row of numbers, which is neither a text nor a number: give "
                "each number a column of its own, or save pictures as .npz (train_images, train_labels); "
                f"--drop {rows} leaves it out, --text {rows} reads it as words."
            )
        return "", "table"
    looked_for = {"image": "paths of pictures (.jpg, .png, ...)", "text": "texts (--text names the column)"}
    sought = looked_for.get(modality or "", " or ".join(looked_for.values()))
    raise DataError(f"{where} has the columns {', '.join(columns)}, and none of them holds {sought}.")


def roles_of(table: Table, hints: Hints) -> tuple[Roles, list[Problem]]:
    """The roles of the columns, the tasks of the labels left open (they follow from their cells), and what to say."""
    columns, where, kept = table.columns, table.where, hints.kept
    item, kind = item_column(table, hints)
    said: list[Problem] = []
    group = wanted(hints.group, columns, where, "--group") if hints.group else ""
    of_label = {*named(hints.label, columns)} | ({hints.usual} if hints.usual in columns else set())
    part = _part_column(table, hints, {item, group, *of_label})
    unused = {} if kept is not None else _never_used(table, hints, {item, group, part, *of_label}, said)
    if kind != "table":
        said = [p for p in said if p.kind == "split-column"]
        unused = {n: why for n, why in unused.items() if why != _COUNTS}  # it may be the label
        if hints.features:
            raise DataError(f"--features {hints.features}: the items of {where} are {kind}s, of {item!r}; features are "
                            "columns of numbers and categories.")  # fmt: skip
    for name in [n for n, values in columns.items() if n != item and _is_structured(values)]:
        unused[name] = "no plain values"
    free = [name for name in columns if name and name not in (item, part, group) and name not in unused]
    labels = _labels(table, hints, Roles(kind, item, unused=unused), free, said)
    unused = {n: why for n, why in unused.items() if n not in labels}
    said = [p for p in said if p.kind == "label-guessed" or p.item not in labels]
    features: tuple[str, ...] = ()
    if kind == "table":
        features = _features(table, hints, [n for n in free if n not in labels], labels)
        said = [p for p in said if p.item not in features]
        if not features and kept is None and not hints.features:  # better a doubtful column than none
            features = tuple(n for n, why in unused.items() if why == _COUNTS)
            text = "counts the rows as an index does, and there is no other column to learn from"
            said = [replace(p, message=text) if p.item in features else p for p in said]
        unused = {n: why for n, why in unused.items() if n not in features}
    known = {*labels, *features, *unused} | ({item, part, group} - {""})
    unused |= {name: "" for name in columns if name not in known}
    return Roles(kind, item, dict.fromkeys(labels, "classification"), part, group, features, unused=unused), said


def _labels(table: Table, hints: Hints, roles: Roles, free: Sequence[str], said: list[Problem]) -> list[str]:
    """The columns of the labels: the user's, those that a model learned to tell, the usual one, else by looking; none
    where none are wanted.
    """
    if hints.labels == "none":
        return []
    columns, where, kept, kind = table.columns, table.where, hints.kept, roles.modality
    if hints.label and (named(hints.label, columns)[0] in columns or not hints.lenient):
        return [wanted(name, columns, where, "--label") for name in named(hints.label, columns)]
    if kept is not None and (all(name in columns for name in kept.labels) or not hints.lenient):
        return [_kept_label(name, columns, where) for name in kept.labels]
    if hints.usual in columns and hints.usual != roles.item:
        return [str(hints.usual)]
    if kind == "table":
        if not free:
            raise DataError(f"{where} has no column that could be a label ({_why(roles.unused)}); --label names it.")
        return [table_label(free, said)]
    called = "texts" if kind == "text" else "pictures"
    return label_columns({n: columns[n] for n in free}, called, where, roles.unused)


def named(listed: str | None, columns: Collection[str] = ()) -> list[str]:
    """``a, b`` -> its names; the whole where a column is called so."""
    if listed in columns:
        return [str(listed)]
    return [name.strip() for name in (listed or "").split(",") if name.strip()]


def _kept_label(name: str, columns: Collection[str], where: str) -> str:
    if name not in columns:
        raise DataError(
            f"{where} has no column {name!r}, which the model learned to tell; it has "
            f"{', '.join(columns)}: --label names the one to judge by."
        )
    return name


def without(table: Table, drop: str | None) -> Table:
    """The table less the columns named in ``drop``; one that is not there is listed."""
    gone = set(named(drop, table.columns))
    said = [Problem("no-such-column", name, f"--drop names it; {table.where} has no such column")
            for name in sorted(gone - set(table.columns))]  # fmt: skip
    columns = {n: v for n, v in table.columns.items() if n not in gone}
    return replace(table, columns=columns, problems=[*table.problems, *said])


def _features(table: Table, hints: Hints, free: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    if hints.features:
        found = [wanted(n, table.columns, table.where, "--features") for n in named(hints.features, table.columns)]
        return tuple(n for n in found if n not in labels)
    if hints.kept is not None:
        return tuple(n for n in hints.kept.features if n in table.columns)
    return tuple(free)


def _part_column(table: Table, hints: Hints, taken: set[str]) -> str:
    columns = table.columns
    if hints.part:
        return "" if hints.part == "none" else wanted(hints.part, columns, table.where, "--part")
    if hints.kept is not None and hints.kept.part in columns:
        return hints.kept.part
    for name, values in columns.items():
        if name in taken:
            continue
        words = part_words(name, values)
        if words is not None and (all(p for p in words.values()) or ("train" in words.values() and _is_split(name))):
            return name
    return ""


def _never_used(table: Table, hints: Hints, taken: set[str], said: list[Problem]) -> dict[str, str]:
    """Columns that are neither labels nor learned from unless the user names them: column -> why."""
    found: dict[str, str] = {}
    told = {*taken, *named(hints.features, table.columns)} - {""}
    for name, values in table.columns.items():
        if name in told or name.lower() in TEXT_LABEL_NAMES:
            continue
        if _is_split(name) and (words := part_words(name, values)) is not None:
            few = ", ".join(list(words)[:4])
            found[name] = "a split?"
            text = (f"looks like a split ({few}), and names no part train: it is neither used nor learned from; --part "
                    f"{name} uses it, --group {name} keeps its rows together")  # fmt: skip
            said.append(Problem("split-column", name, text))
        elif _counts(values) and not _is_index(name, values) and name not in table.index:
            found[name] = _COUNTS
            text = f"counts the rows as an index does, so it is not learned from; --features {name},... does"
            said.append(Problem("index-column", name, text))
        elif name in table.index or _is_index(name, values):
            found[name] = "an index"
            text = f"is an index, so it is not learned from; --features {name},... does"
            said.append(Problem("index-column", name or "(a column without a name)", text))
        elif _is_id(name, values):
            found[name] = "an id"
            again = len(set(map(str, values))) < len(values)
            keep = f"; --group {name} keeps the rows of each together" if again else ""
            text = f"holds ids, so it is not learned from; --features {name},... does{keep}"
            said.append(Problem("id-column", name, text))
    return found


def called_ids(table: Table) -> dict[str, str]:
    """The columns that are called and filled as an index or as ids are: column -> what is said of it."""
    found = {name: "is an index" for name, values in table.columns.items() if _is_index(name, values)}
    return found | {name: "holds ids" for name, values in table.columns.items() if _is_id(name, values)}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _is_split(name: str) -> bool:
    return _plain(name) in SPLIT_NAMES


def _is_index(name: str, values: Sequence[object]) -> bool:
    """Named as an index, with another whole number in each row; without a name, as pandas leaves it, any."""
    plain = re.sub(r"(?<=\D)\d+$", "", _plain(name))
    nameless = plain in ("", "unnamed", "level")
    return (nameless or (plain in INDEX_NAMES and _all_differ(values))) and all(map(_is_whole, values))


def _counts(values: Sequence[object]) -> bool:
    """Whether it counts the rows: 0, 1, 2, ... or 1, 2, 3, ..."""
    found = [number(cell_text(v)) for v in values]
    return len(found) >= LEAST_COUNTED and found[0] in (0, 1) and found == [found[0] + i for i in range(len(found))]


def _is_id(name: str, values: Sequence[object]) -> bool:
    """Named as ids are, with more values than a yes and a no."""
    if not _ID.fullmatch(name):
        return False
    cells = [c for c in map(cell_text, values) if c]
    fractions = any((v := number(c)) is not None and v % 1 for c in cells)
    return bool(cells) and not fractions and (len(set(cells)) > 2)


def _all_differ(values: Sequence[object]) -> bool:
    return len({cell_text(v) for v in values}) == len(values)


def _is_whole(value: object) -> bool:
    found = number(cell_text(value))
    return found is not None and float(found).is_integer()


def _is_structured(values: Sequence[object]) -> bool:
    """Bytes or objects: neither numbers nor words."""
    some = [v for v in values[:100] if v is not None]
    return bool(some) and all(is_bytes(v) or isinstance(v, dict) for v in some)


def _holds_rows(values: Sequence[object]) -> bool:
    """Whether the cells are long rows of numbers, such as the pixels of pictures."""
    some = [c for c in map(cell_text, values[:100]) if c]
    return bool(some) and all(_ROW.fullmatch(c) for c in some)


def _some_are_there(table: Table, column: str) -> bool:
    cells = [v for v in table.columns[column][:200] if v]
    return any(is_bytes(v) or table.tree.exists(table.folder + cell_text(v).replace("\\", "/")) for v in cells)


def _why(unused: dict[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in unused.items()) or "no columns"
