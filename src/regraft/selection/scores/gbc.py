"""GBC: the overlap of the classes as Gaussians, by Bhattacharyya coefficients, negated.

Pandy, Agostinelli, Uijlings, Ferrari and Mensink 2022 (https://arxiv.org/abs/2111.12780).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import CLASSES, Given

SUMMARY = "overlap of the classes as Gaussians, negated (GBC, Pandy et al. 2022)"
TASKS = CLASSES
LEAST_VARIANCE, COMPONENTS = 1e-4, 64


def gbc(x: NDArray[Any], labels: NDArray[Any], *, spherical: bool = False) -> float:
    """Features (n, d) and class numbers (n,) -> minus the sum over ordered pairs of classes of their overlap.

    Variances are a column's own, or with ``spherical`` one a class.
    """
    classes, x = np.unique(labels), np.asarray(x, np.float64)
    means = np.stack([x[labels == c].mean(0) for c in classes])
    spread = np.maximum(np.stack([x[labels == c].var(0) for c in classes]), LEAST_VARIANCE)
    if spherical:
        spread = np.repeat(spread.mean(1, keepdims=True), x.shape[1], 1)
    logs, total = np.log(spread).sum(1), 0.0
    for i in range(len(classes)):
        both = (spread[i] + spread) / 2
        distance = ((means[i] - means) ** 2 / both).sum(1) / 8 + (np.log(both).sum(1) - (logs[i] + logs) / 2) / 2
        total += float(np.exp(-distance).sum()) - 1
    return -total


def score(given: Given) -> float:
    """On up to 64 principal components, brought to one size."""
    from scipy.linalg import eigh

    x = given.gram.z
    m = min(COMPONENTS, given.gram.n - 1, given.gram.d)
    _, vectors = eigh(given.gram.centred, subset_by_index=[len(given.gram.centred) - m, len(given.gram.centred) - 1])
    if given.gram.by_rows:
        vectors = x.T @ vectors
        vectors /= np.maximum(np.linalg.norm(vectors, axis=0), np.finfo(np.float32).tiny)
    places = x @ vectors
    return gbc(places / np.sqrt((places**2).mean()), given.y)
