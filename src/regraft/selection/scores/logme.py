"""LogME: the log evidence of a Bayesian linear model of the labels, a sample, at its maximum over both precisions.

You, Liu, Wang and Long 2021 (https://arxiv.org/abs/2102.11005). Exact where the published code stops early, and with
all min(n, d) directions counted right: with l = alpha / beta the evidence is a function of l alone, whose maximum is
MacKay's fixed point.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import ALL, Array, Given, Gram, NotApplicable, Tridiagonal
from regraft.tasks.classification import one_hot

SUMMARY = "log evidence of a Bayesian linear model (LogME, You et al. 2021)"
TASKS = ALL
WIDEST = 36.0


class Evidence(NamedTuple):
    """Log evidence a sample (k,), and the precisions of weights ``alpha`` and noise ``beta`` (k,) that maximise it."""

    value: Array
    alpha: Array
    beta: Array


def logme(x: NDArray[Any], y: NDArray[Any], *, regression: bool = False, gram: Gram | None = None) -> float:
    """Features (n, d), class numbers (n,) or for ``regression`` targets (n,) or (n, t) -> mean log evidence a sample.

    float32 features are multiplied in float32 (to about 1e-3), all others in float64.
    """
    targets = np.asarray(y, np.float64).reshape(len(x), -1) if regression else one_hot(y)
    return float(evidence(gram or Gram(x), targets).value.mean())


def score(given: Given) -> float:
    targets = given.targets
    if not targets.any():
        raise NotApplicable("every target is zero")
    return float(evidence(given.gram, targets).value.mean())


def evidence(gram: Gram, targets: Array) -> Evidence:
    """The evidence of each column of ``targets`` (n, k), not centred, from features without an intercept."""
    return maximised(gram.tridiagonal, gram.n, gram.by_rows, gram.seen(targets), (targets**2).sum(0))


class _Problem:
    """k regressions on the same features: sizes and errors of their ridge solutions at penalties l = exp(t)."""

    def __init__(self, t: Tridiagonal, n: int, by_rows: bool, seen: Array, squares: Array) -> None:
        self.t, self.n, self.by_rows, self.squares = t, n, by_rows, squares
        self.seen = t.turned(seen)

    def at(self, logs: Array) -> tuple[Array, Array, Array]:
        """Log penalties (k,) -> gamma, the parameters that the data determines, |m|^2 and |y - Xm|^2, each (k,)."""
        penalties, s = np.exp(logs), self.t.eigenvalues
        gamma = (s / (s + penalties[:, None])).sum(1)
        size, error = np.empty(len(logs)), np.empty(len(logs))
        for i, shift in enumerate(penalties):
            b = self.seen[:, i]
            m = self.t.solved(shift, b)
            if self.by_rows:
                error[i] = shift**2 * (m @ m)
                size[i] = m @ b - shift * (m @ m)
            else:
                size[i] = m @ m
                error[i] = self.squares[i] - m @ b - shift * size[i]
        tiny = np.finfo(float).tiny
        return gamma, np.maximum(size, tiny), np.maximum(error, 1e-14 * self.squares + tiny)

    def value(self, alpha: Array, beta: Array, size: Array, error: Array) -> Array:
        """Log evidence a sample at any precisions, with the solution's size and error at their ratio."""
        shrinking = np.log1p(self.t.eigenvalues * (beta / alpha)[:, None]).sum(1)
        whole = self.n * np.log(beta / (2 * np.pi)) - shrinking - beta * error - alpha * size
        return whole / (2 * self.n)


def maximised(t: Tridiagonal, n: int, by_rows: bool, seen: Array, squares: Array) -> Evidence:
    """The evidence of k targets of ``squares`` (k,) = |y|^2 with ``n`` degrees of freedom; ``seen`` is X'y (d, k), or y
    itself with ``by_rows``.
    """
    problem = _Problem(t, n, by_rows, seen, squares)
    scale = np.log(max(float(t.eigenvalues.max()), np.finfo(float).tiny))

    def slope(logs: Array) -> Array:
        gamma, size, error = problem.at(logs)
        spare = np.maximum(n - gamma, 1e-12 * n)
        return np.log(np.maximum(gamma, 1e-300)) + np.log(error) - np.log(spare) - np.log(size) - logs

    logs = _root(slope, np.clip(np.zeros(len(squares)), scale - WIDEST, scale + WIDEST), scale)
    _, size, error = problem.at(logs)
    beta = n / np.maximum(error + np.exp(logs) * size, np.finfo(float).tiny)
    alpha = np.exp(logs) * beta
    return Evidence(problem.value(alpha, beta, size, error), alpha, beta)


def _root(f: Any, start: Array, scale: float) -> Array:
    """Where f, which falls, is zero, element by element: the first change of sign seen from ``start``, then the method
    of Anderson and Bjorck 1973; the end of the range, ``scale`` +- ``WIDEST``, where there is none.
    """
    low, high = scale - WIDEST, scale + WIDEST
    a, fa = start, f(start)
    way, b, fb, stretch = np.sign(fa), a, fa, 1.5
    while True:
        # f is the step of MacKay's own update, which falls short
        far = np.clip(b + way * np.maximum(stretch * np.abs(fb), 1e-6), low, high)
        short = (np.sign(fb) == way) & (far != b)
        if not short.any():
            break
        found = f(np.where(short, far, b))
        a, fa = np.where(short, b, a), np.where(short, fb, fa)
        b, fb, stretch = np.where(short, far, b), np.where(short, found, fb), 2 * stretch
    done = (np.sign(fb) == way) | (fb == fa)
    for _ in range(100):
        c = np.where(done, b, b - fb * (b - a) / np.where(done, 1, fb - fa))
        fc = f(c)
        crossed = np.sign(fc) != np.sign(fb)
        kept = 1 - fc / np.where(fb == 0, 1, fb)
        a, fa = np.where(crossed, b, a), np.where(crossed, fb, fa * np.where(kept > 0, kept, 0.5))
        b, fb = c, fc
        done |= (np.abs(fc) < 1e-9) | (np.abs(b - a) < 1e-9) | (fb == fa)
        if done.all():
            break
    return b
