"""Promised and found: every interval, level and wanted accuracy that regraft prints, and how often it held.

Needs nothing. Every row is of 300 draws or more, each with data of its own and what is judged on drawn anew; parts (all
without arguments): those of ``PARTS``. A row is added as a `Row` in one of them. Takes about two hours on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common import keep
from coverage_rows_folds import PARTS as FOLDS
from coverage_rows_intervals import PARTS as FIGURES
from regraft import Regressor
from regraft.core.types import LabelSpec
from regraft.data.folds import stratified_folds
from regraft.methods.probes.linear_probe import fit_features
from regraft.methods.probes.ridge import fit_regression
from regraft.metrics import classes as metrics
from regraft.metrics.intervals import paired_gain, share_change
from regraft.metrics.numbers import conformal_radius
from regraft.models.outliers import OutlierDetector

DRAWS, NEW = 300, 200
Draw = Callable[[np.random.Generator], float | None]


@dataclass(frozen=True)
class Row:
    """What is promised, in which setting, and a function that draws once and says what share of the promise held: of
    new items, or 1 or 0; None where nothing was promised (it was refused).
    """

    what: str
    setting: str
    promised: float
    draw: Draw
    draws: int = DRAWS

    def found(self) -> dict[str, Any]:
        held = [self.draw(np.random.default_rng([seed, len(self.setting)])) for seed in range(self.draws)]
        known = np.array([h for h in held if h is not None], float)
        return {"what": self.what, "setting": self.setting, "promised": self.promised, "draws": self.draws,
                "refused": len(held) - len(known), "found": float(known.mean()) if len(known) else None,
                "standard_error": float(known.std() / np.sqrt(len(known))) if len(known) else None}  # fmt: skip


def numbers(rng: np.random.Generator, n: int, d: int, noise: str = "normal", strength: float = 1.0):
    """Features, numbers and the true slopes; some to learn from, the last `NEW` to judge on."""
    x, w = rng.normal(size=(n + NEW, d)), rng.normal(size=d) * strength / np.sqrt(d)
    e = {"normal": rng.normal, "t of 3": lambda size: rng.standard_t(3, size), "skewed": lambda size: rng.exponential(
        size=size)}[noise](size=n + NEW)  # fmt: skip
    return x, x @ w + e, w


def intervals() -> Iterator[Row]:
    """``--interval`` and `Regressor.predict_interval`: CV+."""

    def row(n: int, d: int, level: float = 0.9, alpha: float | None = None, noise: str = "normal") -> Row:
        def draw(rng: np.random.Generator) -> float:
            x, y, _ = numbers(rng, n, d, noise)
            low, high = Regressor("raw", alpha=alpha).fit(x[:n], y[:n]).predict_interval(x[n:], level).T
            return float(((low <= y[n:]) & (y[n:] <= high)).mean())

        how = "" if alpha is None else ", least squares"
        return Row("interval of a number (CV+)", f"{n} items, {d} columns, {noise} noise{how}", level, draw)

    for n, d in ((12, 3), (20, 5), (30, 25), (30, 100), (50, 200), (100, 90), (200, 10)):
        yield row(n, d)
    yield from (row(20, 5, level) for level in (0.5, 0.8, 0.95))
    yield from (row(30, 28, alpha=0.0), row(40, 30, alpha=0.0), row(29, 28, alpha=0.0))
    yield from (row(60, 5, noise="t of 3"), row(20, 5, noise="skewed"))


def interval_groups() -> Iterator[Row]:
    """The same for items of new groups, whose numbers are moved together."""

    def row(groups: int, size: int, moved: float) -> Row:
        def draw(rng: np.random.Generator) -> float | None:
            g = np.repeat(np.arange(groups + 40), size)
            x, learn = rng.normal(size=(len(g), 3)), g < groups
            y = x[:, 0] + moved * rng.normal(size=groups + 40)[g] + 0.5 * rng.normal(size=len(g))
            fitted = fit_regression(x[learn], y[learn], groups=g[learn])
            if fitted.folds is None or not fitted.folds.carries(0.9):
                return None
            values = fitted.head(torch.from_numpy(x[~learn])).double().numpy()[:, 0]
            low, high = fitted.folds.ends(x[~learn], 0.9, values).T
            return float(((low <= y[~learn]) & (y[~learn] <= high)).mean())

        return Row("interval of a number, new groups", f"{groups} groups of {size}, moved by {moved:g}", 0.9, draw)

    yield from (row(8, 5, 2), row(10, 10, 2), row(20, 5, 1), row(40, 3, 0.3))


def held_out_intervals() -> Iterator[Row]:
    """Of methods that train a network: one radius, by items that chose nothing."""

    def row(n: int, level: float) -> Row:
        def draw(rng: np.random.Generator) -> float | None:
            radius = conformal_radius(rng.standard_t(4, n), level)
            return None if np.isinf(radius) else float((np.abs(rng.standard_t(4, NEW)) <= radius).mean())

        return Row("interval of a number (held out)", f"{n} items held out", level, draw, 1000)

    yield from (row(13, 0.9), row(26, 0.9), row(26, 0.95), row(130, 0.95))


def sigmas() -> Iterator[Row]:
    """The 90 % of a normal distribution of ``sigma``, as the report draws it."""

    def row(n: int, d: int) -> Row:
        def draw(rng: np.random.Generator) -> float:
            x, y, _ = numbers(rng, n, d)
            values, sigma = Regressor("raw").fit(x[:n], y[:n]).predict(x[n:], return_std=True)
            return float((np.abs(y[n:] - values) <= 1.6448536 * sigma).mean())

        return Row("1.645 sigma of a number", f"{n} items, {d} columns", 0.9, draw)

    yield from (row(20, 5), row(30, 25), row(60, 5), row(100, 90), row(200, 10))


def quantiles() -> Iterator[Row]:
    """``--quantiles``: the share below each."""

    def row(n: int, d: int, q: float, noise: str) -> Row:
        def draw(rng: np.random.Generator) -> float:
            x, y, _ = numbers(rng, n, d, noise)
            found = Regressor("raw", quantiles=(q,)).fit(x[:n], y[:n]).predict_quantiles(x[n:])[:, 0]
            return float((y[n:] <= found).mean() if q >= 0.5 else (y[n:] > found).mean())

        side = "below" if q >= 0.5 else "above"
        return Row(f"share {side} the quantile {q:g}", f"{n} items, {d} columns, {noise} noise", max(q, 1 - q), draw)

    for n, d in ((20, 3), (40, 10), (60, 40), (200, 5)):
        yield from (row(n, d, q, "skewed") for q in (0.1, 0.9))


def coefficients() -> Iterator[Row]:
    """The 95 % intervals of coefficients: Student's of least squares, the posterior's of a ridge."""

    def row(n: int, d: int, alpha: float | None) -> Row:
        def draw(rng: np.random.Generator) -> float:
            x, y, w = numbers(rng, n, d)
            names = [str(i) for i in range(d)]
            fitted = fit_regression(x[:n], y[:n], per_feature_scaling=True, alpha=alpha, names=names)
            ends = np.array([c["ci95"] for c in fitted.record["coefficients"][:d]])
            return float(((ends[:, 0] <= w) & (w <= ends[:, 1])).mean())

        how = "the ridge of most evidence" if alpha is None else "least squares"
        return Row("interval of a coefficient", f"{n} items, {d} columns, {how}", 0.95, draw)

    for alpha in (0.0, None):
        yield from (row(20, 5, alpha), row(40, 30, alpha), row(200, 10, alpha))
    yield row(30, 60, None)


def accuracies() -> Iterator[Row]:
    """``--accuracy``: in how many draws what is answered is right as often as was wanted. Promised: 95 %."""

    def judged(confidence: NDArray[Any], correct: NDArray[Any], threshold: float, wanted: float) -> float:
        return float(correct[confidence >= threshold].mean() >= wanted)

    def row(world: str, n: int, wanted: float) -> Row:
        def draw(rng: np.random.Generator) -> float:
            many = 40_000
            c = rng.beta(3, 1, n + many) * 0.7 + 0.3 if world == "as sure as right" else rng.random(n + many)
            chance = c if world == "as sure as right" else np.full(n + many, wanted - 0.002)
            ok = (rng.random(n + many) < chance).astype(float)
            found = metrics.abstention_threshold(c[:n], ok[:n], wanted)
            # where nothing is promised nothing is broken
            return 1.0 if found is None else judged(c[n:], chance[n:], found["threshold"], wanted)

        return Row(f"accuracy {wanted:g} of what is answered", f"{n} items, {world}", metrics.SURE, draw)

    for n in (40, 100, 300, 1000):
        yield from (row("as sure as right", n, wanted) for wanted in (0.9, 0.95, 0.98))
    yield from (row("sureness tells nothing, a little too often wrong", n, 0.9) for n in (60, 300, 1000))

    def probe(n: int, k: int, wanted: float) -> Row:
        spec = LabelSpec("classification", tuple(map(str, range(k))))

        def draw(rng: np.random.Generator) -> float:
            centres, y = rng.normal(size=(k, 8)), rng.integers(0, k, n + 4000)
            y[:k] = np.arange(k)
            x = 1.6 * centres[y] + rng.normal(size=(n + 4000, 8))
            fitted = fit_features(x[:n], y[:n], spec)
            if fitted.logits is None:
                return 1.0
            p, unseen = (_softmax(z) for z in (fitted.logits, fitted.head(torch.from_numpy(x[n:])).double().numpy()))
            hits = (p.argmax(1) == y[:n][fitted.rows]).astype(float)
            found = metrics.abstention_threshold(p.max(1), hits, wanted)
            ok = (unseen.argmax(1) == y[n:]).astype(float)
            return 1.0 if found is None else judged(unseen.max(1), ok, found["threshold"], wanted - 0.005)

        setting = f"the probe cross-validated on {n} items of {k} classes, judged on 4,000 (less 0.5 points)"
        return Row(f"accuracy {wanted:g} of what is answered", setting, metrics.SURE, draw)

    yield from (probe(100, 3, 0.9), probe(200, 5, 0.9), probe(400, 3, 0.95))

    def grouped(groups: int, size: int) -> Row:
        def draw(rng: np.random.Generator) -> float:
            # all items of a group are right or wrong together
            g = np.repeat(np.arange(groups), size)
            found = metrics.abstention_threshold(
                rng.random(len(g)), (rng.random(groups) < 0.895)[g].astype(float), 0.9, g
            )
            return float(found is None)

        setting = f"{groups} groups of {size}, right or wrong together in 0.895 of them"
        return Row("accuracy 0.9 of what is answered", setting, metrics.SURE, draw, 1000)

    yield from (grouped(40, 5), grouped(100, 5))


def shares() -> Iterator[Row]:
    """How a share has changed (Newcombe), an accuracy gained."""

    def change(n: int, p: float, q: float) -> Row:
        def draw(rng: np.random.Generator) -> float:
            low, high = share_change((rng.binomial(n, p), n), (rng.binomial(n, q), n))["ci95"]
            return float(low <= q - p <= high)

        return Row("change of a share (Newcombe)", f"{n} and {n} texts, {p:g} to {q:g}", 0.95, draw, 3000)

    def gained(n: int, both: float, ours: float, theirs: float) -> Row:
        def draw(rng: np.random.Generator) -> float:
            kind = rng.choice(4, n, p=[both, ours, theirs, 1 - both - ours - theirs])
            found = paired_gain(np.isin(kind, (0, 1)).astype(float), np.isin(kind, (0, 2)).astype(float))
            low, high = found["ci95"]
            return float(low <= ours - theirs <= high)

        setting = f"{n} items, one right alone in {ours:g} and {theirs:g}"
        return Row("accuracy gained, paired", setting, 0.95, draw, 1000)

    yield from (change(30, 0.2, 0.4), change(200, 0.05, 0.1))
    yield from (gained(40, 0.7, 0.1, 0.05), gained(200, 0.8, 0.1, 0.05), gained(200, 0.95, 0.02, 0.01))


def strangers() -> Iterator[Row]:
    """What is unlike the training data: of items that are like it as many are not flagged as is said."""

    def row(n: int, d: int, classes: int) -> Row:
        def draw(rng: np.random.Generator) -> float:
            centres = 2 * rng.normal(size=(classes, d))
            y = rng.permutation(np.arange(n + NEW) % classes)
            x = centres[y] + rng.normal(size=(n + NEW, d))
            fold = stratified_folds(y[:n], 5, rng)
            known = OutlierDetector.fitted(x[:n], y[:n], fold)
            # how far the share is from what is said, on the scale of 1 - expected
            return float(1 - known.unlike(known.scores(x[n:])).mean() - (1 - known.expected) + 0.99)

        return Row("not flagged as unlike, of the usual", f"{n} items, {d} columns, {classes} classes", 0.99, draw)

    yield from (row(40, 20, 2), row(60, 100, 3), row(200, 20, 5))


def _softmax(z: NDArray[Any]) -> NDArray[Any]:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "intervals": intervals, "interval_groups": interval_groups, "held_out_intervals": held_out_intervals,
    "sigmas": sigmas, "quantiles": quantiles, "coefficients": coefficients, "accuracies": accuracies, "shares": shares,
    "strangers": strangers, **{name: lambda part=part: (Row(*sketch) for sketch in part())
                               for name, part in (FIGURES | FOLDS).items()},
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        begun, rows = time.perf_counter(), []
        for row in PARTS[name]():
            rows.append(row.found())
            print(name, {k: v for k, v in rows[-1].items() if k != "standard_error"}, flush=True)
        keep("coverage", PARTS, name, {"rows": rows, "seconds": round(time.perf_counter() - begun)},
             seeds="of each draw its number and the length of the setting's words")  # fmt: skip


if __name__ == "__main__":
    main()
