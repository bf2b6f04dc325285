"""Regularised H-score: how much of the features' variance lies between the classes.

Bao et al. 2019 (https://doi.org/10.1109/ICIP.2019.8803726), with the covariance shrunk as in Ibrahim, Ponomareva and
Mazumder 2022 (https://arxiv.org/abs/2110.06893) by Ledoit and Wolf 2004 (https://doi.org/10.1016/S0047-259X(03)00096-4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from regraft.selection.scores.base import CLASSES, Given, Gram
from regraft.tasks.classification import one_hot

SUMMARY = "variance between classes by a shrunk covariance (H-score, Bao et al. 2019, Ibrahim et al. 2022)"
TASKS = CLASSES


def h_score(x: NDArray[Any], labels: NDArray[Any], *, gram: Gram | None = None) -> float:
    """Features (n, d) and class numbers (n,) -> (1 - shrinkage) tr(shrunk covariance^-1 covariance between classes)."""
    gram, members = gram or Gram(x), one_hot(labels)
    n, d, shrinkage = gram.n, gram.d, ledoit_wolf(gram)
    counts = members.sum(0)
    level = float(np.trace(gram.centred)) / (n * d)
    shrunk = (1 - shrinkage) * gram.centred / n
    shrunk.flat[:: len(shrunk) + 1] += (shrinkage + 1e-13 * d) * level
    solver = cho_factor(shrunk, lower=True, check_finite=False)
    if gram.by_rows:
        share = members / counts
        between = gram.centred @ share
        inner = (share * cho_solve(solver, between, check_finite=False)).sum(0)
    else:
        between = (gram.z.T @ (members / counts).astype(gram.x.dtype)).astype(np.float64)
        inner = (between * cho_solve(solver, between, check_finite=False)).sum(0)
    return float((1 - shrinkage) * (counts * inner).sum() / (n - 1))


def ledoit_wolf(gram: Gram) -> float:
    """The share, 0..1, by which the covariance of the features is drawn towards a multiple of the identity."""
    n, d = gram.n, gram.d
    if gram.by_rows:
        sizes = np.diag(gram.centred)
    else:
        sizes = np.einsum("ij,ij->i", gram.z, gram.z, dtype=np.float64)
    whole = float((gram.centred**2).sum()) / n**2
    level = float(np.trace(gram.centred)) / (n * d)
    noise = (float((sizes**2).sum()) / n - whole) / (n * d)
    spread = (whole - d * level**2) / d
    return min(noise, spread) / spread if spread > 0 else 1.0


def score(given: Given) -> float:
    return h_score(given.x, given.y, gram=given.gram)
