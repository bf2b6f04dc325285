"""Densities and divergences as pure functions on arrays; natural logarithms, so nats, unless bits are said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
_LEAST = float(np.finfo(np.float64).tiny)


def _log(p: Any) -> Floats:
    """Natural log, floored at that of the smallest normal float64 (-708.4): no infinity where a probability is 0."""
    logs: Floats = np.log(np.maximum(np.asarray(p, np.float64), _LEAST))
    return logs


def cross_entropy(targets: Any, probabilities: Any) -> Floats:
    """``-sum_k t_k ln p_k`` of each row in nats: targets and probabilities (n, k) -> (n,), 0 or more.

    Shannon 1948; the multinomial log loss where the targets are one-hot. A class whose target is 0 does not count.
    """
    rows: Floats = -(np.asarray(targets, np.float64) * _log(probabilities)).sum(-1)
    return rows


def binary_cross_entropy(targets: Any, probabilities: Any) -> Floats:
    """``-(t ln p + (1 - t) ln(1 - p))`` of each element in nats; both of one shape, in 0..1."""
    t, p = np.asarray(targets, np.float64), np.asarray(probabilities, np.float64)
    each: Floats = -(t * _log(p) + (1 - t) * _log(1 - p))
    return each


def focal(targets: Any, probabilities: Any, *, gamma: float = 2.0, alpha: float | None = 0.25) -> Floats:
    """`binary_cross_entropy` of each element (targets 0 or 1) times ``(1 - p_t) ** gamma``, p_t that of the truth.

    What is answered well already counts less. ``alpha`` weighs the ones, ``1 - alpha`` the zeros (None: alike).
    Lin et al. 2017 (https://arxiv.org/abs/1708.02002), equation 5.
    """
    t, p = np.asarray(targets, np.float64), np.asarray(probabilities, np.float64)
    truth = t * p + (1 - t) * (1 - p)
    weight = 1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    each: Floats = weight * (1 - truth) ** gamma * binary_cross_entropy(t, p)
    return each


def smoothed(targets: Any, epsilon: float = 0.1) -> Floats:
    """Targets (n, k), ``epsilon`` of each spread over all k classes: rows keep their sum of 1.

    Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567), section 7.
    """
    t = np.asarray(targets, np.float64)
    return t * (1 - epsilon) + epsilon / t.shape[-1]


def kl_divergence(p: Any, q: Any) -> Floats:
    """``sum_k p_k ln(p_k / q_k)`` of each row in nats, (n, k) -> (n,): 0 where they agree, not symmetric.

    Kullback and Leibler 1951.
    """
    p = np.asarray(p, np.float64)
    rows: Floats = (p * (_log(p) - _log(q))).sum(-1)
    return rows


def brier_score(targets: Any, probabilities: Any) -> float:
    """Mean over rows of ``sum_k (p_k - t_k) ** 2``, (n, k) one-hot targets: 0 perfect, 2 surely wrong (Brier 1950)."""
    return float(((np.asarray(probabilities, np.float64) - np.asarray(targets, np.float64)) ** 2).sum(-1).mean())


def gaussian_log_density(y: Any, mean: Any, sigma: Any) -> Floats:
    """Natural log of the normal density at ``y``; ``sigma`` > 0 is a standard deviation in the unit of y."""
    z = (np.asarray(y, np.float64) - mean) / sigma
    logs: Floats = -0.5 * z**2 - np.log(sigma) - 0.5 * math.log(2 * math.pi)
    return logs


def gaussian_density(y: Any, mean: Any, sigma: Any) -> Floats:
    """The normal density at ``y``, in 1 over the unit of y; above 1 where ``sigma`` is small."""
    density: Floats = np.exp(gaussian_log_density(y, mean, sigma))
    return density


def pinball(y: Any, predicted: Any, quantile: float) -> Floats:
    """The loss whose mean a quantile makes least, in the unit of y: ``q r`` above the prediction, ``(q - 1) r`` below.

    Koenker and Bassett 1978 (https://doi.org/10.2307/1913643).
    """
    r = np.asarray(y, np.float64) - predicted
    each: Floats = np.maximum(quantile * r, (quantile - 1) * r)
    return each
