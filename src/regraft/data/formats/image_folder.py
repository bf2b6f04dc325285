"""Folders of pictures, or a zip of them: ``CLASS/*.jpg``, or ``PART/CLASS/*.jpg`` with parts such as train and val.

Pictures deeper inside a class folder count for that class. What is no picture is listed, not read.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.formats import folders
from regraft.data.image.decoding import FOREIGN, SUFFIXES
from regraft.data.items import PictureFiles
from regraft.data.trees import Directory, open_tree

_ENDINGS = SUFFIXES | FOREIGN


def sniff(path: Path) -> Evidence | None:
    return folders.sniff(path, _is_picture, "picture")


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    found = folders.read(path, _is_picture, "picture")
    return classification_dataset(
        found.name,
        PictureFiles(found.tree, found.paths, found.root),
        found.labels,
        found.classes,
        found.parts,
        format="image-folder",
        problems=tuple(found.problems),
    )


def picture_files(path: Path) -> tuple[PictureFiles, list[Problem]] | None:
    """All pictures at or below ``path`` (a picture, a folder, a zip) in sorted order, whatever their folders mean, and
    what lies there beside them; None where ``path`` is none of these.

    A file that is called as pictures are is one of them, and fails by name where it cannot be read.
    """
    if path.is_file() and path.suffix.lower() in _ENDINGS:
        return PictureFiles(Directory(path.parent), [path.name]), []
    tree = open_tree(path)
    if tree is None:
        return None
    files = tree.files()
    others = [Problem("not-a-picture", f, folders.not_wanted(f, "picture")) for f in files if not _is_picture(f)]
    return PictureFiles(tree, [f for f in files if _is_picture(f)]), [*tree.problems, *others]


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _ENDINGS
