"""Descent to the minimum of a smooth convex function, in a metric that knows its curvature roughly.

L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5) whose first matrix is not a multiple of 1 but the inverse of a
curvature that the caller gives; steps are accepted by the approximate condition of Wolfe, which holds where differences
of values are lost in rounding (Hager and Zhang 2005, https://doi.org/10.1137/030601880, section 3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

Array = Any

REMEMBERED, FLAT, ROUNDING, SHORTEST = 10, 0.8, 1e-6, 1e-4
"""Steps that are remembered; how steep the way may rise behind a step, by how steeply it fell before; the share of the
value that may be rounding; the shortest share of a step that is tried."""


class Valued(NamedTuple):
    """A value, its gradient, and that gradient times (about) the inverse curvature: in the metric."""

    value: float
    slope: Array
    turned: Array


class Descent(NamedTuple):
    """Where it ended, after how many steps, and whether that is the minimum."""

    at: Array
    steps: int
    arrived: bool


class _Pair(NamedTuple):
    """One step, by how much the gradient changed over it, that change in the metric, and 1 / (step . change)."""

    step: Array
    change: Array
    turned: Array
    share: float


def descend(at: Array, enough: float, most: int) -> Generator[Array, Valued, Descent]:
    """Yields the points at which it wants to be sent the value, so that many descents share their evaluations.

    The metric must be linear and positive. The minimum is reached where half of gradient . gradient in the metric, by
    how much the value can still fall if the metric is right (Boyd and Vandenberghe 2004, section 9.5.1), is no more
    than the share ``enough`` of the value; after ``most`` steps it gives up.
    """
    pairs: deque[_Pair] = deque(maxlen=REMEMBERED)
    here, step = (yield at), 0
    while (left := float(np.vdot(here.slope, here.turned)) / 2) > enough * abs(here.value) and step < most:
        way = -_two_loops(here, pairs)
        found = yield from _along(at, way, here)
        if found is None:
            if not pairs:
                break
            pairs.clear()
            continue
        step += 1
        share, there = found
        moved, change = share * way, there.slope - here.slope
        product = float(np.vdot(moved, change))
        if product > 0:
            pairs.append(_Pair(moved, change, there.turned - here.turned, 1 / product))
        at, here = at + moved, there
    return Descent(at, step, left <= enough * abs(here.value))


def _two_loops(here: Valued, pairs: deque[_Pair]) -> Array:
    """The inverse curvature that the remembered steps show, times the gradient.

    The metric is linear, so that it need not be applied again to the gradient less the remembered changes.
    """
    if not pairs:
        return here.turned
    rest, found, shares = here.slope.copy(), here.turned.copy(), []
    for pair in reversed(pairs):
        share = pair.share * float(np.vdot(pair.step, rest))
        rest -= share * pair.change
        found -= share * pair.turned
        shares.append(share)
    last = pairs[-1]
    found /= last.share * float(np.vdot(last.change, last.turned))
    for pair, share in zip(pairs, reversed(shares), strict=True):
        found += (share - pair.share * float(np.vdot(pair.change, found))) * pair.step
    return found


def _along(at: Array, way: Array, here: Valued) -> Generator[Array, Valued, tuple[float, Valued] | None]:
    """The share of ``way`` that is gone, and what is there; None where no share of it leads down."""
    falls = float(np.vdot(here.slope, way))
    share = 1.0
    while share > SHORTEST and falls < 0:
        there = yield at + share * way
        rises = float(np.vdot(there.slope, way))
        if rises <= FLAT * -falls and there.value <= here.value + ROUNDING * abs(here.value):
            return share, there
        share *= min(0.7, max(0.1, falls / (falls - rises))) if rises > 0 else 0.5
    return None
