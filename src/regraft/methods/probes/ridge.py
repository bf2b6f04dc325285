"""Ridge regression on frozen features: the strength is that under which the data is most probable.

Hoerl and Kennard 1970; evidence: MacKay 1992 (https://doi.org/10.1162/neco.1992.4.3.415); Bishop 2006, section 3.5. The
intercept is left free, so that of n numbers n - 1 tell of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import issparse
from scipy.special import stdtr, stdtrit
from threadpoolctl import threadpool_limits

from regraft.core.errors import InputError
from regraft.data.folds import stratified_folds
from regraft.methods.base import Fitted
from regraft.methods.probes.logistic import Linear, Scaling, blockwise
from regraft.methods.probes.quantiles import fit_quantiles
from regraft.metrics.numbers import conformal_shares, weighted_rank
from regraft.models.cv_plus import FoldHeads
from regraft.models.heads import LinearHead
from regraft.tasks.regression import bins

SCALINGS = ("common", "column")
"""How columns are scaled, see `logistic.blockwise`."""
FOLDS, MORE_FOLDS, FEW_ROWS, LEAST_ROWS = 5, 10, 200, 4
NESTED = 500
"""Up to so many rows every fold chooses for itself; what more have chosen tells nothing of a single one."""
MOST_COEFFICIENTS = 200
LOG_ALPHA = (-12.0, 12.0)
"""Between which natural logs of the strength it is looked for; rows are scaled to a mean square of 1."""


class Spectrum(NamedTuple):
    """Centred x (n, d) and y (n,) in the axes of x: singular values ``s`` (r,), ``right`` (d, r) with
    ``x = left * s @ right.T``, ``uy = left.T @ y`` (r,), and ``rest``, the square of y outside these axes. ``free`` are
    the degrees of freedom, n - 1: nothing is left of y in the direction of its mean.
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
        whole = float(y @ y)
        rest = whole - float(uy @ uy)
        # where the axes hold all of y, what is left is rounding
        return cls(s[keep], right[keep].T, uy, rest if rest > 1e-13 * len(y) * whole else 0.0, len(y))

    @property
    def free(self) -> int:
        """Degrees of freedom of n centred numbers, at least 1."""
        return max(self.n - 1, 1)

    def weight(self, alpha: float) -> NDArray[Any]:
        """(d,) the minimum of ``|y - x w|^2 + alpha |w|^2``; the shortest of several where alpha is 0."""
        found: NDArray[Any] = self.right @ (self.s / (self.s**2 + alpha) * self.uy)
        return found

    def noise(self, alpha: float) -> float:
        """The variance of y given x under which the data is most probable, where weights have variance noise / alpha:
        alpha > 0.
        """
        return float((self.uy**2 / (1 + self.s**2 / alpha)).sum() + self.rest) / self.free

    def evidence(self, alpha: float) -> float:
        """Natural log of the probability of y given x with weights integrated out, per degree of freedom, at the best
        noise. It has a bound: where x has n - 1 axes or more it does not grow without end as alpha falls.
        """
        noise = max(self.noise(alpha), 1e-300)
        spread = float(np.log1p(self.s**2 / alpha).sum())
        return -0.5 * float(np.log(2 * np.pi * noise) + 1 + spread / self.free)

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
    per_feature_scaling: bool = False,
    blocks: Sequence[int] | None = None,
    groups: NDArray[Any] | None = None,
    record: dict[str, Any] | None = None,
    alpha: float | None = None,
    quantiles: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> Fitted:
    """Features (n, D) and numbers (n,) -> a head.

    Columns are scaled by one factor for all, or each for itself (with ``per_feature_scaling`` each by its spread), and
    ``alpha`` is set by the evidence, all rows taken together; ``alpha`` 0 is least squares (the shortest solution
    where there are many), any other is a given strength for rows of mean square 1. ``quantiles`` add heads of their
    own at that strength. Folds (no group torn), each with a choice of its own, give predictions of rows not learned
    from: these show how far the numbers are off, and bring each quantile to where its share of unseen numbers lies
    below it. ``record`` repeats the choice of an earlier fit. ``names`` (D,) ask for the coefficients with their 95 %
    intervals: Student's where alpha is 0, else those of the posterior. Raises ``InputError``.
    """
    if quantiles and not all(a < b for a, b in pairwise([0.0, *quantiles, 1.0])):
        raise InputError(f"quantiles are {list(quantiles)}; wanted are numbers between 0 and 1 that rise.")
    if issparse(rows):
        if rows.shape[1] > 4 * rows.shape[0]:
            raise InputError("Regression on counted words needs dense features: take a network for texts such as "
                             "minilm or regraft_tiny_text, without tfidf.")  # fmt: skip
        rows = rows.toarray()
    data = _Data(
        rows, np.asarray(y, np.float64), tuple(blocks or (rows.shape[1],)), tuple(quantiles or ()), per_feature_scaling
    )
    with threadpool_limits(1):
        chosen = _chosen(data, alpha) if record is None else record
        scaling, linear, spectrum, stopped = _fit(data, chosen)
        unseen = None
        if record is None:
            unseen = _unseen(data, chosen, alpha, seed, groups)
            if data.quantiles:
                shifts = quantile_shifts(data.y, unseen, data.quantiles, groups)
                chosen = chosen | {"quantile_shifts": shifts}
    shift = np.array([0.0, *chosen.get("quantile_shifts", ())])
    linear = Linear(linear.weight, linear.bias + shift)
    head = LinearHead.of(*scaling, linear.weight, linear.bias, rows.dtype)
    chosen = {k: v for k, v in chosen.items() if k != "stopped_early"} | ({"stopped_early": stopped} if stopped else {})
    chosen = _with_coefficients(chosen, names, scaling, linear, spectrum)
    if unseen is None:
        return Fitted(head, chosen)
    folds = FoldHeads.of(unseen.heads, unseen.centre, unseen.fold, data.y - unseen.outputs[:, 0], groups)
    return Fitted(head, chosen, np.arange(len(y)), unseen.outputs + shift, folds)


