"""Dealing rows into folds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.data.stratify import by_labels


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


def bins(y: NDArray[Any], most: int = 10) -> NDArray[np.int64]:
    """(n,) which tenth of the values each number is in, 0..9; fewer bins where there are fewer than 50 numbers."""
    rank = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    return (rank * max(1, min(most, len(y) // 5)) // max(1, len(y))).astype(np.int64)
