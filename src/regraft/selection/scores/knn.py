"""The accuracy of the nearest neighbours' majority, each item left out of its own. Cover and Hart 1967."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import CLASSES, Given

SUMMARY = "accuracy of the 5 nearest neighbours, each item left out of its own (Cover and Hart 1967)"
TASKS = CLASSES
NEIGHBOURS, BLOCK = 5, 1024


def knn(x: NDArray[Any], labels: NDArray[Any], *, neighbours: int = NEIGHBOURS) -> float:
    """Features (n, d) and class numbers (n,) -> accuracy, 0..1, by the cosine of centred rows; near votes weigh more.

    A vote of cosine c weighs exp(c / 0.07), as in Wu et al. 2018 (https://arxiv.org/abs/1805.01978).
    """
    z = (x - x.mean(0, dtype=np.float64)).astype(np.float32)
    z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    classes, y = np.unique(labels, return_inverse=True)
    k, right = min(neighbours, len(z) - 1), 0
    for start in range(0, len(z), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(z)))
        alike = z[rows] @ z.T
        alike[np.arange(len(rows)), rows] = -np.inf
        near = np.argpartition(-alike, k - 1, axis=1)[:, :k]
        votes = np.zeros((len(rows), len(classes)))
        weights = np.exp(np.take_along_axis(alike, near, 1).astype(np.float64) / 0.07)
        np.add.at(votes, (np.arange(len(rows))[:, None], y[near]), weights)
        right += int((votes.argmax(1) == y[rows]).sum())
    return right / len(z)


def score(given: Given) -> float:
    return knn(given.x, given.y)
