"""PARC: whether items that are alike by their features are alike by their labels.

Bolya, Mittapalli and Hoffman 2021 (https://arxiv.org/abs/2111.06977): rank correlation of distances, in percent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from regraft.selection.scores.base import CLASSES, Given

SUMMARY = "rank correlation of distances by features and by labels (PARC, Bolya et al. 2021)"
TASKS = CLASSES
MOST = 1500


def parc(x: NDArray[Any], labels: NDArray[Any]) -> float:
    """Features (n, d) and class numbers (n,) -> Spearman's correlation x 100 of 1 - Pearson's r, over pairs of rows.

    Columns are standardised first; rows of a single value, which have no correlation, are left out.
    """
    z = np.asarray(x, np.float64)
    z = (z - z.mean(0)) / np.where(z.std(0) > 0, z.std(0), 1)
    labels, z = labels[z.std(1) > 0], z[z.std(1) > 0]
    alike = np.corrcoef(z)
    pairs = np.tril_indices(len(alike), -1)
    ranks = rankdata(1 - alike[pairs])
    other = (labels[pairs[0]] != labels[pairs[1]]).astype(float)
    return 100 * float(np.corrcoef(ranks, other)[0, 1])  # of two values the ranks are a linear function


def score(given: Given) -> float:
    """On at most 1,500 items, drawn once: pairs grow with their square."""
    chosen = np.arange(len(given.x))
    if len(chosen) > MOST:
        chosen = np.sort(np.random.default_rng(given.seed).permutation(len(chosen))[:MOST])
    return parc(given.x[chosen], given.y[chosen])
