"""From what a person types to a `Dataset`: ``PATH``, ``PATH#part`` or ``embedded:digits``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from regraft.core.errors import DataError, UnknownName
from regraft.core.types import Evidence, Hints, Problem
from regraft.data import embedded
from regraft.data.dataset import Dataset
from regraft.data.formats import FORMATS, image_folder, polarity, table, text_folder
from regraft.data.formats.table import Read
from regraft.data.frames import is_frame
from regraft.data.items import Items
from regraft.tasks import LABEL_KINDS

BOXES = ("coco", "voc", "yolo", "box-table")
FOLDERS = ("image-folder", "text-folder")
ARRAYS = ("idx", "cifar")
ENCODED = ("table", "text-folder", "polarity")
_AS_CSV, _UNPACKED = "save it as .csv or .parquet", "unpack it, or pack it as a .zip"
_AS_NPZ = "save its arrays as .npz, with keys such as train_images and train_labels"
SAVED_AS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".feather", ".arrow", ".orc", ".sav", ".dta", ".sqlite", ".db"), _AS_CSV),
    **dict.fromkeys((".tar", ".tgz", ".gz", ".rar", ".7z", ".bz2", ".xz"), _UNPACKED),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".npy", ".h5", ".hdf5", ".mat"), _AS_NPZ),
    ".json": "a table is read as JSON lines (.jsonl, an object a line); boxes as COCO's files are",
}  # fmt: skip


def split_part(data: str) -> tuple[str, str | None]:
    """``data.npz#test`` -> (``data.npz``, ``test``); a file whose own name has a # keeps it."""
    if "#" in data and not _is_path(data):
        path, _, part = data.rpartition("#")
        return path, part
    return data, None


def open_data(data: Any, *, format: str | None = None, hints: Hints = Hints()) -> Dataset:
    """Recognises and reads labelled data: a path, ``embedded:NAME`` or a DataFrame; a `Dataset` is taken as it is.

    ``format`` and ``hints`` overrule what is recognised. Raises ``DataError`` where nothing is there, or where no
    format recognises it.
    """
    if hints.task is not None and hints.task not in LABEL_KINDS:
        raise UnknownName("task", str(hints.task), tuple(LABEL_KINDS))
    if isinstance(data, Dataset):
        return data
    if is_frame(data):
        return table.of_frame(data, hints)
    if not isinstance(data, str | PurePath):
        kind = type(data).__name__
        raise DataError(
            f"The data is of the type {kind}; wanted is a path, embedded:digits or a labelled DataFrame; "
            "from arrays and lists regraft.Classifier and Regressor learn."
        )
    where, part = split_part(str(data))
    whole = _grouped(_open(where, format, hints), hints)
    if hints.drop and whole.format != "table":
        ignored = Problem("no-such-column", hints.drop, f"--drop names columns of a table, and {where} is none")
        whole = replace(whole, problems=(*whole.problems, ignored))
    return whole if part is None else part_named(whole, part)


def part_named(whole: Dataset, part: str) -> Dataset:
    """One part as data of its own, ``NAME#PART``; raises ``DataError`` naming the parts there are."""
    return replace(whole.part(part), name=f"{whole.name}#{part}")


def _open(where: str, format: str | None, hints: Hints) -> Dataset:
    if where.startswith("embedded:"):
        _without_columns(hints, where)
        return embedded.read(where.removeprefix("embedded:"))
    path = existing(where)
    rivals = recognised(path, format, boxes=hints.task in (None, "detection") or format is not None)
    if not rivals:
        raise DataError(_not_recognised(path, format))
    name = best(rivals)
    evidence = rivals.pop(name)
    if hints.task == "detection" and name not in BOXES:
        raise DataError(f"--task detection: {path} holds no boxes that are recognised (it is {evidence.text}).")
    if hints.task not in (None, "classification", "detection") and name not in ("table", "npz", "idx"):
        raise DataError(f"--task {hints.task}: {path} has one class an item; a table can hold several.")
    if name != "table":
        _without_columns(hints, str(path), f" (it is {evidence.text})")
    if hints.encoding and name not in ENCODED:
        raise DataError(f"--encoding {hints.encoding}: {path} is no table and no text file (it is {evidence.text}).")
    found = FORMATS.get(name).read(path, hints)
    others = [Problem("other-format", where, f"is read as {name}; it could be {e.text} too: --format {n} reads it so")
              for n, e in rivals.items() if _is_rival(n, e, name)]  # fmt: skip
    return replace(found, evidence=found.evidence or evidence.text, problems=(*found.problems, *others))


def _without_columns(hints: Hints, what: str, why: str = "") -> None:
    """Raises ``DataError`` where a column is named of data that is no table."""
    for option in ("label", "text", "image", "part", "features"):
        if getattr(hints, option):
            raise DataError(f"--{option} {getattr(hints, option)}: {what} is no table{why}, so it has no columns.")


def existing(where: str) -> Path:
    """The path that a person typed; raises ``DataError`` where nothing is there."""
    if not _is_path(where):
        raise DataError(f"There is nothing at {where!r}: a folder, a file or embedded:digits is wanted.")
    return Path(where).expanduser()


def require_there(data: Any) -> None:
    """Raises ``DataError`` where a path is named, alone or among others, and nothing is there."""
    for one in data if isinstance(data, list | tuple) else [data]:
        where = split_part(str(one))[0] if isinstance(one, str | PurePath) else "embedded:"
        if not where.startswith("embedded:"):
            existing(where)


