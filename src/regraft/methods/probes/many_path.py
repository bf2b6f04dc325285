"""Logistic regression on many rows: for all folds at once, along a path of strengths, or on all rows.

The curvature of the loss is near ``curvature of the outputs * second moments of the features + penalty``; its Cholesky
factor, from a sample of the rows, is the metric of `descent.descend` for all folds: Kronecker-factored curvature
(Martens and Grosse 2015, https://arxiv.org/abs/1503.05671) of a single layer. Each strength starts from where the two
before it point to.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import cholesky
from scipy.linalg.lapack import strtri

from regraft.methods.probes import logistic
from regraft.methods.probes.descent import Descent, Valued, descend
from regraft.methods.probes.logistic import Linear, Scaling
from regraft.methods.probes.many_rows import ManyRows, losses

Array = Any

ENOUGH, ENOUGH_ON_PATH = 1e-9, 1e-6
"""By how much of its loss a fit on all rows, and one of a fold, may still fall (see `descend`)."""

SAMPLED, ALIKE = 8, 4.0
"""Rows a column that tell the curvature; classes share a factor whose own differ by less than about this factor."""


def along_path(many: ManyRows, how: Mapping[str, Any], widths: Sequence[int]) -> Callable[[float], Array]:
    """A function that gives for a strength, one after the other from strong to weak, the out-of-fold logits (n, k)."""
    ratios = [(many.scale(how, widths, f) / many.unit) ** 2 for f in range(many.folds)]
    outputs = _outputs(many)
    before: list[list[Array]] = []

    def logits(strength: float) -> Array:
        if len(before) > 1:
            starts = [2 * last - first for first, last in zip(*before[-2:], strict=True)]
        else:
            starts = before[-1] if before else [_zero(many)] * many.folds
        before.append([d.at for d in _solve(many, [strength * r for r in ratios], starts, ENOUGH_ON_PATH)])
        del before[:-2]
        return many.left_out(before[-1]) * outputs

    return logits


def on_all(
    many: ManyRows, how: Mapping[str, Any], widths: Sequence[int], strength: float, stopped: list[str]
) -> tuple[Scaling, Linear]:
    """How the columns are scaled, and the regression on the scaled ones (see `logistic.fit_logistic`)."""
    scale = many.scale(how, widths)
    done = _solve(many, [strength * (scale / many.unit) ** 2], [_zero(many)], ENOUGH)[0]
    if not done.arrived:
        stopped.append(logistic.stopped_early(done.steps))
    weight, outputs = done.at[:, :-1] * (scale / many.unit), _outputs(many)
    return Scaling(many.mean, scale), Linear(weight.T * outputs, done.at[:, -1] * outputs)


def _outputs(many: ManyRows) -> Array:
    """By what the solved logits are multiplied: of two classes one is solved for, by half the penalty."""
    return np.array([-0.5, 0.5]) if many.pair else np.ones(1)


def _zero(many: ManyRows) -> Array:
    return np.zeros((len(many.targets), many.x.shape[1] + 1))


def _solve(many: ManyRows, penalties: Sequence[Array], starts: Sequence[Array], enough: float) -> list[Descent]:
    """The minimum of each regression's loss + sum of ``penalties[i] / 2 * weight^2``, in step."""
    share = 1 - 1 / many.folds if many.sizes.any() else 1.0  # of the rows that a regression sees
    penalties = [p / 2 if many.pair else p for p in penalties]
    metric = _metric(many, np.mean(starts, 0), np.mean(penalties, 0), share)
    under = [np.append(p, 0.0) for p in penalties]
    running: dict[int, Generator[Array, Valued, Descent]] = {
        i: descend(start, metric, enough, logistic.STEPS) for i, start in enumerate(starts)
    }
    done: dict[int, Descent] = {}
    asked = {i: next(one) for i, one in running.items()}
    while asked:
        again = {}
        for i, (value, slope) in many.evaluate(asked).items():
            at = asked[i]
            try:
                again[i] = running[i].send((value + float((under[i] * at**2).sum()) / 2, slope + under[i] * at))
            except StopIteration as end:
                done[i] = end.value
        asked = again
    return [done[i] for i in range(len(starts))]


def _metric(many: ManyRows, at: Array, penalty: Array, share: float) -> Callable[[Array], Array]:
    """Multiplies a gradient (k, d + 1) by about the inverse curvature of a regression that sees this share of rows.

    The second moments are weighted by the curvature of each row's outputs at the weights ``at``.
    """
    k, d = len(many.targets), many.x.shape[1]
    every = max(1, len(many.x) // (SAMPLED * d))
    x, targets = many.x[::every], many.targets[:, ::every]
    w = np.ones(len(x), np.float32) if many.weights is None else many.weights[::every]
    theta = at.astype(np.float32)
    p = losses(many.link, (theta[:, :d] @ x.T + theta[:, d:])[None], targets, None)[1][0] + targets
    curved = p * (1 - p) * w
    rows, classes = curved.mean(0), np.maximum(curved.mean(1), 1e-6)  # no class is so flat that steps lose all bounds
    if many.link == "softmax" and k > 1:
        classes *= k / (k - 1)  # the curvature of even odds in all directions but that of adding the same to all
    seen = share * len(many.x)
    weighted = x * np.sqrt(rows / max(float(rows.mean()), 1e-12))[:, None]
    moments = weighted.T @ weighted * np.float32(seen / len(x))
    steps = np.round(np.log(classes / classes.max()) / np.log(ALIKE))
    roots = {float(s): _root(moments * np.float32(classes[steps == s].mean()), penalty) for s in np.unique(steps)}

    def metric(slope: Array) -> Array:
        found = np.empty_like(slope)
        for s, root in roots.items():
            some = steps == s
            found[some, :d] = (slope[some, :d].astype(np.float32) @ root.T) @ root
        found[:, d] = slope[:, d] / (classes * seen)
        return found

    return metric


def _root(curvature: Array, penalty: Array) -> Array:
    """R (d, d) with ``R' R`` the inverse of curvature + diag(penalty), positive whatever the rounding."""
    curvature[np.diag_indices(len(curvature))] += penalty.astype(np.float32) + 1e-6 * curvature.diagonal().max()
    return strtri(cholesky(curvature, lower=True, overwrite_a=True, check_finite=False), lower=1)[0]
