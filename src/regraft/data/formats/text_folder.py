"""Folders of text files, or a zip of them: ``CLASS/*.txt``, or ``PART/CLASS/*.txt`` with parts such as train and test.

Each file is one text, plain or gzipped. What cannot be read is listed and left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.formats import folders
from regraft.data.items import Texts
from regraft.data.names import shown
from regraft.data.text.encoding import Decoded, decode_text, decode_texts, encoding_problems, is_binary, unzipped
from regraft.data.trees import Tree, open_tree

ENDINGS = (".txt", ".txt.gz")


def sniff(path: Path) -> Evidence | None:
    return folders.sniff(path, _is_text, "text")


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    found = folders.read(path, _is_text, "text")
    texts, reasons, problems = _read_files(found.tree, found.paths, found.root, hints.encoding)
    good = np.array([i for i in range(len(texts)) if i not in reasons], np.int64)
    if not len(good):
        raise DataError(f"{shown(str(path))} holds no text that can be read, such as {found.paths[0]!r}.")
    names = [p.removeprefix(found.root) for p in found.paths]
    unread = [Problem("unreadable", names[i], f"{why}; left out") for i, why in reasons.items()]
    return classification_dataset(
        found.name,
        Texts(texts, names, good),
        found.labels[good],
        found.classes,
        found.parts[good],
        format="text-folder",
        problems=(*found.problems, *unread, *problems),
    )


def text_files(path: Path, encoding: str | None = None) -> tuple[Texts, list[Problem]] | None:
    """The texts to be predicted: each line of a text file, or each text file at any depth in a folder or zip; and what
    is to be said of them and of what lies beside them.

    None where there is no text file; a file that cannot be read stays in its place and fails by name.
    """
    if path.is_file() and _is_text(path.name):
        lines, names, problems = lines_of(path, encoding)
        return Texts(lines, names), problems
    tree = open_tree(path)
    files = tree.files() if tree else []
    paths = [f for f in files if _is_text(f)]
    if tree is None or not paths:
        return None
    texts, reasons, problems = _read_files(tree, paths, "", encoding)
    others = [Problem("not-a-text", f, folders.not_wanted(f, "text")) for f in files if not _is_text(f)]
    return Texts(texts, paths, faults=reasons), [*tree.problems, *others, *problems]


def lines_of(path: Path, encoding: str | None = None) -> tuple[list[str], list[str], list[Problem]]:
    """The lines of one file, their names ``FILE:NUMBER``, and how it was encoded; raises ``DataError``."""
    try:
        decoded = decode_text(_text_bytes(path.read_bytes()), encoding)
    except OSError as error:
        raise DataError(f"{shown(str(path))} cannot be read: {error.strerror}.") from error
    except UnreadableItem as error:
        raise DataError(f"{shown(str(path))} cannot be read: {error}.") from error
    lines = [line.strip() for line in decoded.text.split("\n")]
    if not lines[-1]:
        lines.pop()
    name = shown(path.name)
    names = [f"{name}:{i}" for i in range(1, len(lines) + 1)]
    return lines, names, encoding_problems(decoded, name)


def _read_files(
    tree: Tree, paths: list[str], root: str, encoding: str | None
) -> tuple[list[str], dict[int, str], list[Problem]]:
    """The text of each file, "" where position -> why says that it cannot be read, and how they were encoded."""
    contents: dict[int, bytes] = {}
    reasons: dict[int, str] = {}
    for i, path in enumerate(paths):
        try:
            contents[i] = _text_bytes(tree.read(path))
        except UnreadableItem as error:
            reasons[i] = str(error)
    found: dict[int, Decoded] = dict(zip(contents, decode_texts(list(contents.values()), encoding), strict=True))
    problems = [p for i, decoded in found.items() for p in encoding_problems(decoded, paths[i].removeprefix(root))]
    return [found[i].text.strip() if i in found else "" for i in range(len(paths))], reasons, problems


def _text_bytes(data: bytes) -> bytes:
    content = unzipped(data)
    if is_binary(content):
        raise UnreadableItem("it is no text in any encoding, whatever its ending says")
    return content


def _is_text(name: str) -> bool:
    return name.lower().endswith(ENDINGS)
