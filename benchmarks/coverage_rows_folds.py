"""Rows of bench_coverage.py: the intervals of few items, each judged by a cross-validation, around what the model that
learned from all of them then reaches on new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import LabelSpec
from regraft.data.folds import deal
from regraft.methods.probes.linear_probe import fit_features
from regraft.metrics.intervals import share
from regraft.models.model import Model
from regraft.pipelines.stages.cross_validation import mean_of_rounds
from regraft.tasks import TASKS
from regraft.tasks.uncertainty import uncertainty

NEW, DRAWS, FEW_COLUMNS = 3000, 300, 3
Sketch = tuple[str, str, float, Callable[[np.random.Generator], float], int]


def judged(x: NDArray[Any], y: NDArray[Any], target: LabelSpec, columns: int) -> tuple[Model, NDArray[Any]]:
    """The model of all items but the last `NEW`, and by rounds what models that had not seen them say of them."""
    learn = len(y) - NEW
    folds = deal(y[:learn], None, None, 0)
    assert folds is not None

    def fitted(some: NDArray[Any]) -> Model:
        found = fit_features(x[:learn][some, :columns], y[:learn][some], target)
        model = Model(None, found.head, "label", target)  # type: ignore[arg-type]
        if target.task == "regression":
            model.decision = uncertainty(found.logits, y[:learn][some])
        return model

    said = []
    for fold in folds:
        parts = [fitted(fold != f).probabilities(x[:learn][fold == f, :columns]) for f in range(fold.max() + 1)]
        round_ = np.zeros((learn, parts[0].shape[1]))
        for f, part in enumerate(parts):
            round_[fold == f] = part
        said.append(round_)
    return fitted(np.ones(learn, bool)), np.array(said)


@cache
def drawn(kind: str, k: int, each: int, apart: float, d: int, seed: int) -> dict[str, float]:
    """Whether the interval held the figure, and the gain over a model of `FEW_COLUMNS` columns: 1 or 0."""
    rng = np.random.default_rng([seed, k, each, d])
    n = each * max(k, 1) + NEW
    if kind == "classification":
        y = np.concatenate([np.repeat(np.arange(k), each), rng.integers(0, k, NEW)])
        x = apart * np.sqrt(2 / d) * rng.normal(size=(k, d))[y] + rng.normal(size=(n, d))
    elif kind == "multilabel":
        x = rng.normal(size=(n, d))
        y = (x @ rng.normal(size=(d, k)) * apart / np.sqrt(d) + rng.normal(size=(n, k)) > 0.8).astype(np.int64)
        y[:k] |= np.eye(k, dtype=np.int64)
    else:
        x = rng.normal(size=(n, d))
        y = x @ rng.normal(size=d) * apart / np.sqrt(d) + rng.normal(size=n)
    target = LabelSpec(kind, () if kind == "regression" else tuple(map(str, range(k))))  # type: ignore[arg-type]
    metric = TASKS[target.task].headline
    (ours, said), (theirs, other) = (judged(x, y, target, columns) for columns in (d, FEW_COLUMNS))
    old, new = y[:-NEW], y[-NEW:]
    found = mean_of_rounds([ours.figures(old, p) for p in said])
    gained = mean_of_rounds(
        [{**TASKS[kind].gain(old, p, q, 0, None), "metric": metric} for p, q in zip(said, other, strict=True)]
    )
    fresh = [m.probabilities(x[-NEW:, :c]) for m, c in ((ours, d), (theirs, FEW_COLUMNS))]
    true = [float(ours.figures(new, p)[metric]) for p in fresh]
    low, high = found[f"{metric}_ci95"]
    worse = -1 if metric == "rmse" else 1
    down, up = gained["ci95"]
    return {"figure": float(low <= true[0] <= high), "gain": float(down <= worse * (true[0] - true[1]) <= up)}


def rows(kind: str, settings: list[tuple[int, int, float, int]]) -> Iterator[Sketch]:
    metric = {"classification": "accuracy", "multilabel": "map", "regression": "rmse"}[kind]
    for k, each, apart, d in settings:
        what = f"{each} items a class, {k} classes" if kind == "classification" else (
            f"{each * k} items, {k} labels" if k > 1 else f"{each} items")  # fmt: skip
        setting = f"{what}, {d} columns, {apart:g} apart"
        for figure in ("figure", "gain"):

            def draw(rng: np.random.Generator, at: Any = (kind, k, each, apart, d), figure: str = figure) -> float:
                return drawn(*at, int(rng.integers(2**32)))[figure]

            name = f"{metric} of few, cross-validated" if figure == "figure" else f"gain in {metric}, cross-validated"
            yield name, setting, 0.95, draw, DRAWS


def folds_of_classes() -> Iterator[Sketch]:
    yield from rows("classification", [(2, 5, 2.5, 30), (2, 10, 2.5, 30), (2, 20, 2.5, 30)])


def folds_of_more_classes() -> Iterator[Sketch]:
    yield from rows("classification", [(5, 5, 4.0, 30), (5, 10, 4.0, 30), (5, 20, 4.0, 30)])


def folds_of_labels() -> Iterator[Sketch]:
    yield from rows("multilabel", [(3, 15, 3.0, 10)])


def folds_of_numbers() -> Iterator[Sketch]:
    yield from rows("regression", [(1, 15, 2.0, 5), (1, 40, 2.0, 5)])


def folds_in_closed_form() -> Iterator[Sketch]:
    """The accuracy of a ridge on one-hot targets, which is quick: by these rows the width was chosen."""

    def hits(x: Any, y: Any, new: Any, true: Any, k: int) -> Any:
        mean, hot = x.mean(0), np.eye(k)[y]
        gram = (x - mean) @ (x - mean).T
        weight = (x - mean).T @ np.linalg.solve(
            gram + 0.3 * np.trace(gram) / len(x) * np.eye(len(x)), hot - hot.mean(0)
        )
        return ((new - mean) @ weight + hot.mean(0)).argmax(1) == true

    def row(k: int, each: int, apart: float, d: int = 30) -> Sketch:
        def draw(rng: np.random.Generator) -> float:
            y, new = np.repeat(np.arange(k), each), rng.integers(0, k, NEW)
            centres = apart * 1.4 / np.sqrt(d) * rng.normal(size=(k, d))
            x, fresh = (centres[c] + rng.normal(size=(len(c), d)) for c in (y, new))
            dealt, rounds = deal(y, None, None, int(rng.integers(2**31))), []
            assert dealt is not None
            for fold in dealt:
                right = np.zeros(len(y), bool)
                for f in range(fold.max() + 1):
                    right[fold == f] = hits(x[fold != f], y[fold != f], x[fold == f], y[fold == f], k)
                rounds.append({"accuracy": float(right.mean()), "accuracy_ci95": share(right)})
            low, high = mean_of_rounds(rounds)["accuracy_ci95"]
            return float(low <= hits(x, y, fresh, new, k).mean() <= high)

        setting = f"{each} items a class, {k} classes, {d} columns, {apart:g} apart"
        return "accuracy of few, cross-validated, a ridge", setting, 0.95, draw, DRAWS

    yield from (row(k, each, apart) for k in (2, 5, 10) for each in (5, 10, 20) for apart in (0.7, 1.5, 3.0))


PARTS = {f.__name__: f for f in (folds_in_closed_form, folds_of_classes, folds_of_more_classes, folds_of_labels,
                                folds_of_numbers)}  # fmt: skip
