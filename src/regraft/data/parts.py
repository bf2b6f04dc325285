"""Parts of a data set: their names, and holding some items out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.data.dataset import Dataset
from regraft.data.stratify import by_labels

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


def hold_out(
    labels: NDArray[Any], groups: NDArray[Any] | None, *, share: float = 0.2, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (kept, held out) with about ``share`` of every class held out; no group is torn.

    ``labels`` are one number an item (n,), or 0 and 1 for each of several classes (n, k), which are dealt by
    `regraft.data.stratify`. A class with one example (or one group) stays in the kept part. Without groups the held-out
    number is ``round(share * n)``, given to the classes by largest remainder, as far as each class can spare.
    """
    rng = np.random.default_rng(seed)
    n = len(labels)
    if labels.ndim == 2:
        held = by_labels(labels, (1 - share, share), rng, groups=groups, everywhere=0) == 1
    elif groups is not None:
        held = _hold_out_groups(labels, groups, share, rng)
    else:
        classes, counts = np.unique(labels, return_counts=True)
        exact = counts * share
        quota = np.minimum(np.floor(exact).astype(int), counts - 1)
        # which class rounds up is decided by the largest remainder, ties by chance
        order = np.lexsort((rng.random(len(classes)), -(exact - np.floor(exact))))
        for c in order:
            if quota.sum() < round(share * n) and quota[c] < counts[c] - 1:
                quota[c] += 1
        held = np.zeros(n, bool)
        for c, q in zip(classes, quota, strict=True):
            held[rng.permutation(np.flatnonzero(labels == c))[:q]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _hold_out_groups(
    labels: NDArray[Any], groups: NDArray[Any], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Greedy: groups in random order join the held-out part while they bring its class counts nearer the goal."""
    _, y = np.unique(labels, return_inverse=True)
    names, g = np.unique(groups, return_inverse=True)
    table = np.zeros((len(names), y.max() + 1))
    np.add.at(table, (g, y), 1)
    goal, total = table.sum(0) * share, table.sum(0)
    taken = np.zeros(table.shape[1])
    chosen = np.zeros(len(names), bool)
    for i in rng.permutation(len(names)):
        after = taken + table[i]
        some_stay = ((after < total) | (table[i] == 0)).all()
        if some_stay and np.abs(goal - after).sum() < np.abs(goal - taken).sum():
            chosen[i], taken = True, after
    return chosen[g]
