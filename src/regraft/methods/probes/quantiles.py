"""Quantile regression with an L2 penalty: the value below which a given share of the numbers lies.

Koenker and Bassett 1978 (https://doi.org/10.2307/1913643), solved by majorising (Hunter and Lange 2000,
https://doi.org/10.1080/10618600.2000.10474866): each step is a weighted least-squares problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.probes.logistic import Linear, span

STEPS, ENOUGH = 2000, 1e-5


def fit_quantiles(
    x: NDArray[Any],
    y: NDArray[Any],
    quantiles: Sequence[float],
    alpha: float,
    start: Linear,
    stopped: list[str] | None = None,
) -> Linear:
    """(d, q) weights and (q,) biases, each column the minimum of ``sum pinball(y - x w - b) + alpha / (4 e) |w|^2``.

    ``e`` is the mean absolute residual of ``start``, a fit of the mean: so the penalty is as strong beside this loss as
    ``alpha`` is beside squares. x (n, d), y (n,), quantiles within 0..1. What has not settled after 2,000 steps is
    named in ``stopped``.
    """
    if len(x) < x.shape[1] / 2:
        basis = span(x)
        inner = fit_quantiles(x @ basis, y, quantiles, alpha, Linear(basis.T @ start.weight, start.bias), stopped)
        return Linear(basis @ inner.weight, inner.bias)
    n, d = x.shape
    design = np.hstack([x, np.ones((n, 1))])
    residual = y - start(x)[:, 0]
    unit = float(np.abs(residual).mean()) or 1.0
    penalty = np.diag([*np.full(d, max(alpha / (2 * unit), 1e-9 * n / unit)), 1e-12 * n / unit])
    found = []
    for q in quantiles:
        theta = np.append(start.weight[:, 0], start.bias[0] + np.quantile(residual, q))
        for _ in range(STEPS):
            weight = 1 / (2 * (np.abs(y - design @ theta) + 1e-4 * unit))
            slope = design.T @ (weight * y + q - 0.5)
            after = np.linalg.solve((design.T * weight) @ design + penalty, slope)
            moved = float(np.abs(design @ (after - theta)).max())
            theta = after
            if moved < ENOUGH * unit:
                break
        else:
            if stopped is not None:
                stopped.append(f"the quantile {q:g} was still moving after {STEPS} steps")
        found.append(theta)
    stacked = np.stack(found, 1)
    return Linear(stacked[:-1], stacked[-1])
