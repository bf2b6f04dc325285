"""How far apart two domains are, in figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from regraft.metrics.validators import MOST_ROWS, spread

Array = NDArray[Any]


def proxy_a_distance(source: Array, target: Array, *, seed: int = 0) -> dict[str, float]:
    """``2 (1 - 2 error)`` of a linear classifier that tells the domains apart, between 0 (alike) and 2 (apart).

    Ben-David et al. 2007; Ganin et al. 2016, section 5.1.5. Features (n, D), (m, D); as many of each, at most 2,000; by
    two-fold cross-validation. ``error`` is the classifier's.
    """
    from sklearn.linear_model import LogisticRegression

    n = min(len(source), len(target), MOST_ROWS)
    s, t = spread(source, n, seed), spread(target, n, seed)
    x, y = np.concatenate([s, t]).astype(np.float64), np.repeat([0, 1], n)
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6 * max(float(x.std()), 1e-12))
    fold = np.concatenate([np.random.default_rng([seed, side]).permutation(n) % 2 for side in (0, 1)])
    wrong = 0
    for f in (0, 1):
        learn = fold != f
        told = LogisticRegression(C=0.01, max_iter=100).fit(x[learn], y[learn]).predict(x[~learn])
        wrong += int((told != y[~learn]).sum())
    error = min(0.5, wrong / len(y))
    return {"value": 2 * (1 - 2 * error), "error": error}


def mmd(source: Array, target: Array, *, seed: int = 0) -> float:
    """The unbiased squared maximum mean discrepancy under one Gaussian kernel of the median width (0: alike).

    Gretton et al. 2012 (JMLR 13), equation 3. At most 2,000 rows a domain.
    """
    s, t = (spread(x, MOST_ROWS, seed).astype(np.float64) for x in (source, target))
    (n, m), both = (len(s), len(t)), np.concatenate([s, t])
    distances = scipy.spatial.distance.cdist(both, both, "sqeuclidean")
    kernel = np.exp(-distances / max(float(np.median(distances)), 1e-300))
    within_s = (kernel[:n, :n].sum() - n) / max(n * (n - 1), 1)
    within_t = (kernel[n:, n:].sum() - m) / max(m * (m - 1), 1)
    return float(within_s + within_t - 2 * kernel[:n, n:].mean())


def class_distances(source: Array, labels: Array, target: Array, guesses: Array, classes: int) -> list[float | None]:
    """By class, the distance of its means in the two domains over the spread of the source's class (root mean square).

    ``labels`` (n,) and ``guesses`` (m,) are class indices. Below 1 the target's items of a class lie among the
    source's; None where a domain has none.
    """
    found: list[float | None] = []
    for c in range(classes):
        s, t = source[labels == c].astype(np.float64), target[guesses == c].astype(np.float64)
        if not len(s) or not len(t):
            found.append(None)
            continue
        width = np.sqrt(((s - s.mean(0)) ** 2).sum(1).mean())
        found.append(float(np.linalg.norm(s.mean(0) - t.mean(0)) / max(width, 1e-12)))
    return found
