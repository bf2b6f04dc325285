"""Folders of files by class, or a zip of them: ``CLASS/*``, or ``PART/CLASS/*`` with parts such as train and val.

Files deeper inside a class folder count for that class. What is not wanted is listed, not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regraft.data.parts import part_of
from regraft.data.trees import Tree, open_tree
from regraft.errors import DataError
from regraft.types import Problem

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class ClassFiles:
    """n files below ``root``: ``labels`` (n,) index ``classes``, ``parts`` (n,) are names of parts or ""."""

    name: str
    tree: Tree
    root: str
    paths: list[str]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    problems: list[Problem]


def sniff(path: Path, wanted: Wanted, what: str) -> str | None:
    """Evidence that ``path`` holds class folders with files that are ``wanted``; ``what`` names those."""
    tree = open_tree(path)
    if tree is None:
        return None
    files = tree.files()
    root = _root(files, tree.folders())
    inside = [f.removeprefix(root).split("/") for f in files if f.startswith(root) and wanted(f)]
    parts = sorted({p[0] for p in inside if len(p) > 2 and part_of(p[0])})
    classes = {p[1] for p in inside if p[0] in parts and len(p) > 2} or {p[0] for p in inside if len(p) > 1}
    if not classes:
        return None
    where = f" in the parts {', '.join(parts)}" if parts else ""
    archive = "a zip archive with " if path.is_file() else ""
    return f"{archive}{len(classes)} class folders with {what}s{where}"


def read(path: Path, wanted: Wanted, what: str) -> ClassFiles:
    """The files that are ``wanted``, each a ``what``; raises ``DataError`` where there is none."""
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
            kind = "no-class" if wanted(file) else f"not-a-{what}"
            problems.append(Problem(kind, "/".join(inside), "lies outside any class folder; left out"))
        elif not wanted(file):
            text = f"its ending is that of no {what}; left out"
            problems.append(Problem(f"not-a-{what}", "/".join(inside), text))
        else:
            paths.append(file)
            class_of.append(inside[depth - 1])
            part_names.append(parts.get(inside[0], ""))
    if not paths:
        raise DataError(f"{path} holds no {what} in its class folders.")
    for folder in folders:
        inside = folder.removeprefix(root).split("/")
        of_parts = not parts or inside[0] in parts
        is_class = folder.startswith(root) and len(inside) == depth and of_parts
        if is_class and not any(p.startswith(folder + "/") for p in paths):
            problems.append(Problem("empty-class", "/".join(inside), f"holds no {what}"))
    classes = tuple(sorted(set(class_of)))
    position = {name: i for i, name in enumerate(classes)}
    labels = np.array([position[c] for c in class_of])
    name = path.resolve().name.removesuffix(".zip")
    return ClassFiles(name, tree, root, paths, labels, classes, np.array(part_names, dtype=str), problems)


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
