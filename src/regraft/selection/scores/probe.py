"""The probe itself, cross-validated: accuracy, mean average precision or explained variance on items left out.

Dearer than the other scores and nearest to what is wanted. For classes the linear probe of `regraft.methods`; for
numbers a ridge regression, each item left out of its own fit, its penalty chosen by the evidence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.probes.linear_probe import fit_features
from regraft.selection.scores.base import ALL, Array, Given, Gram, NotApplicable
from regraft.selection.scores.logme import maximised

SUMMARY = "the linear probe, cross-validated (for numbers a ridge, R2 with each item left out)"
TASKS = ALL


def out_of_fold(given: Given) -> tuple[NDArray[np.int64], Array]:
    """The items that some fold left out (m,), and the calibrated logits (m, k) of probes that had not seen them."""
    fitted = fit_features(given.x, given.y, given.target, seed=given.seed, groups=given.groups,
                          blocks=given.blocks)  # fmt: skip
    if fitted.rows is None or fitted.logits is None:
        raise NotApplicable("there are too few examples a class to leave some out")
    return fitted.rows, fitted.logits


def figure(given: Given, rows: NDArray[np.int64], logits: Array) -> float:
    """The headline figure of out-of-fold logits."""
    return given.kind.headline_figure(given.y[rows], logits)


def ridge_r2(x: NDArray[Any], targets: NDArray[Any], *, gram: Gram | None = None) -> float:
    """Features (n, d), targets (n,) or (n, t) -> mean R2 of a ridge with intercept, each item left out of its fit."""
    gram, y = gram or Gram(x), np.asarray(targets, np.float64).reshape(len(x), -1)
    y = y - y.mean(0)
    if not y.any(0).all():
        raise NotApplicable("a target is the same for every item")
    seen = gram.seen(y)
    found = maximised(gram.centred_tridiagonal, gram.n - 1, gram.by_rows, seen, (y**2).sum(0))
    scores = []
    for i, penalty in enumerate(found.alpha / found.beta):
        left_out = _left_out_by_rows(gram, y[:, i], penalty) if gram.by_rows else _left_out(gram, y[:, i], penalty)
        scores.append(1 - float((left_out**2).sum() / (y[:, i] ** 2).sum()))
    return float(np.mean(scores))


def _left_out(gram: Gram, y: Array, penalty: float) -> Array:
    """The residuals (n,) of ridge fits without the item itself, for y of mean 0."""
    z = gram.z.astype(np.float64)
    solved = np.linalg.solve(gram.centred + penalty * np.eye(gram.d), z.T)
    leverage = (z.T * solved).sum(0) + 1 / gram.n
    residuals: Array = (y - z @ (solved @ y)) / np.maximum(1 - leverage, 1e-9)
    return residuals


def _left_out_by_rows(gram: Gram, y: Array, penalty: float) -> Array:
    """The same from the inner products of the rows; the intercept's direction, where y has nothing, is set apart."""
    apart = float(np.trace(gram.centred)) / gram.n
    inverse = np.linalg.inv(gram.centred + penalty * np.eye(gram.n) + apart / gram.n)
    residuals: Array = (inverse @ y) / (np.diag(inverse) - 1 / (gram.n * (penalty + apart)))
    return residuals


def score(given: Given) -> float:
    if given.kind.numbers:
        return ridge_r2(given.x, given.y, gram=given.gram)
    return figure(given, *out_of_fold(given))
