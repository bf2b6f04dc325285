"""Which terms two groups of texts differ by: log-odds ratios with a prior, after Monroe, Colaresi and Quinn 2008.

"Fightin' Words", Political Analysis 16:372-403, https://doi.org/10.1093/pan/mpn018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]
Floats = NDArray[np.float64]


def log_odds(ours: Counts, theirs: Counts, prior: Counts) -> tuple[Floats, Floats]:
    """(W,) log-odds ratio of each term between two groups, and its z-score; above 0 where ``ours`` use it more.

    ``ours`` and ``theirs`` (W,) count the terms, ``prior`` (W,) are the pseudo-counts of the Dirichlet prior, the same
    for both groups and above 0 (equation 16; the variance is that of equation 20, the z-score of equation 22).
    """
    a, b = np.asarray(ours, np.float64) + prior, np.asarray(theirs, np.float64) + prior
    delta = np.log(a / (a.sum() - a)) - np.log(b / (b.sum() - b))
    return delta, delta / np.sqrt(1 / a + 1 / b)


def informative_prior(counts: Counts, weight: float = 0.1) -> Floats:
    """(W,) pseudo-counts in proportion to ``counts`` of all texts, worth the share ``weight`` of their number."""
    prior: Floats = weight * np.asarray(counts, np.float64)
    return prior
