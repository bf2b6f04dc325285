"""``regraft convert``: detection data from one format to another, pictures and all."""

from __future__ import annotations

from dataclasses import dataclass

from regraft.core.errors import InputError, UnknownName
from regraft.core.files import new_folder, output
from regraft.core.types import Hints, Problem
from regraft.data.open import open_data
from regraft.data.writers.datasets import WRITERS, check_writable


@dataclass(frozen=True)
class Conversion:
    """What was written into the folder ``out``; ``lost`` counts what the format has no place for, by name."""

    out: str
    to: str
    format: str
    pictures: int
    boxes: int
    classes: list[str]
    parts: dict[str, int]
    lost: dict[str, int]
    problems: list[Problem]


def convert(data: str, *, to: str, out: str, format: str | None = None, link: bool = False) -> Conversion:
    """Writes ``data`` as ``coco``, ``voc``, ``yolo`` or ``csv`` into the new folder ``out``.

    What `regraft inspect` sets aside is left out, and listed. ``link`` makes hard links to the pictures where the disk
    allows it, in place of copies. Raises ``InputError`` where ``out`` exists, or where the format has no place for
    a class's name or for the parts.
    """
    if to not in WRITERS:
        raise UnknownName("format", to, WRITERS)
    folder = output(out)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"--out {out} exists: choose a new folder; nothing was touched.")
    found = open_data(data, format=format, hints=Hints(task="detection"))
    check_writable(found, to)
    with new_folder(folder) as work:
        WRITERS[to](found, work, link)
    crowds = sum(int(boxes.crowd.sum()) for boxes in found.y)
    return Conversion(
        out=str(folder), to=to, format=found.format, pictures=len(found), boxes=sum(len(boxes) for boxes in found.y),
        classes=list(found.classes), parts={p: int((found.parts == p).sum()) for p in found.part_names if p},
        lost={"marks of crowds": crowds} if to == "yolo" and crowds else {}, problems=list(found.problems),
    )  # fmt: skip
