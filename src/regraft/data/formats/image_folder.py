"""Folders of pictures: ``CLASS/*.jpg``, or ``PART/CLASS/*.jpg`` with parts such as train, val and test.

Pictures deeper inside a class folder count for that class. What is no picture is listed, not read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.items import PictureFiles
from regraft.data.parts import part_of
from regraft.data.pictures import SUFFIXES
from regraft.errors import DataError
from regraft.types import Problem


def sniff(path: Path) -> str | None:
    if not path.is_dir():
        return None
    root = _unwrap(path)
    folders = _folders(root)
    parts = [f for f in folders if part_of(f.name)]
    holders = [sub for part in parts for sub in _folders(part)] if parts else folders
    if not any(_has_picture(f) for f in holders):
        return None
    count = len({f.name for f in holders})
    where = f" in the parts {', '.join(p.name for p in parts)}" if parts else ""
    return f"{count} class folders with pictures{where}"


def read(path: Path) -> Dataset:
    root = _unwrap(path)
    folders = _folders(root)
    parts = [f for f in folders if part_of(f.name)]
    problems = [
        Problem("no-class", f.name, "a picture outside any class folder is left out")
        for f in sorted(root.iterdir())
        if _is_picture(f)
    ]
    if parts:
        problems += [
            Problem("no-part", f.name, "a folder beside the parts is left out") for f in folders if f not in parts
        ]
    paths: list[str] = []
    class_of: list[str] = []
    part_names: list[str] = []
    classes: set[str] = set()
    for part in parts or [root]:
        name = part_of(part.name) if parts else ""
        for folder in _folders(part):
            found = 0
            for file in _files(folder):
                relative = file.relative_to(root).as_posix()
                if _is_picture(file):
                    paths.append(relative)
                    class_of.append(folder.name)
                    part_names.append(name or "")
                    found += 1
                else:
                    problems.append(Problem("not-a-picture", relative, "its ending is that of no picture; left out"))
            if found:
                classes.add(folder.name)
            else:
                problems.append(Problem("empty-class", folder.relative_to(root).as_posix(), "holds no picture"))
    if not paths:
        raise DataError(f"{path} holds no picture in its class folders.")
    ordered = tuple(sorted(classes))
    position = {name: i for i, name in enumerate(ordered)}
    labels = np.array([position[c] for c in class_of])
    return classification_dataset(
        path.resolve().name, PictureFiles(root, paths), labels, ordered, np.array(part_names, dtype=str),
        format="image-folder", problems=tuple(problems),
    )  # fmt: skip


def picture_files(path: Path) -> PictureFiles:
    """All pictures at or below ``path``, without any label, in sorted order."""
    if path.is_file():
        return PictureFiles(path.parent, [path.name])
    return PictureFiles(path, [f.relative_to(path).as_posix() for f in _files(path) if _is_picture(f)])


def _unwrap(path: Path) -> Path:
    """Passes through folders that hold nothing but one other folder (as archives often do)."""
    while True:
        inside = [p for p in path.iterdir() if not p.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or part_of(inside[0].name):
            return path
        if not any(p.is_dir() for p in inside[0].iterdir()):
            return path
        path = inside[0]


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))


def _files(path: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(d for d in inner if not d.startswith("."))
        yield from (Path(folder, n) for n in sorted(names) if not n.startswith("."))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _has_picture(folder: Path) -> bool:
    return any(_is_picture(f) for f in _files(folder))