def is_there(data: str) -> bool:
    """Whether something is at a path, or at that of ``PATH#part``."""
    return _is_path(data) or ("#" in data and _is_path(data.rpartition("#")[0]))


def _is_path(where: str) -> bool:
    try:
        return bool(where) and Path(where).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # no name that a file could have
        return False


def recognised(path: Path, format: str | None = None, *, boxes: bool = True) -> dict[str, Evidence]:
    """Every format that finds evidence at ``path``, in the order in which they are looked for."""
    found: dict[str, Evidence] = {}
    for name in [format] if format else FORMATS:
        if name in BOXES and not boxes:
            continue
        evidence = FORMATS.get(name).sniff(path)
        if evidence:
            found[name] = evidence
    return found


def best(found: Mapping[str, Evidence]) -> str:
    """The format that is taken: the first that explains at least half as many items as any, weak ones last."""
    strong = {n: e for n, e in found.items() if not e.weak} or found
    most = max(e.items for e in strong.values())
    return next(n for n, e in strong.items() if 2 * e.items >= most)


def _is_rival(name: str, evidence: Evidence, taken: str) -> bool:
    """Whether another format is worth a word: an annotation file that leads to nothing too; every table of boxes is a
    table.
    """
    if (name, taken) == ("table", "box-table") or (evidence.weak and name in FOLDERS):
        return False
    return evidence.items > 0 or name in BOXES


def _grouped(data: Dataset, hints: Hints) -> Dataset:
    """Groups by a regular expression on the items' names, for data that has no columns."""
    if not hints.group or data.groups is not None:
        return data
    try:
        pattern = re.compile(hints.group)
    except re.error as error:
        raise DataError(f"--group {hints.group} is no regular expression: {error}.") from error
    matches = [pattern.search(data.items.name(i)) for i in range(len(data))]
    if not any(matches):
        raise DataError(f"--group {hints.group} matches none of the items' names, such as {data.items.name(0)!r}.")
    groups = [(m and m[m.re.groups and 1]) or data.items.name(i) for i, m in enumerate(matches)]
    return replace(data, groups=np.array(groups))


def open_items(data: str, *, modality: str | None = None, hints: Hints = Hints()) -> Items:
    """The items of `open_inputs`."""
    return open_inputs(data, modality=modality, hints=hints).items


def open_inputs(data: str, *, modality: str | None = None, hints: Hints = Hints()) -> Read:
    """What is to be predicted: one picture, a folder or zip of pictures or of text files at any depth, the lines of a
    text file, the pictures, texts or numbers of a table, or any labelled data's items; and what was noticed of it.

    ``modality``, image, text or table, overrules what is looked for first; ``hints`` name columns.
    """
    where, part = split_part(str(data))
    if part is None and not where.startswith("embedded:"):
        path = existing(where)
        if path.is_file() and table.sniff(path):
            return table.read_items(path, hints, modality)
        if not any(FORMATS.get(name).sniff(path) for name in ARRAYS):
            pictures = image_folder.picture_files(path) if modality in (None, "image") else None
            if pictures is not None and len(pictures[0]):
                _without_columns(hints, str(path))
                return Read(*pictures)
            if modality in (None, "text"):
                encoding = hints.encoding
                texts = text_folder.text_files(path, encoding) or polarity.lines_to_predict(path, encoding)
                if texts is not None:
                    _without_columns(hints, str(path))
                    return Read(*texts)
            if table.sniff(path):
                return table.read_items(path, hints, modality)
    found = open_data(str(data), hints=hints)
    return Read(found.items, list(found.problems))


def _not_recognised(path: Path, format: str | None) -> str:
    if format:
        return f"{path} is not of the format {format!r}; leave --format out to have it recognised."
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir())
        if not inside:
            return f"The folder {path} is empty; a folder for each class with its pictures is wanted."
        seen = ", ".join(inside[:5]) + (", ..." if len(inside) > 5 else "")
        return (
            f"{path} holds {seen}: no class folders with pictures (CLASS/*.jpg or train/CLASS/*.jpg) or texts "
            "(CLASS/*.txt), no boxes (COCO, Pascal VOC, YOLO), no IDX files."
        )
    if (instead := SAVED_AS.get(path.suffix.lower())) is not None:
        return f"{path} is not read by regraft: {instead}."
    return (
        f"{path} is of no known format; known are a folder or zip of class folders, tables (.csv, .tsv, .jsonl, "
        ".parquet), boxes (COCO, Pascal VOC, YOLO), .npz, IDX files, CIFAR batches, texts by polarity (.pos, .neg)."
    )


def open_boxes(data: Any, format: str | None, hints: Hints = Hints()) -> Dataset:
    """Labelled pictures with boxes; raises ``DataError`` where the data is of another kind."""
    found = data if isinstance(data, Dataset) else open_data(data, format=format, hints=hints)
    if found.target.task != "detection":
        raise DataError(f"{found.name} is for {found.target.task}; a detector takes pictures with boxes.")
    return found


def same_data(one: Any, other: Any) -> bool:
    """Whether both are the same object, or lead to the same place."""
    if not (isinstance(one, str | PurePath) and isinstance(other, str | PurePath)):
        return one is other
    (here, part), (there, its) = split_part(str(one)), split_part(str(other))
    if _is_path(here) and _is_path(there):
        return part == its and Path(here).expanduser().samefile(Path(there).expanduser())
    return str(one) == str(other)


def name_of(data: Any) -> str:
    """How data is called in records and messages."""
    if isinstance(data, Dataset):
        return data.name
    return f"DataFrame of {len(data)} rows" if is_frame(data) else str(data)
