"""From what a person types to a `Dataset`: ``PATH``, ``PATH#part`` or ``embedded:digits``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from regraft.data import embedded
from regraft.data.dataset import Dataset
from regraft.data.formats import FORMATS, image_folder, polarity, table, text_folder
from regraft.data.items import Items
from regraft.errors import DataError, UnknownName
from regraft.files import path_of
from regraft.types import Hints, Problem

TASKS = ("classification", "multilabel", "regression", "detection")
BOXES = ("coco", "voc", "yolo", "box-table")


def split_part(data: str) -> tuple[str, str | None]:
    """``data.npz#test`` -> (``data.npz``, ``test``); a file whose own name has a # keeps it."""
    if "#" in data and not path_of(data, "DATA").exists():
        path, _, part = data.rpartition("#")
        return path, part
    return data, None


def open_data(data: Any, *, format: str | None = None, hints: Hints = Hints()) -> Dataset:
    """Recognises and reads labelled data: a path, ``embedded:NAME`` or a DataFrame; a `Dataset` is taken as it is.

    ``format`` and ``hints`` overrule what is recognised. Raises ``DataError`` where nothing is there, or where no
    format recognises it.
    """
    if hints.task not in (None, *TASKS):
        raise UnknownName("task", str(hints.task), TASKS)
    if isinstance(data, Dataset):
        return data
    if hasattr(data, "columns"):
        return table.read_frame(data, hints)
    where, part = split_part(str(data))
    whole = _grouped(_open(where, format, hints), hints)
    if hints.drop and whole.format != "table":
        told = Problem("no-such-column", hints.drop, f"--drop names columns of a table, and {where} is none")
        whole = replace(whole, problems=(*whole.problems, told))
    return whole if part is None else replace(whole.part(part), name=f"{whole.name}#{part}")


def _open(where: str, format: str | None, hints: Hints) -> Dataset:
    if where.startswith("embedded:"):
        return embedded.read(where.removeprefix("embedded:"))
    path = path_of(where, "DATA")
    if not path.exists():
        raise DataError(f"There is nothing at {where!r}: a folder, a file or embedded:digits is wanted.")
    for name in [format] if format else FORMATS:
        if hints.task not in (None, "detection") and name in BOXES and not format:
            continue
        module = FORMATS.get(name)
        evidence = module.sniff(path)
        if evidence:
            if hints.task == "detection" and name not in BOXES:
                raise DataError(f"--task detection: {path} holds no boxes that are recognised (it is {evidence}).")
            if hints.task not in (None, "classification", "detection") and name != "table":
                raise DataError(f"--task {hints.task}: {path} has one class an item; a table can hold several.")
            for option, column in (("--label", hints.label), ("--text", hints.text)):
                if column and name != "table":
                    raise DataError(f"{option} {column}: {path} is no table (it is {evidence}), so it has no columns.")
            found = module.read(path, hints)
            return replace(found, evidence=found.evidence or evidence)
    raise DataError(_not_recognised(path, format))


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


def open_items(data: str, *, modality: str | None = None, text: str | None = None) -> Items:
    """What is to be predicted: one picture, a folder or zip of pictures or of text files at any depth, the lines of a
    text file, the pictures, texts or numbers of a table, or any labelled data's items.

    ``modality``, image, text or table, overrules what is looked for first; ``text`` names the column of the texts.
    """
    where, part = split_part(str(data))
    path = path_of(where, "DATA")
    arrays = ("idx", "cifar")
    if part is None and path.exists() and not any(FORMATS.get(name).sniff(path) for name in arrays):
        pictures = image_folder.picture_files(path) if modality in (None, "image") else None
        if pictures is not None and len(pictures):
            return pictures
        texts = (
            (text_folder.text_files(path) or polarity.lines_to_predict(path)) if modality in (None, "text") else None
        )
        if texts is not None:
            return texts
        if table.sniff(path):
            return table.read_items(path, text=text, modality=modality)
    return open_data(str(data)).items


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
    return (
        f"{path} is of no known format; known are a folder or zip of class folders, tables (.csv, .tsv, .jsonl, "
        ".parquet), boxes (COCO, Pascal VOC, YOLO), .npz, IDX files, CIFAR batches, texts by polarity (.pos, .neg)."
    )
