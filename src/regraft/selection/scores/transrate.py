"""TransRate: the coding rate of all features less that of each class's own.

Huang et al. 2022 (https://arxiv.org/abs/2106.09362), each class weighted by its share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import CLASSES, Array, Given, Gram, products

SUMMARY = "coding rate of all features less that within classes (TransRate, Huang et al. 2022)"
TASKS = CLASSES
EPSILON = 1e-4


def transrate(
    x: NDArray[Any], labels: NDArray[Any], *, epsilon: float = EPSILON, unit_rows: bool = False, equal: bool = False
) -> float:
    """Features (n, d), centred here, and class numbers (n,) -> nats.

    ``unit_rows`` brings each centred row to length 1, as the authors' code does; ``equal`` weighs classes alike.
    """
    z = np.asarray(x, np.float64)
    z = z - z.mean(0)
    if unit_rows:
        z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), np.finfo(float).tiny)
    return rate(_small(z), len(z), epsilon) - _within(z, labels, epsilon, equal)


def rate(inner: Array, n: int, epsilon: float) -> float:
    """The coding rate of n rows with the inner products ``inner`` (m, m), of rows or of columns."""
    return 0.5 * float(np.linalg.slogdet(np.eye(len(inner)) + inner / (n * epsilon))[1])


def _small(z: Array) -> Array:
    return products(z.T if len(z) < z.shape[1] else z)


def _within(z: Array, labels: NDArray[Any], epsilon: float, equal: bool) -> float:
    classes, counts = np.unique(labels, return_counts=True)
    weights = np.full(len(classes), 1 / len(classes)) if equal else counts / counts.sum()
    return float(sum(w * rate(_small(z[labels == c]), n, epsilon)
                     for c, n, w in zip(classes, counts, weights, strict=True)))  # fmt: skip


def score(given: Given) -> float:
    """With the features of all networks brought to one size: a mean squared row of 1."""
    gram: Gram = given.gram
    size = float(np.trace(gram.centred)) / gram.n
    z = gram.z / np.sqrt(size).astype(gram.x.dtype)
    return rate(gram.centred / size, gram.n, EPSILON) - _within(z, given.y, EPSILON, False)
