"""Folders of files by class, or a zip of them: ``CLASS/*``, or ``PART/CLASS/*`` with parts such as train and val, or
``CLASS/PART/*``.

Files deeper inside a class folder count for that class. What is not wanted is listed, not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import Evidence, Problem
from regraft.data.names import shown
from regraft.data.parts import part_of
from regraft.data.trees import Tree, open_tree

_ANY = {"", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpegimages", "label", "labels",
        "annotation", "annotations", "text", "texts", "txt", "data", "obj"}  # fmt: skip
Wanted = Callable[[str], bool]
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


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


class _Layout(NamedTuple):
    """What the folders below ``root`` mean: ``parts`` maps those that are parts to theirs; where ``inner`` says so,
    they lie within the class folders.
    """

    root: str
    parts: dict[str, str]
    inner: bool = False

    @property
    def depth(self) -> int:
        """At which place in a path its class stands, counted from 1."""
        return 2 if self.parts and not self.inner else 1

    def part(self, inside: list[str]) -> str:
        return self.parts.get(inside[self.inner], "") if len(inside) > 1 + self.inner else ""


def sniff(path: Path, wanted: Wanted, what: str) -> Evidence | None:
    """Evidence that ``path`` holds class folders with files that are ``wanted``; ``what`` names those."""
    tree = open_tree(path)
    if tree is None:
        return None
    files = tree.files()
    layout = _layout(files, tree.folders(), wanted)
    inside = [f.removeprefix(layout.root).split("/") for f in files if f.startswith(layout.root) and wanted(f)]
    labelled = [p for p in inside if len(p) > layout.depth and (layout.depth == 1 or p[0] in layout.parts)]
    if not labelled:
        return None
    classes = {p[layout.depth - 1] for p in labelled}
    used = sorted({p[layout.inner] for p in labelled if layout.part(p)})
    where = f" in the parts {', '.join(used)}" if used else ""
    archive = "a zip archive with " if path.is_file() else ""
    weak = len(classes) < 2 or all(_says_nothing(c) for c in classes)
    return Evidence(f"{archive}{len(classes)} class folders with {what}s{where}", len(labelled), weak)


def _says_nothing(folder: str) -> bool:
    """Whether a folder's name is that of a part or of what lies in any data set."""
    plain = re.sub(r"[\W\d_]+", "", folder.lower())
    return plain in _ANY or part_of(plain) is not None


def read(path: Path, wanted: Wanted, what: str) -> ClassFiles:
    """The files that are ``wanted``, each a ``what``; raises ``DataError`` where there is none."""
    tree = open_tree(path)
    assert tree is not None
    files, folders = tree.files(), tree.folders()
    layout = _layout(files, folders, wanted)
    problems = [*tree.problems, *_beside_parts(layout, folders, files)]
    paths, class_of, part_names = [], [], []
    for file in files:
        inside = file.removeprefix(layout.root).split("/")
        lies_beside = layout.depth == 2 and inside[0] not in layout.parts
        if file.startswith(layout.root) and lies_beside and len(inside) > 1:
            continue  # its folder is listed
        if not file.startswith(layout.root) or len(inside) <= layout.depth:
            kind = "no-class" if wanted(file) else f"not-a-{what}"
            name = "/".join(inside) if file.startswith(layout.root) else file
            problems.append(Problem(kind, name, _outside(name)))
        elif not wanted(file):
            problems.append(Problem(f"not-a-{what}", "/".join(inside), not_wanted(file, what)))
        else:
            paths.append(file)
            class_of.append(inside[layout.depth - 1])
            part_names.append(layout.part(inside))
    if not paths:
        raise DataError(f"{shown(str(path))} holds no {what} in its class folders.")
    problems += _empty_classes(layout, folders, paths, what)
    classes = tuple(sorted(set(class_of)))
    position = {name: i for i, name in enumerate(classes)}
    labels = np.array([position[c] for c in class_of])
    name = shown(path.resolve().name).removesuffix(".zip")
    parts = np.array(part_names, dtype=str)
    return ClassFiles(name, tree, layout.root, paths, labels, classes, parts, problems)


def not_wanted(file: str, what: str) -> str:
    """Why a file is left out where only those of one kind are looked for."""
    if file.lower().endswith(ARCHIVES) and not file.lower().endswith(".txt.gz"):
        return "is an archive, which is not looked into: unpack it; left out"
    return f"its ending is that of no {what}; left out"


def _outside(name: str) -> str:
    within = "is an archive, which is not looked into: unpack it" if name.lower().endswith(ARCHIVES) else ""
    return f"{within or 'lies outside any class folder'}; left out"


def _layout(files: list[str], folders: list[str], wanted: Wanted) -> _Layout:
    found = [f for f in files if wanted(f)]
    root = _root(found, files, folders)
    inside = [f.removeprefix(root).split("/") for f in found if f.startswith(root)]
    outer = {p[0]: part for p in inside if len(p) > 2 and (part := part_of(p[0]))}
    if outer:
        return _Layout(root, outer)
    second = {p[1] for p in inside if len(p) > 2}
    parted = all(len(p) != 2 for p in inside) and len(second) > 1 and all(map(part_of, second))
    return _Layout(root, {name: part_of(name) or "" for name in second} if parted else {}, parted)


def _root(found: list[str], files: list[str], folders: list[str]) -> str:
    """Passes through folders beside which there is no other with such files, nor an empty one, as archives often have;
    ends with a slash. What lies on the way is listed as outside.
    """
    root = ""
    while True:
        below = {f.removeprefix(root).split("/")[0] for f in folders if f.startswith(root)} - {""}
        # a folder of other things beside the data, of notes or labels, is no class
        other = {f.removeprefix(root).split("/")[0] for f in files if f.startswith(root)}
        holding = {f.removeprefix(root).split("/")[0] for f in found if f.startswith(root)}
        here = holding | (below - other)
        if len(here) != 1:
            return root
        (only,) = here
        deeper = any(f.startswith(f"{root}{only}/") and "/" in f.removeprefix(f"{root}{only}/") for f in found)
        if part_of(only) or not deeper:
            return root
        root = f"{root}{only}/"


def _beside_parts(layout: _Layout, folders: list[str], files: list[str]) -> list[Problem]:
    """Folders beside the parts, which are left out."""
    if layout.depth == 1:
        return []
    top = {f.removeprefix(layout.root).split("/")[0] for f in folders if f.startswith(layout.root)} - {""}
    counts = {name: sum(f.startswith(f"{layout.root}{name}/") for f in files) for name in sorted(top - {*layout.parts})}
    return [
        Problem("no-part", name, f"a folder beside the parts is left out ({n} files)") for name, n in counts.items()
    ]


def _empty_classes(layout: _Layout, folders: list[str], paths: list[str], what: str) -> list[Problem]:
    filled = {"/".join(p.removeprefix(layout.root).split("/")[: layout.depth]) for p in paths}
    found = []
    for folder in folders:
        inside = folder.removeprefix(layout.root).split("/")
        of_parts = layout.depth == 1 or inside[0] in layout.parts
        is_class = folder.startswith(layout.root) and len(inside) == layout.depth and of_parts
        if is_class and "/".join(inside) not in filled:
            found.append(Problem("empty-class", "/".join(inside), f"holds no {what}"))
    return found
