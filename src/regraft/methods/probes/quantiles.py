"""Quantile regression with an L2 penalty: the value below which a given share of the numbers lies.

Koenker and Bassett 1978 (https://doi.org/10.2307/1913643), solved by majorising (Hunter and Lange 2000,
https://doi.org/10.1080/10618600.2000.10474866): each step is a weighted least-squares problem. Steps are lengthened
(Varadhan and Roland 2008, https://doi.org/10.1111/j.1467-9469.2007.00585.x) where the loss is no larger for it.
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

    ``e`` is the mean absolute noise, for normal noise ``sqrt(2 / pi) sigma``, with ``sigma^2 = (|y - start|^2 + alpha
    |w|^2) / n`` as the evidence of ``start`` has it, the fit of the mean (MacKay 1992,
    https://doi.org/10.1162/neco.1992.4.3.415): so the penalty is as strong beside this loss as ``alpha`` is beside
    squares, also where there are more columns than rows and the residuals of ``start`` are all but zero. x (n, d),
    y (n,), quantiles within 0..1. What has not settled after 2,000 steps is named in ``stopped``.
    """
    if len(x) < x.shape[1] / 2:
        basis = span(x)
        inner = fit_quantiles(x @ basis, y, quantiles, alpha, Linear(basis.T @ start.weight, start.bias), stopped)
        return Linear(basis @ inner.weight, inner.bias)
    n, d = x.shape
    design = np.hstack([x, np.ones((n, 1))])
    residual = y - start(x)[:, 0]
    noise = (residual**2).mean() + alpha * (start.weight**2).sum() / n
    unit = float(np.sqrt(2 / np.pi * noise)) or 1.0
    penalty = np.array([*np.full(d, max(alpha / (2 * unit), 1e-9 * n / unit)), 1e-12 * n / unit])
    found = []
    for q in quantiles:
        theta = np.append(start.weight[:, 0], start.bias[0] + np.quantile(residual, q))
        theta, settled = _least(design, y, q, penalty, theta, unit)
        if not settled and stopped is not None:
            stopped.append(f"the quantile {q:g} was still moving after {STEPS} steps")
        found.append(theta)
    stacked = np.stack(found, 1)
    return Linear(stacked[:-1], stacked[-1])


def _least(
    design: NDArray[Any], y: NDArray[Any], q: float, penalty: NDArray[Any], theta: NDArray[Any], unit: float
) -> tuple[NDArray[Any], bool]:
    """From ``theta`` (d,) on to where the loss is least, and whether it has come to rest there: what it says moves by
    less than 1e-5 of the residuals, or of ``unit``, those of the mean.
    """
    near = 1e-4 * unit

    def step(theta: NDArray[Any]) -> NDArray[Any]:
        weight = 1 / (2 * (np.abs(y - design @ theta) + near))
        slope = design.T @ (weight * y + q - 0.5)
        return np.asarray(np.linalg.solve((design.T * weight) @ design + np.diag(penalty), slope))

    def loss(theta: NDArray[Any]) -> float:
        residual = y - design @ theta
        size = np.abs(residual)
        majorised = (size - near * np.log(near + size)) / 2
        return float((majorised + (q - 0.5) * residual).sum() + (penalty * theta**2).sum() / 2)

    for _ in range(STEPS):
        once = step(theta)
        moved = once - theta
        if np.abs(design @ moved).max() < ENOUGH * max(unit, float(np.abs(y - design @ once).mean())):
            return once, True
        twice = step(once)
        turn = twice - once - moved
        length = max(1.0, float(np.linalg.norm(moved)) / max(float(np.linalg.norm(turn)), 1e-300))
        far = step(theta + 2 * length * moved + length**2 * turn)
        theta = far if loss(far) <= loss(twice) else twice
    return theta, False
