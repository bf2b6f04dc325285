"""Two files of texts, one a line: ``NAME.pos`` and ``NAME.neg``, gzipped or not (Pang and Lee's rt-polarity).

A name such as train or test is a part. One of the two files given stands for both.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from regraft.core.errors import DataError
from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.formats.text_folder import lines_of
from regraft.data.items import Texts
from regraft.data.names import shown
from regraft.data.parts import part_of

CLASSES = ("neg", "pos")
_NAME = re.compile(r"(?P<stem>.+)\.(?P<kind>pos|neg)(\.gz)?$", re.IGNORECASE)


def _files(path: Path) -> list[Path]:
    """All such files of a folder; of one file, it and its counterpart."""
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.is_file() and _NAME.match(p.name))
    match = _NAME.match(path.name)
    if match is None or not path.is_file():
        return []
    return [p for p in _files(path.parent) if (other := _NAME.match(p.name)) and other["stem"] == match["stem"]]


def sniff(path: Path) -> Evidence | None:
    files = _files(path)
    if not files:
        return None
    items = sum(map(_count, files))
    return Evidence(f"files of texts by polarity ({', '.join(shown(f.name) for f in files)})", items)


def _count(file: Path) -> int:
    try:
        return len(lines_of(file)[0])
    except DataError:
        return 0


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    texts: list[str] = []
    names: list[str] = []
    labels: list[int] = []
    parts: list[str] = []
    problems: list[Problem] = []
    for file in _files(path):
        match = _NAME.match(file.name)
        assert match is not None
        lines, called, found = lines_of(file, hints.encoding)
        texts += lines
        names += called
        labels += [CLASSES.index(match["kind"].lower())] * len(lines)
        parts += [part_of(match["stem"]) or ""] * len(lines)
        problems += found
    name = shown(path.name if path.is_dir() else str(_NAME.sub(r"\g<stem>", path.name)))
    return classification_dataset(
        name,
        Texts(texts, names),
        np.array(labels, np.int64),
        CLASSES,
        np.array(parts, dtype=str),
        format="polarity",
        problems=tuple(problems),
    )


def lines_to_predict(path: Path, encoding: str | None = None) -> tuple[Texts, list[Problem]] | None:
    """The lines of one such file, and how it was encoded; None where it is none."""
    if not path.is_file() or not _NAME.match(path.name):
        return None
    lines, names, problems = lines_of(path, encoding)
    return Texts(lines, names), problems