@dataclass(frozen=True)
class _Data:
    """What is learned from, and the ways of scaling that may be chosen."""

    rows: NDArray[Any]
    y: NDArray[Any]
    widths: tuple[int, ...]
    quantiles: tuple[float, ...]
    per_feature_scaling: bool

    def take(self, some: NDArray[np.bool_]) -> _Data:
        return replace(self, rows=self.rows[some], y=self.y[some])

    @property
    def scalings(self) -> Sequence[str]:
        return ("standard",) if self.per_feature_scaling else SCALINGS

    def scaling(self, name: str) -> Scaling:
        return _scaling(name, self.rows, self.y, self.widths)


def _scaling(name: str, rows: NDArray[Any], y: NDArray[Any], widths: Sequence[int]) -> Scaling:
    return blockwise([name] * len(widths), [1.0] * len(widths), rows, widths, y[:, None])


def _chosen(data: _Data, alpha: float | None) -> dict[str, Any]:
    """The scaling and strength for these rows."""
    if alpha is not None:
        # where there are more columns than rows, the shortest solution is meant in the units that they are given in
        wide = alpha == 0 and (len(data.y) <= data.rows.shape[1] or not data.per_feature_scaling)
        name = "common" if wide else data.scalings[-1]
        return {"scaling": name, "alpha": float(alpha), "chosen_by": "given"}
    tried: list[dict[str, Any]] = []
    for name in data.scalings:
        strength, evidence = Spectrum.of(data.scaling(name)(data.rows), data.y - data.y.mean()).best()
        tried.append({"scaling": name, "alpha": strength, "log_evidence": evidence})
    best = max(tried, key=lambda t: float(t["log_evidence"]))
    return {**best, "chosen_by": "evidence", "tried": tried}


