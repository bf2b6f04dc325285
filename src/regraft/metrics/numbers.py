"""Figures of merit of predicted numbers, as pure functions on arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.metrics import intervals
from regraft.metrics.densities import gaussian_log_density, pinball

Floats = NDArray[np.floating[Any]]


def coverage(y: Floats, low: Floats, high: Floats, groups: NDArray[Any] | None = None) -> dict[str, Any]:
    """The share of ``y`` (n,) within its interval, with its own 95 % interval (of ``groups`` (n,) where there are
    some), and the mean ``width``.
    """
    inside = (y >= low) & (y <= high)
    return {"coverage": float(inside.mean()), "coverage_ci95": intervals.share(inside, groups),
            "width": float(np.mean(high - low))}  # fmt: skip


def conformal_radius(residuals: Floats, level: float, groups: NDArray[Any] | None = None) -> float:
    """Half the width of an interval around each prediction that holds a new value with probability ``level`` or more.

    The ``ceil((n + 1) level)``-th smallest absolute residual of n items that were not learned from; infinite where n
    is too small for the level. Lei et al. 2018 (https://arxiv.org/abs/1604.04173), algorithm 2 (split conformal).
    Where items come in ``groups`` (n,), see `conformal_shares`.
    """
    sizes = np.abs(residuals)
    place = weighted_rank(sizes, conformal_shares(len(sizes), groups), level)
    return math.inf if place is None else float(sizes[place])


def conformal_shares(n: int, groups: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """(n,) what each item counts beside a new one: ``1 / (n + 1)``, or where items come in G ``groups`` (n,) an equal
    part of its group's ``1 / (G + 1)``: a new item is of a new group.

    Lee, Barber and Willett 2023 (https://arxiv.org/abs/2306.06342), section 3.
    """
    if groups is None:
        return np.full(n, 1 / (n + 1))
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shares: NDArray[np.float64] = 1 / ((len(sizes) + 1) * sizes[member.reshape(-1)])
    return shares


def weighted_rank(values: Floats, shares: Floats, level: float) -> int | None:
    """The place in ``values`` (n,) of the least at which those up to it have ``level`` of the ``shares`` (n,); None
    where all have less.
    """
    order = np.argsort(values, kind="stable")
    enough = np.flatnonzero(np.cumsum(shares[order]) >= level - 1e-9)
    return int(order[enough[0]]) if len(enough) else None


def regression(
    y: Floats, predicted: Floats, sigma: Floats | float, groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """The figures of n predicted numbers, ``rmse`` and ``mae`` in the unit of ``y`` (n,).

    ``r2``: 1 perfect, 0 as good as the mean of these y (which must vary). ``nll``: mean negative natural log of the
    normal density with ``sigma`` (n,) or one for all, in nats. ``coverage90``: the share within 1.645 sigma, 0.9 where
    sigma is right and residuals are normal. ``rmse_ci95``: see `intervals.root_mean_square`, of n items or of
    ``groups``.
    """
    squares = (y - predicted) ** 2
    spread = float(((y - y.mean()) ** 2).mean())
    reach = 1.6448536269514722 * np.asarray(sigma)
    return {
        "rmse": float(np.sqrt(squares.mean())),
        "rmse_ci95": intervals.root_mean_square(squares, groups),
        "mae": float(np.abs(y - predicted).mean()),
        "r2": 1 - float(squares.mean()) / spread if spread else 0.0,
        "nll": float(-gaussian_log_density(y, predicted, sigma).mean()),
        "coverage90": coverage(y, predicted - reach, predicted + reach)["coverage"],
    }


def quantile_figures(y: Floats, predicted: Floats, quantiles: list[float]) -> dict[str, Any]:
    """Of predicted quantiles (n, q): the mean ``pinball`` loss of each and the share ``below`` it, by its name."""
    return {
        f"{q:g}": {"pinball": float(pinball(y, column, q).mean()), "below": float((y <= column).mean())}
        for q, column in zip(quantiles, predicted.T, strict=True)
    }


def paired_rmse_gain(y: Floats, ours: Floats, theirs: Floats, groups: NDArray[Any] | None = None) -> dict[str, Any]:
    """How much smaller our rmse is, in the unit of y, with its 95 % interval over these items, or ``groups``."""
    a, b = (y - ours) ** 2, (y - theirs) ** 2
    value = float(np.sqrt(b.mean()) - np.sqrt(a.mean()))
    return {"value": value, "ci95": intervals.root_difference(a, b, groups)}
