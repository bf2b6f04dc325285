"""Ridge regression on frozen features: the strength is that under which the data is most probable.

Hoerl and Kennard 1970; evidence: MacKay 1992 (https://doi.org/10.1162/neco.1992.4.3.415); Bishop 2006, section 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import issparse
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from regraft.errors import InputError
from regraft.methods.base import Fitted
from regraft.methods.folds import bins, stratified_folds
from regraft.methods.logistic import Linear, Scaling, blockwise
from regraft.methods.quantiles import fit_quantiles
from regraft.model.heads import LinearHead

SCALINGS = ("common", "column")
"""How columns are scaled, see `logistic.blockwise`."""
FOLDS, LEAST_ROWS = 5, 4
MOST_COEFFICIENTS = 200
LOG_ALPHA = (-12.0, 12.0)
"""Between which natural logs of the strength it is looked for; rows are scaled to a mean square of 1."""


class Spectrum(NamedTuple):
    """Centred x (n, d) and y (n,) in the axes of x: singular values ``s`` (r,), ``right`` (d, r) with
    ``x = left * s @ right.T``, ``uy = left.T @ y`` (r,), and ``rest``, the square of y outside these axes.
    """

    s: NDArray[Any]
    right: NDArray[Any]
    uy: NDArray[Any]
    rest: float
    n: int

    @classmethod
    def of(cls, x: NDArray[Any], y: NDArray[Any]) -> Spectrum:
        if len(x) > x.shape[1]:  # the triangle of x has the same axes and is smaller
            q, x = np.linalg.qr(x)
            projected = q.T @ y
        else:
            projected = y
        left, s, right = np.linalg.svd(x, full_matrices=False)
        keep = s > max(x.shape) * np.finfo(np.float64).eps * s.max(initial=0.0)
        uy = left[:, keep].T @ projected
        return cls(s[keep], right[keep].T, uy, max(0.0, float(y @ y - uy @ uy)), len(y))

    def weight(self, alpha: float) -> NDArray[Any]:
        """(d,) the minimum of ``|y - x w|^2 + alpha |w|^2``; the shortest of several where alpha is 0."""
        found: NDArray[Any] = self.right @ (self.s / (self.s**2 + alpha) * self.uy)
        return found

    def noise(self, alpha: float) -> float:
        """The variance of y given x under which the data is most probable, where weights have variance noise / alpha:
        alpha > 0.
        """
        return float((self.uy**2 / (1 + self.s**2 / alpha)).sum() + self.rest) / self.n

    def evidence(self, alpha: float) -> float:
        """Natural log of the probability of y given x with weights integrated out, per row, at the best noise."""
        noise = max(self.noise(alpha), 1e-300)
        spread = float(np.log1p(self.s**2 / alpha).sum())
        return -0.5 * float(np.log(2 * np.pi * noise) + 1 + spread / self.n)

    def best(self) -> tuple[float, float]:
        """The strength of most evidence, and that evidence."""
        grid = np.linspace(*LOG_ALPHA, 25)
        i = int(np.argmax([self.evidence(np.exp(v)) for v in grid]))
        bounds = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
        found = minimize_scalar(lambda v: -self.evidence(np.exp(v)), bounds=bounds, method="bounded",
                                options={"xatol": 1e-8})  # fmt: skip
        return float(np.exp(found.x)), -float(found.fun)


def fit_regression(
    rows: Any,
    y: NDArray[Any],
    *,
    seed: int = 0,
    blocks: Sequence[int] | None = None,
    groups: NDArray[Any] | None = None,
    record: dict[str, Any] | None = None,
    alpha: float | None = None,
    quantiles: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> Fitted:
    """Features (n, D) and numbers (n,) -> a head.

    Columns are scaled by one factor for all, or each for itself, and ``alpha`` is set by the evidence, all rows taken
    together; ``alpha`` 0 is least squares (the shortest solution where there are many), any other is a given strength
    for rows of mean square 1. ``quantiles`` add heads of their own at that strength. Five folds (no group torn) give
    predictions of rows not learned from, which show how far the numbers are off. ``record`` repeats the choice of an
    earlier fit. ``names`` (D,) ask for the coefficients with their 95 % intervals: Student's where alpha is 0, else
    those of the posterior.
    """
    if quantiles and not all(a < b for a, b in pairwise([0.0, *quantiles, 1.0])):
        raise InputError(f"quantiles are {list(quantiles)}; wanted are numbers between 0 and 1 that rise.")
    if issparse(rows):
        if rows.shape[1] > 4 * rows.shape[0]:
            raise InputError("Regression on counted words needs dense features: take a network for texts such as "
                             "minilm or regraft_tiny_text, without tfidf.")  # fmt: skip
        rows = rows.toarray()
    y = np.asarray(y, np.float64)
    widths = blocks or (rows.shape[1],)
    with threadpool_limits(1):
        chosen = _chosen(rows, y, widths, alpha) if record is None else record
        scaling = _scaling(chosen["scaling"], rows, y, widths)
        linear, spectrum = _fit(scaling(rows), y, chosen["alpha"], quantiles)
        head = LinearHead.of(*scaling, linear.weight, linear.bias, rows.dtype)
        if record is not None:
            return Fitted(head, _with_coefficients(record, names, scaling, linear, spectrum))
        which, held = (None, None)
        if len(y) >= LEAST_ROWS:
            which, held = _unseen(rows, y, chosen, widths, seed, groups, quantiles)
    chosen = _with_coefficients(chosen, names, scaling, linear, spectrum)
    return Fitted(head, chosen, which, held)


def _scaling(name: str, rows: NDArray[Any], y: NDArray[Any], widths: Sequence[int]) -> Scaling:
    return blockwise([name] * len(widths), [1.0] * len(widths), rows, widths, y[:, None])


def _chosen(rows: NDArray[Any], y: NDArray[Any], widths: Sequence[int], alpha: float | None) -> dict[str, Any]:
    """The scaling and strength for these rows."""
    if alpha is not None:
        return {"scaling": "common" if alpha == 0 else "column", "alpha": float(alpha), "chosen_by": "given"}
    tried: list[dict[str, Any]] = []
    for name in SCALINGS:
        strength, evidence = Spectrum.of(_scaling(name, rows, y, widths)(rows), y - y.mean()).best()
        tried.append({"scaling": name, "alpha": strength, "log_evidence": evidence})
    best = max(tried, key=lambda t: float(t["log_evidence"]))
    return {**best, "chosen_by": "evidence", "tried": tried}


def _fit(x: NDArray[Any], y: NDArray[Any], alpha: float, quantiles: Sequence[float] | None) -> tuple[Linear, Spectrum]:
    """The mean, and the quantiles, as linear functions of scaled rows; and the spectrum of these."""
    middle = x.mean(0)  # a block of a fusion that is not centred has one
    spectrum = Spectrum.of(x - middle, y - y.mean())
    weight = spectrum.weight(alpha)
    linear = Linear(weight[:, None], np.array([y.mean() - middle @ weight]))
    if quantiles:
        more = fit_quantiles(x, y, quantiles, alpha, start=linear)
        linear = Linear(np.hstack([linear.weight, more.weight]), np.concatenate([linear.bias, more.bias]))
    return linear, spectrum


def _unseen(
    rows: NDArray[Any],
    y: NDArray[Any],
    chosen: dict[str, Any],
    widths: Sequence[int],
    seed: int,
    groups: NDArray[Any] | None,
    quantiles: Sequence[float] | None,
) -> tuple[NDArray[np.int64] | None, NDArray[Any] | None]:
    """All rows, and their predictions by heads that had not seen them; None where all are of one group."""
    folds = min(FOLDS, len(y)) if groups is None else min(FOLDS, len(np.unique(groups)))
    if folds < 2:
        return None, None
    fold = stratified_folds(bins(y), folds, np.random.default_rng(seed), groups)
    found = np.zeros((len(y), 1 + len(quantiles or ())))
    for f in range(folds):
        learn = fold != f
        scaling = _scaling(chosen["scaling"], rows[learn], y[learn], widths)
        linear, _ = _fit(scaling(rows[learn]), y[learn], chosen["alpha"], quantiles)
        found[~learn] = linear(scaling(rows[~learn]))
    return np.arange(len(y)), found


def _with_coefficients(
    record: dict[str, Any], names: Sequence[str] | None, scaling: Scaling, linear: Linear, spectrum: Spectrum
) -> dict[str, Any]:
    if names is None or len(names) > MOST_COEFFICIENTS:
        return record
    return record | {"coefficients": coefficients(names, scaling, linear, spectrum, record["alpha"])}


def coefficients(
    names: Sequence[str], scaling: Scaling, linear: Linear, spectrum: Spectrum, alpha: float
) -> list[dict[str, Any]]:
    """By how much the number rises where a column rises by one, in the units of both, with its 95 % interval.

    Without regularisation Student's interval, none where rows are no more than columns; else the interval of the
    posterior given the noise of most evidence. The intercept, ``(constant)``, is the value where all columns are 0.
    """
    s, right, n = spectrum.s, spectrum.right, spectrum.n
    free = n - len(s) - 1
    per_noise = 1 / (s**2 + alpha)
    covariance = (right * per_noise) @ right.T
    if alpha == 0:
        noise = spectrum.rest / free if free > 0 else np.nan
        reach = float(student.ppf(0.975, free)) if free > 0 else np.nan
    else:
        noise, reach = spectrum.noise(alpha), 1.959963984540054
        covariance = covariance + (np.eye(len(right)) - right @ right.T) / alpha
    per_unit = linear.weight[:, 0] / scaling.scale
    spread = np.sqrt(noise * np.maximum(np.diag(covariance), 0)) / scaling.scale
    shift = scaling.mean / scaling.scale
    constant = float(linear.bias[0] - shift @ linear.weight[:, 0])
    at_zero = float(np.sqrt(noise * (1 / n + shift @ covariance @ shift)))
    rows = [*zip(names, per_unit.tolist(), spread.tolist(), strict=True), ("(constant)", constant, at_zero)]
    if alpha == 0 and len(s) < len(right):  # columns that say the same share no single answer
        return [{"name": name, "value": value, "ci95": None} for name, value, _ in rows]
    return [
        {"name": name, "value": value, "ci95": [value - reach * e, value + reach * e] if np.isfinite(e) else None}
        for name, value, e in rows
    ]