def _fit(data: _Data, chosen: dict[str, Any]) -> tuple[Scaling, Linear, Spectrum, list[str]]:
    """The scaling of the rows; the mean, and the quantiles, as linear functions of scaled rows; their spectrum; and
    what did not come to its end.
    """
    scaling, alpha = data.scaling(chosen["scaling"]), chosen["alpha"]
    x, y, stopped = scaling(data.rows), data.y, list[str]()
    middle = x.mean(0)  # a block of a fusion that is not centred has one
    spectrum = Spectrum.of(x - middle, y - y.mean())
    weight = spectrum.weight(alpha)
    linear = Linear(weight[:, None], np.array([y.mean() - middle @ weight]))
    if data.quantiles:
        more = fit_quantiles(x, y, data.quantiles, alpha, start=linear, stopped=stopped)
        linear = Linear(np.hstack([linear.weight, more.weight]), np.concatenate([linear.bias, more.bias]))
    return scaling, linear, spectrum, stopped


class _Unseen(NamedTuple):
    """Predictions (n, 1 + q) of rows by heads that had not seen them; the heads of the mean, each a weight (D,) and a
    bias on rows less ``centre`` (D,), and which of them, ``fold`` (n,), had not seen a row.
    """

    outputs: NDArray[Any]
    heads: list[tuple[NDArray[Any], float]]
    centre: NDArray[Any]
    fold: NDArray[np.int64]


def _unseen(
    data: _Data, chosen: dict[str, Any], alpha: float | None, seed: int, groups: NDArray[Any] | None
) -> _Unseen | None:
    """None where the rows are too few to leave some out, or are all of one group."""
    n = len(data.y)
    folds = min(MORE_FOLDS if n <= FEW_ROWS else FOLDS, n if groups is None else len(np.unique(groups)))
    if n < LEAST_ROWS or folds < 2:
        return None
    fold = stratified_folds(bins(data.y), folds, np.random.default_rng(seed), groups)
    centre = np.asarray(data.rows, np.float64).mean(0)
    found, heads = np.zeros((n, 1 + len(data.quantiles))), []
    for f in range(folds):
        part = data.take(fold != f)
        # a choice that has seen the row would let it look nearer than a new one
        scaling, linear, _, _ = _fit(part, _chosen(part, alpha) if n <= NESTED else chosen)
        found[fold == f] = linear(scaling(data.rows[fold == f]))
        weight = linear.weight[:, 0] / scaling.scale
        heads.append((weight, float(linear.bias[0] + (centre - scaling.mean) @ weight)))
    return _Unseen(found, heads, centre, fold)


def quantile_shifts(
    y: NDArray[Any], unseen: _Unseen | None, quantiles: Sequence[float], groups: NDArray[Any] | None
) -> list[float]:
    """By how much each quantile must rise for its share of the numbers ``y`` (n,) to lie below it where they were not
    learned from: conformal, Romano, Patterson and Candes 2019 (https://arxiv.org/abs/1905.03222), each end for itself.

    Raises ``InputError`` where these are too few for a quantile.
    """
    shifts = []
    for i, q in enumerate(quantiles, 1):
        side = 1 if q >= 0.5 else -1
        off = np.zeros(0) if unseen is None else side * (y - unseen.outputs[:, i])
        some = groups if unseen is not None else None
        place = weighted_rank(off, conformal_shares(len(off), some), max(q, 1 - q))
        if place is None:
            what = f"{len(y)} items" if groups is None else f"{len(np.unique(groups))} groups of items"
            raise InputError(f"{what} are too few for the quantile {q:g}: {math.ceil(1 / min(q, 1 - q) - 1e-9) - 1} or "
                             "more show where it lies.")  # fmt: skip
        shifts.append(float(side * off[place]))
    return shifts


def _with_coefficients(
    record: dict[str, Any], names: Sequence[str] | None, scaling: Scaling, linear: Linear, spectrum: Spectrum
) -> dict[str, Any]:
    if names is None or len(names) > MOST_COEFFICIENTS:
        return record
    strengths = np.array([record["alpha"]]) if record["chosen_by"] == "given" else np.exp(np.linspace(*LOG_ALPHA, 49))
    return record | {"coefficients": coefficients(names, scaling, linear, spectrum, strengths)}


