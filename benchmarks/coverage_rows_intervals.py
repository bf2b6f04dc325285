"""Rows of bench_coverage.py: the 95 % intervals of figures and gains, by the functions that a fit reports them with.

Each row is what is promised, the setting, the level, a function that draws once and says whether the interval held the
truth (1 or 0), and how many draws. The truth is known, or scikit-learn's (of boxes pycocotools') figure on very many.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from regraft.core.boxes import Boxes, Found
from regraft.metrics import classes as metrics
from regraft.metrics.detection import map_gain, map_interval, mean_ap
from regraft.metrics.intervals import paired_gain, share
from regraft.metrics.numbers import paired_rmse_gain, regression
from regraft.pipelines.stages.judging import best_control
from regraft.tasks import TASKS

LEVEL, DRAWS = 0.95, 300
Ends = Sequence[float]
Sketch = tuple[str, str, float, Callable[[np.random.Generator], float], int]


def held(ends: Ends, true: float) -> float:
    return float(ends[0] <= true <= ends[1])


def accuracies() -> Iterator[Sketch]:
    """Of items that have nothing in common."""

    def row(n: int, p: float) -> Sketch:
        return (
            "interval of an accuracy",
            f"{n} items, {p:g}",
            LEVEL,
            lambda rng: held(share(rng.random(n) < p), p),
            3000,
        )

    yield from (row(n, p) for n in (10, 20, 50, 100, 360) for p in (0.5, 0.85, 0.95, 0.99))


def members(rng: np.random.Generator, sizes: Sequence[int], mean: float, alike: float) -> tuple[Any, Any]:
    """Right or wrong, and the group: each group has a chance of its own, drawn from a beta distribution."""
    more = 1 / alike - 1
    chance, group = rng.beta(mean * more, (1 - mean) * more, len(sizes)), np.repeat(np.arange(len(sizes)), sizes)
    return rng.random(len(group)) < chance[group], group


GROUPS = {"10 groups of 10": [10] * 10, "20 groups of 10": [10] * 20, "10 groups of 30": [30] * 10,
          "50 groups of 5": [5] * 50, "32 groups of 1, 2, 5 and 30": [1, 2, 5, 30] * 8}  # fmt: skip


def grouped() -> Iterator[Sketch]:
    """``--group``: accuracies, and what one is better by, of items that belong together."""

    def accuracy(name: str, mean: float, alike: float) -> Sketch:
        setting = f"{name}, {mean:g}, alike {alike:g}"

        def draw(rng: np.random.Generator) -> float:
            return held(share(*members(rng, GROUPS[name], mean, alike)), mean)

        return "interval of an accuracy, by groups", setting, LEVEL, draw, 1000

    def gained(name: str, alike: float) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            (ours, group), (theirs, _) = (members(rng, GROUPS[name], p, alike) for p in (0.85, 0.75))
            return held(paired_gain(ours * 1.0, theirs * 1.0, groups=group)["ci95"], 0.1)

        return "accuracy gained, by groups", f"{name}, alike {alike:g}", LEVEL, draw, 1000

    for name in GROUPS:
        yield from (accuracy(name, 0.85, 0.25), accuracy(name, 0.97, 0.25), accuracy(name, 0.85, 0.6))
        yield gained(name, 0.25)


def best_of_controls() -> Iterator[Sketch]:
    """The gain over the best of three controls, of which the judged items themselves say which that is."""

    def row(n: int, ours: float, theirs: tuple[float, ...], shared: float) -> Sketch:
        def right(rng: np.random.Generator, p: float, ease: NDArray[Any]) -> NDArray[Any]:
            from scipy.stats import norm

            return np.sqrt(shared) * ease + np.sqrt(1 - shared) * rng.normal(size=n) < norm.ppf(p)

        def draw(rng: np.random.Generator) -> float:
            ease, y = rng.normal(size=n), np.zeros(n, int)
            answers = [np.stack([hit, ~hit], 1).astype(float) for hit in (right(rng, p, ease) for p in (ours, *theirs))]
            tried = {str(i): {"accuracy": float(a[:, 0].mean())} for i, a in enumerate(answers[1:])}
            best = int(best_control(tried, "classification") or 0)
            won = TASKS["classification"].gain(y, answers[0], answers[1 + best], 0, None)
            return held(won["ci95"], ours - theirs[best])

        setting = f"{n} items, {ours:g} against {', '.join(f'{p:g}' for p in theirs)}, alike {shared:g}"
        return "gain over the best control", setting, LEVEL, draw, 1000

    for n in (20, 50, 100, 300):
        yield from (
            row(n, 0.8, (0.8, 0.8, 0.8), 0.3),
            row(n, 0.9, (0.85, 0.8, 0.2), 0.7),
            row(n, 0.97, (0.95, 0.95), 0.5),
        )


def several(rng: np.random.Generator, n: int, shares: NDArray[Any], apart: float) -> tuple[Any, Any]:
    """Labels 0 and 1 (n, k), and scores that lie ``apart`` standard deviations higher where a label is there."""
    y = (rng.random((n, len(shares))) < shares).astype(int)
    return y, 1 / (1 + np.exp(-apart * y - rng.normal(size=y.shape)))


@functools.cache
def true_map(shares: tuple[float, ...], apart: float) -> float:
    y, p = several(np.random.default_rng(7), 100_000, np.array(shares), apart)
    return float(np.mean([average_precision_score(y[:, c], p[:, c]) for c in range(len(shares))]))


UNEVEN = tuple((0.5 * 0.6 ** np.arange(8)).tolist())


def multilabel() -> Iterator[Sketch]:
    """``map`` of several labels an item, and the gain over the best control."""

    def figure(n: int, shares: tuple[float, ...], apart: float, name: str) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            found = metrics.multilabel(*several(rng, n, np.array(shares), apart), np.full(len(shares), 0.5))
            return held(found["map_ci95"], true_map(shares, apart))

        return "interval of map, several labels", f"{n} items, {name}, {apart:g} apart", LEVEL, draw, DRAWS

    def gained(n: int, shares: tuple[float, ...]) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            y, p = several(rng, n, np.array(shares), 2.0)
            other = 1 / (1 + np.exp(-1.2 * y - rng.normal(size=y.shape)))
            constant = np.full(p.shape, 0.5)
            tried = {"other": other, "constant": constant}
            figures = {name: {"map": float(np.nanmean(metrics.average_precisions(y, q)))} for name, q in tried.items()}
            name = best_control(figures, "multilabel") or "other"
            won = TASKS["multilabel"].gain(y, p, tried[name], 0, None)
            best = true_map(shares, 1.2) if name == "other" else float(np.mean(shares))
            return held(won["ci95"], true_map(shares, 2.0) - best)

        return "gain over the best control, several labels", f"{n} items, {len(shares)} labels", LEVEL, draw, DRAWS

    def films(count: int) -> Sketch:
        def one(rng: np.random.Generator, count: int) -> tuple[Any, Any, Any]:
            film = np.repeat(np.arange(count), 12)
            y = (rng.random((count, 4)) < 0.3).astype(int)[film]
            return y, 1.5 * y + rng.normal(size=(count, 4))[film] + 0.5 * rng.normal(size=y.shape), film

        y, p, _ = one(np.random.default_rng(7), 4000)
        true = float(np.mean([average_precision_score(y[:, c], p[:, c]) for c in range(4)]))

        def draw(rng: np.random.Generator) -> float:
            y, p, film = one(rng, count)
            return held(metrics.multilabel(y, p, np.zeros(4), film)["map_ci95"], true)

        return "interval of map, several labels, by groups", f"{count} groups of 12", LEVEL, draw, DRAWS

    yield from (figure(n, (0.2,) * 5, 1.5, "5 labels at 0.2") for n in (30, 60, 200))
    yield from (figure(n, (0.1,) * 10, apart, "10 labels at 0.1") for n, apart in ((60, 1.5), (60, 3.0)))
    yield from (
        figure(200, (0.05,) * 10, 1.5, "10 labels at 0.05"),
        figure(200, (0.02,) * 20, 1.5, "20 labels at 0.02"),
    )
    yield from (figure(200, (0.02,) * 80, 2.0, "80 labels at 0.02"), figure(40, (0.1,) * 2, 2.0, "2 labels at 0.1"))
    yield from (figure(100, UNEVEN, apart, "8 labels at 0.5 to 0.014") for apart in (1.0, 2.0))
    yield from (figure(20, (0.3,) * 3, 1.5, "3 labels at 0.3"), figure(100, (0.1,) * 3, 0.0, "3 labels at 0.1"))
    yield from (gained(60, (0.2,) * 5), gained(200, (0.05,) * 10), gained(100, UNEVEN))
    yield from (films(12), films(40))


def scenes(rng: np.random.Generator, n: int, shares: Sequence[float], hit: float, wrong: float) -> tuple[Any, Any]:
    """Boxes of classes with these shares, and what a detector finds: a box in ``hit`` of them, ``wrong`` others."""
    k, truth, found = len(shares), [], []
    for _ in range(n):
        m = rng.poisson(1.5)
        corner = rng.uniform(0, 300, (m, 2))
        boxes, labels = np.hstack([corner, corner + rng.uniform(30, 120, (m, 2))]), rng.choice(k, m, p=shares)
        seen, others = rng.random(m) < hit, rng.poisson(wrong)
        said = np.where(rng.random(m) < 0.9, labels, rng.integers(0, k, m))[seen]
        other = rng.uniform(0, 300, (others, 2))
        truth.append(Boxes(boxes, labels))
        near, far = (boxes + 5 * rng.normal(size=boxes.shape))[seen], np.hstack([other, other + 60])
        found.append(Found(np.vstack([near, far]),
                           np.r_[rng.beta(4, 2, seen.sum()), rng.beta(2, 4, others)],
                           np.r_[said, rng.integers(0, k, others)]))  # fmt: skip
    return truth, found


def weaker(rng: np.random.Generator, found: Sequence[Found]) -> list[Found]:
    return [f.take(rng.random(len(f)) < 0.8) for f in found]


def boxes() -> Iterator[Sketch]:
    """``map`` of boxes, and the gain over another detector."""
    kinds = {"5 classes, 0.5 to 0.04": (0.5, 0.25, 0.13, 0.08, 0.04), "2 classes": (0.5, 0.5), "1 class": (1.0,),
             "12 classes": (1 / 12,) * 12}  # fmt: skip

    @functools.cache
    def true(name: str, hit: float, wrong: float) -> tuple[float, float]:
        rng = np.random.default_rng(7)
        truth, found = scenes(rng, 4000, kinds[name], hit, wrong)
        names = list(map(str, range(len(kinds[name]))))
        return mean_ap(truth, found, names) or 0.0, mean_ap(truth, weaker(rng, found), names) or 0.0

    def figure(n: int, name: str, hit: float = 0.75, wrong: float = 1.5) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            truth, found = scenes(rng, n, kinds[name], hit, wrong)
            ends = map_interval(truth, found, list(map(str, range(len(kinds[name])))))
            return held(ends or [0, 1], true(name, hit, wrong)[0])

        how = f"finds {hit:g}, {wrong:g} wrong a picture"
        return "interval of map, boxes", f"{n} pictures, {name}, {how}", LEVEL, draw, DRAWS

    def gained(n: int, name: str) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            truth, found = scenes(rng, n, kinds[name], 0.75, 1.5)
            won = map_gain(truth, found, weaker(rng, found), list(map(str, range(len(kinds[name])))))
            ours, theirs = true(name, 0.75, 1.5)
            return held(won["ci95"], ours - theirs)

        return "gain in map, boxes", f"{n} pictures, {name}", LEVEL, draw, DRAWS

    yield from (figure(n, "5 classes, 0.5 to 0.04") for n in (20, 50, 100))
    yield from (
        figure(30, "2 classes"),
        figure(50, "1 class"),
        figure(50, "1 class", 0.97, 0.1),
        figure(60, "12 classes"),
    )
    yield from (gained(30, "2 classes"), gained(50, "5 classes, 0.5 to 0.04"))


RESIDUALS: dict[str, tuple[Callable[[np.random.Generator, Any], Any], float]] = {
    "normal": (lambda rng, size: rng.normal(size=size), 1.0),
    "uniform": (lambda rng, size: rng.uniform(-1, 1, size), float(np.sqrt(1 / 3))),
    "Laplace's": (lambda rng, size: rng.laplace(size=size), float(np.sqrt(2))),
    "t of 5": (lambda rng, size: rng.standard_t(5, size), float(np.sqrt(5 / 3))),
}


def errors() -> Iterator[Sketch]:
    """``rmse``, and the gain over the best control, of items and of groups."""

    def figure(n: int, name: str) -> Sketch:
        make, root = RESIDUALS[name]

        def draw(rng: np.random.Generator) -> float:
            return held(regression(make(rng, n), np.zeros(n), 1.0)["rmse_ci95"], root)

        return "interval of rmse", f"{n} items, {name} residuals", LEVEL, draw, 1000

    def gained(n: int, name: str) -> Sketch:
        make, root = RESIDUALS[name]

        def draw(rng: np.random.Generator) -> float:
            a, b = make(rng, n), make(rng, n)
            found = paired_rmse_gain(np.zeros(n), a, 1.5 * (0.8 * a + 0.6 * b))
            return held(found["ci95"], 0.5 * root)

        return "gain in rmse", f"{n} items, {name} residuals", LEVEL, draw, 1000

    def days(count: int, hours: int) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            day = np.repeat(np.arange(count), hours)
            off = rng.normal(size=count)[day] + 0.5 * rng.normal(size=len(day))
            return held(regression(off, np.zeros(len(day)), 1.0, day)["rmse_ci95"], float(np.sqrt(1.25)))

        return "interval of rmse, by groups", f"{count} groups of {hours}", LEVEL, draw, 1000

    for name in RESIDUALS:
        yield from (figure(n, name) for n in (5, 10, 20, 50, 200))
        yield from (gained(n, name) for n in (10, 50))
    yield from (days(8, 10), days(15, 10), days(40, 3))


PARTS: dict[str, Callable[[], Iterator[Sketch]]] = {
    "figures_accuracy": accuracies, "figures_grouped": grouped, "figures_best_control": best_of_controls,
    "figures_multilabel": multilabel, "figures_boxes": boxes, "figures_errors": errors,
}  # fmt: skip
