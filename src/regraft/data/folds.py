"""Dealing rows into folds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError
from regraft.data.stratify import by_labels
from regraft.tasks.regression import bins


def stratified_folds(
    labels: NDArray[Any], folds: int, rng: np.random.Generator, groups: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """(n,) fold numbers 0..folds-1; every class is spread over the folds as evenly as it can be.

    ``labels`` are one number a row (n,), or 0 and 1 for each of several classes (n, k).
    With ``groups`` (n,) all rows of a group are in one fold: the largest groups choose first, each the fold that then
    is least full of its classes.
    """
    if labels.ndim == 2:
        return by_labels(labels, [1 / folds] * folds, rng, groups=groups)
    if groups is not None:
        return _group_folds(labels, folds, rng, groups)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def _group_folds(labels: NDArray[Any], folds: int, rng: np.random.Generator, groups: NDArray[Any]) -> NDArray[np.int64]:
    _, member = np.unique(groups, return_inverse=True)
    _, y = np.unique(labels, return_inverse=True)
    table = np.zeros((member.max() + 1, y.max() + 1))
    np.add.at(table, (member.reshape(-1), y.reshape(-1)), 1)
    table_share = table / table.sum(0)
    order = rng.permutation(len(table))
    order = order[np.argsort(-table[order].sum(1), kind="stable")]
    full = np.zeros((folds, table.shape[1]))
    of_group = np.zeros(len(table), np.int64)
    for g in order:
        # the fuller a fold is of these classes, the worse; ties go to the emptiest
        cost = [
            ((full[f] + table_share[g]) ** 2).sum() - (full[f] ** 2).sum() + 1e-9 * full[f].sum() for f in range(folds)
        ]
        of_group[g] = int(np.argmin(cost))
        full[of_group[g]] += table_share[g]
    fold: NDArray[np.int64] = of_group[member.reshape(-1)]
    return fold


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


def strata(labels: NDArray[Any]) -> NDArray[np.int64]:
    """What a split is to have its share of: classes as they are, of numbers the tenth they are in."""
    return bins(labels) if labels.dtype.kind == "f" else labels


FEW = 60
"""Below so many held-out items their figure tells little."""


MOST_FOLDS, ROUNDS, ENOUGH = 5, 5, 60
"""Folds, at most; rounds, each of which deals the folds anew, as long as all have dealt no more than so many items."""


def most_folds(labels: NDArray[Any], groups: NDArray[Any] | None) -> int:
    """Into how many folds items of these labels (n,) or (n, k) may be dealt so that each holds its share of the usual
    class: a fold that takes a class's only item out makes the rest expect the other classes.
    """
    units = len(labels) if groups is None else len(np.unique(groups))
    counts = [len(np.unique(_units(groups, len(labels))[rows])) for rows in _members(labels)]
    counts = [c for c in counts if c > 1]
    return min(units, int(np.median(counts))) if counts else 1


def deal(labels: NDArray[Any], groups: NDArray[Any] | None, folds: int | None, seed: int) -> NDArray[np.int64] | None:
    """(rounds, n) in which fold an item is judged, of ``folds`` or as many as are good; -1 where it never is, since it
    is the only one of its class, or of a group with such a one. None where the items are too few.

    ``labels`` (n,) are classes, numbers, or for multilabel (n, k). Raises ``InputError`` for more folds than can be.
    """
    most = most_folds(labels, groups)
    if folds is not None and folds > most:
        what = "items" if groups is None else "groups"
        if most < 2:
            raise InputError(f"--cv {folds}: the usual class has one of the {what} that must not be torn (near copies "
                             "make one), and nothing is left to judge on: leave --cv out, or give --val.")  # fmt: skip
        raise InputError(f"--cv {folds} asks for more folds than the usual class has {what}: take up to {most}.")
    if most < 2:
        return None
    of = _units(groups, len(labels))
    lonely = [rows for rows in _members(labels) if len(np.unique(of[rows])) == 1] if labels.ndim == 1 else []
    kept = np.isin(of, of[np.concatenate(lonely)]) if lonely else np.zeros(len(labels), bool)
    judged = np.flatnonzero(~kept)
    if len(np.unique(of[judged])) < 2:  # every group holds what there is once
        return None
    rounds = int(np.clip(ENOUGH // max(len(judged), 1), 1, ROUNDS))
    found = np.full((rounds, len(labels)), -1)
    spread, together = strata(labels[judged]), None if groups is None else groups[judged]
    for i in range(rounds):
        rng = np.random.default_rng([seed, i])
        found[i, judged] = stratified_folds(spread, folds or min(most, MOST_FOLDS), rng, together)
    return found


def _units(groups: NDArray[Any] | None, n: int) -> NDArray[Any]:
    return np.arange(n) if groups is None else groups


def _members(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    """The positions of each class's items; numbers are of one class."""
    if labels.dtype.kind == "f":
        return [np.arange(len(labels))]
    if labels.ndim == 2:
        return [np.flatnonzero(column) for column in labels.T if column.any()]
    return [np.flatnonzero(labels == c) for c in np.unique(labels)]


def in_words(cross_validation: dict[str, int]) -> str:
    """``5-fold cross-validation, 2 times``."""
    folds, rounds = cross_validation["folds"], cross_validation["rounds"]
    return f"{folds}-fold cross-validation" + (f", {rounds} times" if rounds > 1 else "")
