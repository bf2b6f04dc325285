"""Two files of texts, one a line: ``NAME.pos`` and ``NAME.neg``, gzipped or not (Pang and Lee's rt-polarity).

A name such as train or test is a part. One of the two files given stands for both.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.formats.text_folder import lines_of
from regraft.data.items import Texts
from regraft.data.parts import part_of
from regraft.types import Hints, Problem

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


def sniff(path: Path) -> str | None:
    files = _files(path)
    return f"files of texts by polarity ({', '.join(f.name for f in files)})" if files else None


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    texts: list[str] = []
    names: list[str] = []
    labels: list[int] = []
    parts: list[str] = []
    problems: list[Problem] = []
    for file in _files(path):
        match = _NAME.match(file.name)
        assert match is not None
        lines, called, found = lines_of(file)
        texts += lines
        names += called
        labels += [CLASSES.index(match["kind"].lower())] * len(lines)
        parts += [part_of(match["stem"]) or ""] * len(lines)
        problems += found
    name = path.name if path.is_dir() else str(_NAME.sub(r"\g<stem>", path.name))
    return classification_dataset(
        name,
        Texts(texts, names),
        np.array(labels, np.int64),
        CLASSES,
        np.array(parts, dtype=str),
        format="polarity",
        problems=tuple(problems),
    )


def lines_to_predict(path: Path) -> Texts | None:
    """The lines of one such file; None where it is none."""
    return Texts(*lines_of(path)[:2]) if path.is_file() and _NAME.match(path.name) else None
