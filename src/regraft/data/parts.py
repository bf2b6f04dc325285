"""Parts of a data set: their names, and holding some items out."""

from __future__ import annotations

import re

from regraft.core.errors import DataError
from regraft.data.dataset import Dataset

_PARTS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "t10k", "tst"),
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}


def part_of(word: str) -> str | None:
    """The part that a folder or key name means (``Training``, ``train set`` -> ``train``), or None."""
    plain = re.sub(r"[^a-z0-9]", "", word.lower())
    return _PART_OF.get(plain) or _PART_OF.get(re.sub("(set|data|split|images|pictures|texts)$", "", plain))


def training_part(data: Dataset) -> Dataset:
    """The part to learn from: ``train`` where there are parts, else all. A part called test never is."""
    names = data.part_names
    if names == ["test"] or ("train" not in names and len(names) > 1):
        raise DataError(f"{data.name} has the parts {', '.join(names)} and none called train to learn from.")
    return data.part("train") if "train" in names else data


def evaluation_part(data: Dataset) -> Dataset:
    """The part to judge on: ``test``, else ``val``, else all."""
    for name in ("test", "val"):
        if name in data.part_names:
            return data.part(name)
    return data
