"""Logistic regression on many rows: for all folds at once, along a path of strengths, or on all rows.

The curvature of the loss is near ``curvature of the outputs * second moments of the features + penalty``; its Cholesky
factor is the metric of `descent.descend` for all folds: Kronecker-factored curvature
(Martens and Grosse 2015, https://arxiv.org/abs/1503.05671) of a single layer. Each strength starts from where the two
before it point to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cholesky
from scipy.linalg.lapack import strtri

from regraft.methods.probes import logistic
from regraft.methods.probes.descent import Descent, Valued, descend
from regraft.methods.probes.logistic import Linear, Scaling
from regraft.methods.probes.many_rows import ManyRows, losses

Array = Any

ENOUGH, ENOUGH_ON_PATH = 1e-9, 1e-6
"""By how much of its loss a fit on all rows, and one of a fold, may still fall (see `descend`)."""

ALIKE = 4.0
"""Classes share a factor of the curvature where their own curvatures differ by less than about this."""

LIFTED = (1e-6, 1e-4, 1e-2, 1.0)
"""What is added to the diagonal of a curvature, as a share of its largest, until it is positive in float32."""


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
    running = {i: descend(start, enough, logistic.STEPS) for i, start in enumerate(starts)}
    done: dict[int, Descent] = {}
    asked = {i: next(one) for i, one in running.items()}
    while asked:
        found = {i: (value + float((under[i] * asked[i] ** 2).sum()) / 2, slope + under[i] * asked[i])
                 for i, (value, slope) in many.evaluate(asked).items()}  # fmt: skip
        turned = metric(np.stack([slope for _, slope in found.values()]))
        again = {}
        for (i, (value, slope)), in_metric in zip(found.items(), turned, strict=True):
            try:
                again[i] = running[i].send(Valued(value, slope, in_metric))
            except StopIteration as end:
                done[i] = end.value
        asked = again
    return [done[i] for i in range(len(starts))]


def _metric(many: ManyRows, at: Array, penalty: Array, share: float) -> Callable[[Array], Array]:
    """Multiplies gradients (r, k, d + 1) by about the inverse curvature of a regression that sees this share of rows.

    The outputs' curvature is that of each class at the weights ``at``.
    """
    k, d = len(many.targets), many.x.shape[1]
    theta, some = at.astype(np.float32), many.sample()
    logits = theta[:, :d] @ many.x[some].T + theta[:, d:]
    p = losses(many.link, logits[None], many.targets[:, some], None)[1][0] + many.targets[:, some]
    classes = np.average(p * (1 - p), axis=1, weights=None if many.weights is None else many.weights[some])
    classes = np.maximum(classes, 1e-6)  # none is so flat that steps lose all bounds
    if many.link == "softmax" and k > 1:
        classes *= k / (k - 1)  # the curvature of even odds in all directions but that of adding the same to all
    seen = share * len(many.x)
    steps = np.round(np.log(classes / classes.max()) / np.log(ALIKE))
    roots = {
        float(s): _root(many.second * np.float32(seen * classes[steps == s].mean()), penalty) for s in np.unique(steps)
    }

    def metric(slopes: Array) -> Array:
        found = np.empty_like(slopes)
        for s, root in roots.items():
            some = steps == s
            rows = slopes[:, some, :d].reshape(-1, d).astype(np.float32)
            found[:, some, :d] = ((rows @ root.T) @ root).reshape(len(slopes), -1, d)
        found[:, :, d] = slopes[:, :, d] / (classes * seen)
        return found

    return metric


def _root(curvature: Array, penalty: Array) -> Array:
    """R (d, d) with ``R' R`` the inverse of curvature + diag(penalty), positive whatever the rounding."""
    curvature[np.diag_indices(len(curvature))] += penalty.astype(np.float32)
    size = curvature.diagonal().max()
    for more in LIFTED:
        lifted = curvature.copy()
        lifted[np.diag_indices(len(curvature))] += np.float32(more * size)
        try:
            return strtri(cholesky(lifted, lower=True, overwrite_a=True, check_finite=False), lower=1)[0]
        except LinAlgError:  # columns that say the same, to the last bits of float32
            continue
    return np.diag(1 / np.sqrt(2 * curvature.diagonal()))
