"""Folders of text files, or a zip of them: ``CLASS/*.txt``, or ``PART/CLASS/*.txt`` with parts such as train and test.

Each file is one text, plain or gzipped. What cannot be read is listed and left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.encoding import decode_text, encoding_problems, unzipped
from regraft.data.formats import folders
from regraft.data.items import Texts
from regraft.data.trees import Tree, open_tree
from regraft.errors import DataError, UnreadableItem
from regraft.types import Hints, Problem

ENDINGS = (".txt", ".txt.gz")


def sniff(path: Path) -> str | None:
    return folders.sniff(path, _is_text, "text")


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    found = folders.read(path, _is_text, "text")
    texts, problems = _read_files(found.tree, found.paths, found.root)
    good = np.array([i for i, text in enumerate(texts) if text is not None], np.int64)
    if not len(good):
        raise DataError(f"{path} holds no text that can be read, such as {found.paths[0]!r}.")
    return classification_dataset(
        found.name,
        Texts([t or "" for t in texts], [p.removeprefix(found.root) for p in found.paths], good),
        found.labels[good],
        found.classes,
        found.parts[good],
        format="text-folder",
        problems=(*found.problems, *problems),
    )


def text_files(path: Path) -> Texts | None:
    """The texts to be predicted: each line of a text file, or each text file at any depth in a folder or zip.

    None where there is no text file; a file that cannot be read is an empty text.
    """
    if path.is_file() and _is_text(path.name):
        return Texts(*lines_of(path)[:2])
    tree = open_tree(path)
    paths = [f for f in tree.files() if _is_text(f)] if tree else []
    if tree is None or not paths:
        return None
    return Texts([t or "" for t in _read_files(tree, paths)[0]], paths)


def lines_of(path: Path) -> tuple[list[str], list[str], list[Problem]]:
    """The lines of one file, their names ``FILE:NUMBER``, and how it was encoded; raises ``DataError``."""
    try:
        decoded = decode_text(unzipped(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnreadableItem as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    lines = [line.strip() for line in decoded.text.split("\n")]
    if not lines[-1]:
        lines.pop()
    names = [f"{path.name}:{i}" for i in range(1, len(lines) + 1)]
    return lines, names, encoding_problems(decoded, path.name)


def _read_files(tree: Tree, paths: list[str], root: str = "") -> tuple[list[str | None], list[Problem]]:
    texts: list[str | None] = []
    problems = []
    for path in paths:
        name = path.removeprefix(root)
        try:
            decoded = decode_text(unzipped(tree.read(path)))
        except UnreadableItem as error:
            texts.append(None)
            problems.append(Problem("unreadable", name, f"{error}; left out"))
        else:
            texts.append(decoded.text.strip())
            problems += encoding_problems(decoded, name)
    return texts, problems


def _is_text(name: str) -> bool:
    return name.lower().endswith(ENDINGS)
