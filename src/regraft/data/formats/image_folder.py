"""Folders of pictures, or a zip of them: ``CLASS/*.jpg``, or ``PART/CLASS/*.jpg`` with parts such as train and val.

Pictures deeper inside a class folder count for that class. What is no picture is listed, not read.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.items import PictureFiles
from regraft.data.parts import part_of
from regraft.data.pictures import SUFFIXES
from regraft.data.trees import Directory, open_tree
from regraft.errors import DataError
from regraft.types import Hints, Problem


def sniff(path: Path) -> str | None:
    tree = open_tree(path)
    if tree is None:
        return None
    files = tree.files()
    root = _root(files, tree.folders())
    inside = [f.removeprefix(root).split("/") for f in files if f.startswith(root) and _is_picture(f)]
    parts = sorted({p[0] for p in inside if len(p) > 2 and part_of(p[0])})
    classes = {p[1] for p in inside if p[0] in parts and len(p) > 2} or {p[0] for p in inside if len(p) > 1}
    if not classes:
        return None
    where = f" in the parts {', '.join(parts)}" if parts else ""
    archive = "a zip archive with " if path.is_file() else ""
    return f"{archive}{len(classes)} class folders with pictures{where}"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    tree = open_tree(path)
    assert tree is not None
    files, folders = tree.files(), tree.folders()
    root = _root(files, folders)
    top = {f.removeprefix(root) for f in folders if f.startswith(root) and "/" not in f.removeprefix(root)} - {""}
    parts = {name: part_of(name) or "" for name in top if part_of(name) and _holds_classes(name, root, files)}
    problems = list(tree.problems)
    if parts:
        problems += [Problem("no-part", n, "a folder beside the parts is left out") for n in sorted(top - set(parts))]
    paths, class_of, part_names = [], [], []
    depth = 2 if parts else 1
    for file in files:
        inside = file.removeprefix(root).split("/")
        if not file.startswith(root) or (parts and inside[0] in top - set(parts)):
            continue
        if len(inside) <= depth:
            kind = "no-class" if _is_picture(file) else "not-a-picture"
            problems.append(Problem(kind, "/".join(inside), "lies outside any class folder; left out"))
        elif not _is_picture(file):
            problems.append(Problem("not-a-picture", "/".join(inside), "its ending is that of no picture; left out"))
        else:
            paths.append(file)
            class_of.append(inside[depth - 1])
            part_names.append(parts.get(inside[0], ""))
    if not paths:
        raise DataError(f"{path} holds no picture in its class folders.")
    for folder in folders:
        inside = folder.removeprefix(root).split("/")
        of_parts = not parts or inside[0] in parts
        is_class = folder.startswith(root) and len(inside) == depth and of_parts
        if is_class and not any(p.startswith(folder + "/") for p in paths):
            problems.append(Problem("empty-class", "/".join(inside), "holds no picture"))
    classes = tuple(sorted(set(class_of)))
    position = {name: i for i, name in enumerate(classes)}
    return classification_dataset(
        path.resolve().name.removesuffix(".zip"),
        PictureFiles(tree, paths, root),
        np.array([position[c] for c in class_of]),
        classes,
        np.array(part_names, dtype=str),
        format="image-folder",
        problems=tuple(problems),
    )


def picture_files(path: Path) -> PictureFiles | None:
    """All pictures at or below ``path`` (a picture, a folder, a zip) in sorted order, whatever their folders mean."""
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return PictureFiles(Directory(path.parent), [path.name])
    tree = open_tree(path)
    return None if tree is None else PictureFiles(tree, [f for f in tree.files() if _is_picture(f)])


def _root(files: list[str], folders: list[str]) -> str:
    """Passes through folders that hold nothing but one other folder, as archives often do; ends with a slash."""
    root = ""
    while True:
        here = {f.removeprefix(root).split("/")[0] for f in (*files, *folders) if f.startswith(root) and f != root[:-1]}
        if len(here) != 1:
            return root
        (only,) = here
        below = [f for f in folders if f.startswith(f"{root}{only}/")]
        if part_of(only) or not below:
            return root
        root = f"{root}{only}/"


def _holds_classes(part: str, root: str, files: list[str]) -> bool:
    return any(f.startswith(f"{root}{part}/") and f.removeprefix(root).count("/") >= 2 for f in files)


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES
