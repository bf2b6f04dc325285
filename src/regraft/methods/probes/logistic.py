"""Logistic regression with an L2 penalty, multinomial or multilabel: the mathematics of the linear probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.sparse import issparse
from scipy.special import expit, log_softmax

from regraft.tasks.base import Link

Array = Any
"""A NumPy array, or a sparse matrix of SciPy where it says so."""


SMALL, NEWTON_STEPS = 128, 50
"""Where there are fewer columns, two classes are told apart by Newton's method, in so many steps at most."""
STEPS = 1000
"""The most that a logistic regression takes; some dozens are usual."""


class Scaling(NamedTuple):
    """``(x - mean) / scale`` with ``mean`` and ``scale`` (d,); columns of a sparse x that hold gaps have mean 0."""

    mean: Array
    scale: Array

    def __call__(self, x: Array) -> Array:
        if issparse(x):
            scaled = x.astype(np.float64)
            scaled.data = (scaled.data - self.mean[scaled.indices]) / self.scale[scaled.indices]
            return scaled
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
    scale = np.sqrt(shrunken_variance(variance, squares.var(0), n))
    size = np.sqrt((((x - mean) / scale) ** 2).sum(1).mean()) or 1.0
    return Scaling(mean, scale * size)


def shrunken_variance(variance: Array, of_squares: Array, n: int) -> Array:
    """(d,) the variances of n rows' columns as `shrunken_scaling` takes them; ``of_squares`` (d,) are the variances of
    the squared distances from the mean.
    """
    target = float(np.median(variance)) or float(variance.mean()) or 1.0
    noise = np.maximum(of_squares, 2 * variance**2).sum() / max(n - 1, 1)
    spread = ((variance - target) ** 2).sum()
    share = min(1.0, noise / spread) if spread > 0 else 1.0
    shrunk = share * target + (1 - share) * variance
    return np.maximum(shrunk, 1e-6 * target)


def standard_scaling(x: Array) -> Scaling:
    """Each column by its own mean and standard deviation, then one factor that brings the mean squared row to 1: for
    columns whose units have nothing to do with each other. A column that does not vary becomes 0.
    """
    x = np.asarray(x, np.float64)
    centred, scale = standardised(x)
    rows = (centred / scale) ** 2
    return Scaling(x.mean(0), scale * (np.sqrt(rows.sum(1).mean()) or 1.0))


def by_own_units(x: Array) -> Scaling:
    """Each column of x (n, d) by its own mean and standard deviation, and nothing more."""
    x = np.asarray(x, np.float64)
    return Scaling(x.mean(0), standardised(x)[1])


def standardised(x: Array) -> tuple[Array, Array]:
    """Centred columns of x (n, d), and their standard deviations (d,), 1 where a column varies by rounding alone."""
    centred = x - x.mean(0)
    largest = np.abs(centred).max(0, initial=0.0)
    varies = largest > 1e-13 * np.abs(x).max(0, initial=0.0)
    unit = np.where(varies, largest, 1.0)  # so that no square overflows or vanishes
    return np.where(varies, centred, 0.0), np.where(varies, unit * (centred / unit).std(0), 1.0)


def counted_scaling(x: Array, weight: Array | None = None) -> Scaling:
    """For a sparse x (n, d) with gaps: nothing is centred, each column is multiplied by its ``weight`` (d,; 1 where it
    is None), and one factor brings the mean squared row to 1.
    """
    weight = np.ones(x.shape[1]) if weight is None else weight
    size = np.sqrt((x.multiply(x) @ weight**2).sum() / x.shape[0]) or 1.0
    return Scaling(np.zeros(x.shape[1]), size / weight)


def log_count_ratio(x: Array, targets: Array) -> Array:
    """How much each column of a sparse x (n, d) speaks for or against the classes of ``targets`` (n, k): (d,) >= 0.01.

    The log of the ratio between a column's share among a class's counts (how many rows hold it, and one) and its share
    among those of the rest; over several classes the root of the mean square. Wang and Manning 2012
    (https://aclanthology.org/P12-2018), section 2.
    """
    held = x.astype(bool).astype(np.float64)
    of, rest = (1 + (held.T @ t) for t in (targets, 1 - targets))
    ratio = np.log(of / of.sum(0)) - np.log(rest / rest.sum(0))
    return np.maximum(np.sqrt((ratio**2).mean(1)), 0.01)


def blockwise(
    names: Sequence[str], factors: Sequence[float], x: Array, widths: Sequence[int], targets: Array
) -> Scaling:
    """Each block of ``widths`` columns scaled for itself, so that no part of a fusion drowns another, and multiplied by
    its factor.

    ``common`` is one factor for all columns of a block; ``column`` one each, by its spread, or in a sparse block with
    gaps by its `log_count_ratio`: by their spread the rarest words would be the loudest; ``standard`` one each by its
    spread alone, where columns have units of their own.
    """
    ways = {"common": common_scaling, "column": shrunken_scaling, "standard": standard_scaling}
    found, start = [], 0
    for name, factor, width in zip(names, factors, widths, strict=True):
        block = x[:, start : start + width]
        start += width
        if issparse(block) and block.nnz < block.shape[0] * width:
            scaling = counted_scaling(block, log_count_ratio(block, targets) if name == "column" else None)
        else:
            dense = block.toarray() if issparse(block) else block
            scaling = ways[name](dense)
        found.append(Scaling(scaling.mean, scaling.scale / factor))
    return Scaling(np.concatenate([f.mean for f in found]), np.concatenate([f.scale for f in found]))


def targets_of(y: Array, classes: int) -> Array:
    """Class indices (n,) as one-hot (n, k); 0 and 1 (n, k) as they are, in float64."""
    if y.ndim == 2:
        return y.astype(np.float64)
    hot = np.zeros((len(y), classes))
    hot[np.arange(len(y)), y] = 1
    return hot


def fit_logistic(
    x: Array,
    targets: Array,
    strength: float,
    *,
    link: Link = "softmax",
    weights: Array | None = None,
    start: Linear | None = None,
    stopped: list[str] | None = None,
) -> Linear:
    """The minimum of ``sum_i weights_i * cross_entropy_i + strength / 2 * |W|^2``; the bias is not penalised.

    x (n, d) float, ``targets`` (n, k) in 0..1, ``strength`` > 0. With ``softmax`` one of k classes is true (multinomial
    regression), with ``sigmoid`` each of them may be (k binary regressions at once). L-BFGS in float64 from ``start``
    (zero by default), Newton's method for two classes and few columns. With far fewer rows than columns the problem is
    solved in the space the rows span, which changes nothing but the time. Where it stops short of the minimum,
    ``stopped`` is told in words.
    """
    x = x.astype(np.float64) if issparse(x) else np.asarray(x, np.float64)
    (n, d), k = x.shape, targets.shape[1]
    if n < d / 2 and not issparse(x):
        basis = span(x)
        inner = None if start is None else Linear(basis.T @ start.weight, start.bias)
        solved = fit_logistic(x @ basis, targets, strength, link=link, weights=weights, start=inner, stopped=stopped)
        return Linear(basis @ solved.weight, solved.bias)
    if link == "softmax" and k == 2:  # the two columns are each other's negative: one is solved for
        before = None if start is None else Linear(np.diff(start.weight), np.diff(start.bias))
        one = fit_logistic(x, targets[:, 1:], strength / 2, link="sigmoid", weights=weights, start=before,
                           stopped=stopped)  # fmt: skip
        return Linear(one.weight * (-0.5, 0.5), one.bias * (-0.5, 0.5))
    w = np.ones((n, 1)) if weights is None else np.asarray(weights, np.float64)[:, None]
    if k == 1 and d < SMALL and not issparse(x) and (soon := _newton(x, targets, strength, w, start)) is not None:
        return soon
    times, back = _products(x)
    value_and_slope = _softmax_loss if link == "softmax" else _sigmoid_loss

    def loss(theta: Array) -> tuple[float, Array]:
        weight, bias = theta[: d * k].reshape(d, k), theta[d * k :]
        value, slope = value_and_slope(times(weight) + bias, targets, w)
        value += strength / 2 * float(np.vdot(weight, weight))
        return value, np.concatenate([(back(slope) + strength * weight).ravel(), slope.sum(0)])

    at = np.zeros(d * k + k) if start is None else np.concatenate([start.weight.ravel(), start.bias])
    options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "gtol": 1e-5 * n / k, "ftol": 1e-10, "maxcor": 20}
    found = minimize(loss, at, jac=True, method="L-BFGS-B", options=options)
    if stopped is not None and not found.success:
        stopped.append(stopped_early(found.nit))
    return Linear(found.x[: d * k].reshape(d, k), found.x[d * k :])


def stopped_early(steps: int) -> str:
    """What a record says of it."""
    return f"the logistic regression stopped after {steps} steps, short of its minimum"


def _newton(x: Array, targets: Array, strength: float, w: Array, start: Linear | None) -> Linear | None:
    """One binary regression of few columns: steps of Newton's method, halved until the loss falls (Boyd and
    Vandenberghe 2004, algorithm 9.5). None where it does not come to the minimum.
    """
    n, d = x.shape
    design = np.hstack([x, np.ones((n, 1))])
    penalty = np.append(np.full(d, strength), 0.0)
    at = np.zeros(d + 1) if start is None else np.append(start.weight[:, 0], start.bias)

    def loss(theta: Array) -> tuple[float, Array]:
        value, slope = _sigmoid_loss((design @ theta)[:, None], targets, w)
        return value + float(penalty @ theta**2) / 2, slope[:, 0]

    value, slope = loss(at)
    for _ in range(NEWTON_STEPS):
        gradient = slope @ design + penalty * at
        if np.abs(gradient).max() <= 1e-8 * n:
            return Linear(at[:-1, None], at[-1:])
        p = slope / w[:, 0] + targets[:, 0]
        curvature = (design.T * (w[:, 0] * p * (1 - p))) @ design
        curvature[np.diag_indices(d + 1)] += np.maximum(penalty, 1e-10 * n)
        step, share = np.linalg.solve(curvature, gradient), 1.0
        fall = 1e-4 * float(gradient @ step)
        after, slope = loss(at - step)
        while not after <= value - share * fall + 1e-12 * abs(value):
            share /= 2
            if share < 1e-6:
                return None
            after, slope = loss(at - share * step)
        at, value = at - share * step, after
    return None


def _products(x: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """``x @ w`` and ``x.T @ s`` as functions; the columns of a sparse x that have no gaps go through BLAS."""
    if not issparse(x):
        return lambda w: x @ w, lambda s: x.T @ s
    full = x.getnnz(axis=0) == x.shape[0]
    dense, sparse = x[:, full].toarray(), x[:, ~full].tocsr()
    turned = sparse.T.tocsr()

    def back(s: Array) -> Array:
        found = np.empty((len(full), s.shape[1]))
        found[full], found[~full] = dense.T @ s, turned @ s
        return found

    return lambda w: dense @ w[full] + sparse @ w[~full], back


def span(x: Array) -> Array:
    """An orthonormal basis (d, n) of the space that the rows of x (n, d), n <= d, span: there the solution lies."""
    return np.linalg.qr(x.T)[0]


def _softmax_loss(logits: Array, targets: Array, w: Array) -> tuple[float, Array]:
    """Weighted sum of cross-entropies, and its slope by the logits (which are overwritten)."""
    logits -= logits.max(1, keepdims=True)
    odds = np.exp(logits)
    total = odds.sum(1, keepdims=True)
    value = float((w * (np.log(total) - (targets * logits).sum(1, keepdims=True))).sum())
    return value, w * (odds / total - targets)


def _sigmoid_loss(logits: Array, targets: Array, w: Array) -> tuple[float, Array]:
    value = float((w * (np.logaddexp(0, logits) - targets * logits)).sum())
    return value, w * (expit(logits) - targets)


def smoothed_targets(targets: Array, link: Link = "softmax") -> Array:
    """Target probabilities (n, k) with one example's worth of doubt in all, so that logits which happen to separate a
    few examples perfectly do not ask for certainty.

    ``(n * target + 1 / k) / (n + 1)`` with softmax, ``(n * target + 1 / 2) / (n + 1)`` with sigmoid: as Platt 1999,
    section 2.2, with a prior of one example spread over the classes in place of Laplace's one for each, which would
    hold a sure answer among k classes to ``(n + 1) / (n + k)``.
    """
    n, k = targets.shape
    return (n * targets + (1 / k if link == "softmax" else 0.5)) / (n + 1)


def cross_entropy(logits: Array, targets: Array, link: Link = "softmax", weights: Array | None = None) -> float:
    """(Weighted) mean over rows of the cross-entropy in nats of logits against target probabilities, both (n, k)."""
    if link == "softmax":
        rows = -(log_softmax(logits, axis=1) * targets).sum(1)
    else:
        rows = (np.logaddexp(0, logits) - targets * logits).sum(1)
    return float(np.average(rows, weights=weights))


def optimal_temperature(
    logits: Array, targets: Array, link: Link = "softmax", weights: Array | None = None, spread: float = np.inf
) -> float:
    """The T > 0, within 0.001..1000, for which ``logits / T`` has the least `cross_entropy` to ``targets``.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 4.2. With a finite ``spread`` it is the most probable T
    whose natural log is normal around 0 with that standard deviation.
    """
    bound, drawn = np.log(1000.0), 1 / (2 * spread**2 * len(targets))
    of = np.full(len(targets), 1 / len(targets)) if weights is None else weights / weights.sum()
    told = float(of @ (targets * logits).sum(1))
    if link == "softmax":
        # targets sum to 1, so that the largest logit may be taken off
        top = logits.max(1, keepdims=True)
        below = logits - top
        told -= float(of @ top[:, 0])

    def loss(log_t: float) -> float:
        cold = np.exp(-log_t)
        total = np.log(np.exp(below * cold).sum(1)) if link == "softmax" else np.logaddexp(0, logits * cold).sum(1)
        return float(of @ total) - cold * told + drawn * log_t**2

    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x))