def coefficients(
    names: Sequence[str], scaling: Scaling, linear: Linear, spectrum: Spectrum, strengths: NDArray[Any]
) -> list[dict[str, Any]]:
    """By how much the number rises where a column rises by one, in the units of both, with its 95 % interval.

    Without regularisation (``strengths`` (1,) 0) Student's interval, none where rows are no more than columns; else
    that of the posterior over all ``strengths`` (a,) that may have been meant (see `credible`). The intercept,
    ``(constant)``, is the value where all columns are 0.
    """
    s, right, n = spectrum.s, spectrum.right, spectrum.n
    shift = scaling.mean / scaling.scale
    # a coefficient a row, in units of its own, and the intercept: linear in the weights of scaled columns
    maps = np.vstack([np.diag(1 / scaling.scale), -shift])
    per_unit = linear.weight[:, 0] / scaling.scale
    values = np.append(per_unit, linear.bias[0] - shift @ linear.weight[:, 0])
    if (strengths == 0).all():
        free = n - len(s) - 1
        unsure = free <= 0 or len(s) < len(right)  # columns that say the same share no single answer
        noise = np.nan if unsure else spectrum.rest / free
        spread = np.sqrt(noise * (((maps @ right) ** 2 / s**2).sum(1) + np.append(np.zeros(len(right)), 1 / n)))
        reach = np.nan if unsure else float(stdtrit(free, 0.975))
        ends = np.stack([values - reach * spread, values + reach * spread], 1)
    else:
        at = values[-1] - maps[-1] @ linear.weight[:, 0]
        ends = credible(spectrum, strengths, maps, np.append(np.zeros(len(right)), at))
        ends = np.stack([np.minimum(ends[:, 0], values), np.maximum(ends[:, 1], values)], 1)
    return [
        {"name": name, "value": float(value), "ci95": [float(v) for v in pair] if np.isfinite(pair).all() else None}
        for name, value, pair in zip([*names, "(constant)"], values, ends, strict=True)
    ]


def credible(spectrum: Spectrum, strengths: NDArray[Any], maps: NDArray[Any], at: NDArray[Any]) -> NDArray[np.float64]:
    """(m, 2) the ends of the 95 % credible intervals of ``maps @ weights + at`` (m, D) and (m,), the last of which is
    as unsure as the mean of y beside: a mixture over the ``strengths`` of Student's distributions (noise integrated
    out, Bishop 2006, exercise 3.12), each as probable as its evidence times a prior under which the share of the
    variance that is kept from the weights is uniform (Strawderman 1971, https://doi.org/10.1214/aoms/1177693528).
    """
    s, right = spectrum.s, spectrum.right
    kept = (s**2).mean() / strengths if len(s) else np.ones(len(strengths))
    told = np.array([spectrum.free * spectrum.evidence(a) for a in strengths]) + np.log(kept) - 2 * np.log1p(kept)
    share = np.exp(told - told.max())
    some = share > 1e-6 * share.sum()
    strengths, share = strengths[some], share[some] / share[some].sum()
    inside, outside = (maps @ right) ** 2, np.maximum((maps**2).sum(1) - ((maps @ right) ** 2).sum(1), 0)
    mean = np.append(np.zeros(len(maps) - 1), 1 / spectrum.n)
    middle = np.stack([maps @ spectrum.weight(a) + at for a in strengths])
    spread = np.stack([np.sqrt(spectrum.noise(a) * (inside @ (1 / (s**2 + a)) + outside / a + mean))
                       for a in strengths])  # fmt: skip
    ends = []
    for level in (0.025, 0.975):
        reach = float(stdtrit(spectrum.free, 1 - 0.025 * share.min()))
        low, high = (middle - reach * spread).min(0), (middle + reach * spread).max(0)
        for _ in range(60):
            half = (low + high) / 2
            less = share @ stdtr(spectrum.free, (half - middle) / np.where(spread > 0, spread, 1.0)) < level
            low, high = np.where(less, half, low), np.where(less, high, half)
        ends.append((low + high) / 2)
    return np.stack(ends, 1)
