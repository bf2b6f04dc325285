"""Items without labels beside labelled ones: what of them may be learned from, and what is held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.folds import hold_out
from regraft.data.items import JoinedItems
from regraft.data.splits import Split
from regraft.features.fingerprints import Fingerprints, fingerprints
from regraft.models.learned import Learned

SHARE, MOST, FROM = 0.1, 1000, 50
"""How much is held out, how many items at most, and from how many on any are."""


@dataclass(frozen=True)
class Unlabelled:
    """``learn`` may be learned from and ``held`` may not; ``groups`` (n,) are numbers that copies among the first
    share. ``left_out`` counts those that are judged (``judged``), that are labelled items too (``labelled``), and that
    cannot be read (``unreadable``).
    """

    learn: Dataset
    held: Dataset
    groups: NDArray[np.int64]
    left_out: dict[str, int]
    problems: list[Problem]


def sorted_out(
    data: Dataset, labelled: Dataset | None, judged: Dataset | None, network: Pretrained, store: RowStore, seed: int
) -> Unlabelled:
    """``data`` without what is ``judged``, and near copies of it, and without what is ``labelled`` already; a tenth of
    the rest is held out, copies together. Fingerprints of rows are those of ``network``.
    """
    prints = fingerprints(data.items, network, store)
    there = np.zeros(len(data), bool)
    there[prints.positions] = True
    known = _known(data, judged, network, store, prints, near=True)
    twice = _known(data, labelled, network, store, prints, near=False) & ~known
    left_out = {"judged": int(known.sum()), "labelled": int(twice.sum()), "unreadable": int((~there).sum())}
    rest = np.flatnonzero(there & ~known & ~twice)
    digests = np.zeros(len(data), np.uint64)
    digests[prints.positions] = prints.digests
    groups = np.unique(digests[rest], return_inverse=True)[1].astype(np.int64)
    learn, held = np.arange(len(rest)), np.zeros(0, np.int64)
    if len(rest) >= FROM:
        same = np.zeros(len(rest), np.int64)
        apart = None if groups.max() + 1 == len(groups) else groups
        learn, held = hold_out(same, apart, share=min(SHARE, MOST / len(rest)), seed=seed)
    return Unlabelled(data.take(rest[learn]), data.take(rest[held]), groups[learn], left_out,
                      _problems(data.name, left_out))  # fmt: skip


def _known(
    data: Dataset, other: Dataset | None, network: Pretrained, store: RowStore, prints: Fingerprints, *, near: bool
) -> NDArray[np.bool_]:
    """(n,) which items are those of ``other``, or near copies of them."""
    if other is None or not len(other):
        return np.zeros(len(data), bool)
    found = Learned.of(other.items, network=network, store=store).among(data.items, prints)
    return found.either if near else found.exact


def _problems(name: str, left_out: dict[str, int]) -> list[Problem]:
    why = {"judged": "are among the items to judge on, or near copies of such: they are left out",
           "labelled": "are among the labelled items, and learned once, with their labels",
           "unreadable": "cannot be read; they are set aside"}  # fmt: skip
    return [Problem(f"unlabelled-{k}", name, f"{n} unlabelled items {why[k]}") for k, n in left_out.items() if n]


def joined(split: Split, more: Unlabelled) -> Split:
    """The split with the items without labels (-1) behind the labelled ones of its training part; copies stay on one
    side of every choice inside it.
    """
    train, others = split.train, more.learn
    if not len(others):
        return split
    own = np.arange(len(train)) if split.groups is None else np.unique(split.groups, return_inverse=True)[1]
    y = np.concatenate([train.y, np.full(len(others), -1)])
    parts = np.concatenate([train.parts, np.full(len(others), train.parts[0] if len(train) else "")])
    both = replace(train, items=JoinedItems(train.items, others.items), labels={train.target_name: y}, parts=parts,
                   groups=None)  # fmt: skip
    return replace(split, train=both, groups=np.concatenate([own, own.max(initial=-1) + 1 + more.groups]),
                   train_pixels=None)  # fmt: skip
