"""Multinomial logistic regression with an L2 penalty: the mathematics of the linear probe, on arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

Array = NDArray[Any]


class Scaling(NamedTuple):
    """``(x - mean) / scale`` with ``mean`` and ``scale`` (d,)."""

    mean: Array
    scale: Array

    def __call__(self, x: Array) -> Array:
        return (np.asarray(x, np.float64) - self.mean) / self.scale


class Linear(NamedTuple):
    """Logits ``x @ weight + bias``: weight (d, k), bias (k,)."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        return x @ self.weight + self.bias


def common_scaling(x: Array) -> Scaling:
    """Centres the columns of x (n, d) and brings the mean squared row to 1 by one factor for all columns."""
    x = np.asarray(x, np.float64)
    mean = x.mean(0)
    size = np.sqrt(((x - mean) ** 2).sum(1).mean()) or 1.0
    return Scaling(mean, np.full(x.shape[1], size))


def shrunken_scaling(x: Array) -> Scaling:
    """As `common_scaling`, after dividing each column by its shrunken standard deviation.

    With few rows a column's own variance is mostly noise, so each is drawn towards the median of all columns, by
    the share that minimises the expected squared error: James-Stein shrinkage of variances, Opgen-Rhein and
    Strimmer 2007 (https://doi.org/10.2202/1544-6115.1252), section 3, with the variance of a variance taken as no
    less than that of a normal distribution. With two rows all columns get one scale, with many each its own. A
    column that does not vary stays harmless.
    """
    x = np.asarray(x, np.float64)
    n = len(x)
    mean = x.mean(0)
    squares = (x - mean) ** 2
    variance = squares.mean(0)
    target = float(np.median(variance)) or float(variance.mean()) or 1.0
    noise = np.maximum(squares.var(0), 2 * variance**2).sum() / max(n - 1, 1)
    spread = ((variance - target) ** 2).sum()
    share = min(1.0, noise / spread) if spread > 0 else 1.0
    shrunk = share * target + (1 - share) * variance
    scale = np.sqrt(np.maximum(shrunk, 1e-6 * target))
    size = np.sqrt((((x - mean) / scale) ** 2).sum(1).mean()) or 1.0
    return Scaling(mean, scale * size)


def fit_logistic(
    x: Array,
    y: Array,
    classes: int,
    strength: float,
    *,
    weights: Array | None = None,
    start: Linear | None = None,
) -> Linear:
    """The minimum of ``sum_i weights_i * cross_entropy_i + strength / 2 * |W|^2``; the bias is not penalised.

    x (n, d) float, y (n,) in 0..classes-1, ``strength`` > 0. L-BFGS in float64 from ``start`` (zero by default). With
    fewer rows than columns the problem is solved in the space the rows span, which changes nothing but the time.
    """
    x = np.asarray(x, np.float64)
    n, d = x.shape
    if n < d:
        basis, _ = np.linalg.qr(x.T)
        inner = None if start is None else Linear(basis.T @ start.weight, start.bias)
        solved = fit_logistic(x @ basis, y, classes, strength, weights=weights, start=inner)
        return Linear(basis @ solved.weight, solved.bias)
    w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    at_truth = (np.arange(n), y)

    def loss(theta: Array) -> tuple[float, Array]:
        weight, bias = theta[: d * classes].reshape(d, classes), theta[d * classes :]
        logits = x @ weight + bias
        logits -= logits.max(1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(1, keepdims=True)
        value = w @ (np.log(total[:, 0]) - logits[at_truth]) + strength / 2 * float(np.vdot(weight, weight))
        slope = odds / total
        slope[at_truth] -= 1
        slope *= w[:, None]
        return value, np.concatenate([(x.T @ slope + strength * weight).ravel(), slope.sum(0)])

    at = np.zeros(d * classes + classes) if start is None else np.concatenate([start.weight.ravel(), start.bias])
    found = minimize(loss, at, jac=True, method="L-BFGS-B", options={"maxiter": 300, "gtol": 1e-5 * n / classes,
                                                                     "ftol": 1e-10, "maxcor": 20})  # fmt: skip
    return Linear(found.x[: d * classes].reshape(d, classes), found.x[d * classes :])


def smoothed_targets(y: Array, classes: int) -> Array:
    """(n, k) target probabilities ``(n * onehot + 1) / (n + k)``: Laplace's rule, as in Platt 1999, section 2.2.

    Held against these, logits that happen to separate a few examples perfectly do not ask for certainty.
    """
    n = len(y)
    targets = np.full((n, classes), 1 / (n + classes))
    targets[np.arange(n), y] += n / (n + classes)
    return targets


def cross_entropy(logits: Array, targets: Array) -> float:
    """Mean cross-entropy in nats of ``softmax(logits)`` against target probabilities, both (n, k)."""
    return -float((log_softmax(logits, axis=1) * targets).sum(1).mean())


def optimal_temperature(logits: Array, targets: Array) -> float:
    """The T > 0, within 0.001..1000, for which ``softmax(logits / T)`` has the least cross-entropy to ``targets``.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 4.2.
    """
    bound = np.log(1000.0)
    found = minimize_scalar(
        lambda log_t: cross_entropy(logits * np.exp(-log_t), targets),
        bounds=(-bound, bound), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    return float(np.exp(found.x))
