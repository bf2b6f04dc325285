"""Linear probe: L2-regularised multinomial logistic regression on frozen features; for numbers, ridge regression.

How the columns are scaled, how strong the penalty is and how bold the answers are is chosen by cross-validation.

Alain and Bengio 2016 (https://arxiv.org/abs/1610.01644); the baseline every transfer has to beat.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from threadpoolctl import threadpool_limits

from regraft.core.types import LabelSpec
from regraft.data.folds import stratified_folds
from regraft.methods.base import Fitted
from regraft.methods.probes.logistic import (
    Linear,
    Scaling,
    blockwise,
    cross_entropy,
    fit_logistic,
    optimal_temperature,
    smoothed_targets,
    span,
    targets_of,
)
from regraft.methods.probes.many_path import along_path, on_all
from regraft.methods.probes.many_rows import ManyRows
from regraft.methods.probes.ridge import fit_regression
from regraft.models.heads import LinearHead
from regraft.tasks import TASKS, Link

KIND = "features"
SUMMARY = "logistic (for numbers, ridge) regression on frozen features, strength chosen (Alain and Bengio 2016)"

STRENGTHS = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Tried from strong to weak, each fit starting from the one before."""

FEW_SHOT_STRENGTH = 0.01
"""Where there are too few examples to choose. Rows have a mean square of 1, so weights of the size that separates
neighbouring classes by a few nats (|w|^2 of some hundreds) cost about as much as one example explained."""

DRAWN = 1.0
"""How far the natural log of the temperature is expected to lie from 0 where two examples a class choose it."""

ClassWeight = str | Sequence[float] | None

FOLDS, FOLD_ROWS, FOLD_VALUES, LEAST_PER_CLASS, THREADED = 5, 3000, 2_000_000, 3, 100_000

SCALINGS = ("common", "column")
"""How columns are scaled, see `logistic.blockwise`; those of a table are standardised."""

MANY, MOST_VALUES, ROWS_A_COLUMN = 10_000_000, 1_000_000_000, 300
"""From how many values, rows x columns x outputs, `many_path` takes over; the most values, and rows a column, that it
chooses by."""


def fit_features(
    rows: NDArray[Any],
    labels: NDArray[Any],
    target: LabelSpec,
    *,
    seed: int = 0,
    per_feature_scaling: bool = False,
    blocks: Sequence[int] | None = None,
    class_weight: ClassWeight = None,
    groups: NDArray[Any] | None = None,
    record: dict[str, Any] | None = None,
    **regression: Any,
) -> Fitted:
    """Features (n, D) and labels (indices (n,), or for multilabel 0 and 1 (n, k)) -> a head (D -> k). In place of
    indices the probabilities (n, k) that a teacher gives can be learned.

    Scaling, strength and temperature are chosen by stratified 5-fold cross-validation inside these rows, where the
    median class has three examples or more: by the log loss at the best temperature of the pooled out-of-fold logits,
    so that a strong penalty is not blamed for being modest. With fewer examples a stated default stands, but for the
    temperature where classes have two. With ``per_feature_scaling`` each column, which has a unit of its own as in a
    table, is scaled by its own spread. ``class_weight`` is None, ``"balanced"`` (every class weighs the same), or a
    weight a class. ``record``, that of an earlier fit, repeats its choice without choosing again (for a refit on more
    rows). No fold tears one of ``groups`` (n,). ``blocks`` are the widths of the parts that a fusion's columns fall
    into: each is scaled for itself, and may be given the scaling and the strength that suit it best alone.

    Numbers (n,) in place of labels make it a ridge regression, with the options ``regression`` of
    `regraft.methods.probes.ridge.fit_regression`. Many rows go the way of `many_path`, in
    float32. The result does not depend on how many threads there are.
    """
    if TASKS[target.task].numbers:
        return fit_regression(rows, labels, seed=seed, per_feature_scaling=per_feature_scaling, blocks=blocks,
                              groups=groups, record=record, **regression)  # fmt: skip
    ways = ("standard",) if per_feature_scaling else SCALINGS
    problem = _Problem(rows, labels, target, class_weight, groups, blocks or (rows.shape[1],), ways)
    stopped: list[str] = []
    with threadpool_limits(1):
        chosen = _choose(problem, seed) if record is None else Choice(record)
        record = {k: v for k, v in chosen.record.items() if k != "stopped_early"}
        scaling, linear = problem.whole(record, stopped)
    record |= {"stopped_early": stopped} if stopped else {}
    t = record["temperature"]
    head = LinearHead.of(*scaling, linear.weight / t, linear.bias / t, rows.dtype)
    return Fitted(head, record, chosen.rows, chosen.logits)


class _Problem:
    """Rows with their targets and weights, in the terms of `logistic`."""

    def __init__(
        self,
        rows: NDArray[Any],
        labels: NDArray[Any],
        target: LabelSpec,
        class_weight: ClassWeight,
        groups: NDArray[Any] | None,
        blocks: Sequence[int],
        ways: Sequence[str],
    ) -> None:
        self.groups, self.blocks, self.ways = groups, blocks, ways
        self.rows = rows
        self.targets = targets_of(labels, len(target.classes))
        self.link: Link = TASKS[target.task].link or "softmax"
        self.weights = row_weights(self.targets, class_weight)
        self.strata = labels.argmax(1) if self.link == "softmax" and labels.ndim == 2 else labels
        self.many: ManyRows | None = None

    def scaling(self, how: dict[str, Any], learn: Any) -> Scaling:
        """By the rows ``learn``; ``how`` names one way for all blocks, or holds one for each."""
        ways = how.get("blocks") or [{"scaling": how["scaling"], "factor": 1.0}] * len(self.blocks)
        names, factors = [w["scaling"] for w in ways], [w["factor"] for w in ways]
        return blockwise(names, factors, self.rows[learn], self.blocks, self.targets[learn])

    def block(self, number: int) -> _Problem:
        """The same with one block's columns alone."""
        part = copy.copy(self)
        start, width = sum(self.blocks[:number]), self.blocks[number]
        rows: Any = self.rows[:, start : start + width]
        whole = issparse(rows) and rows.nnz == rows.shape[0] * width
        part.rows, part.blocks = rows.toarray() if whole else rows, (width,)
        part.many = None if self.many is None else self.many.columns(start, width)
        return part

    def take(self, chosen: NDArray[np.int64]) -> _Problem:
        part = copy.copy(self)
        part.rows, part.targets, part.strata = self.rows[chosen], self.targets[chosen], self.strata[chosen]
        part.weights = None if self.weights is None else self.weights[chosen]
        part.groups = None if self.groups is None else self.groups[chosen]
        return part

    def in_folds(self, fold: NDArray[np.int64]) -> _Problem:
        """The same, ready to leave one fold out; where rows are many by `many_path`."""
        part = copy.copy(self)
        part.many = self._many_rows(fold) if self.is_many(len(self.targets)) else None
        return part

    def is_many(self, n: int) -> bool:
        """Whether so many of these rows are worth the way of `many_path`."""
        d = self.rows.shape[1]
        return not issparse(self.rows) and n >= 2 * d and n * d * self.outputs >= MANY

    @property
    def outputs(self) -> int:
        """For how many columns is solved."""
        k: int = self.targets.shape[1]
        return 1 if self.link == "softmax" and k == 2 else k

    def _many_rows(self, fold: NDArray[np.int64] | None) -> ManyRows:
        return ManyRows(self.rows, self.targets, self.link, self.weights, fold, threads())

    def whole(self, how: dict[str, Any], stopped: list[str]) -> tuple[Scaling, Linear]:
        """The scaling and the regression of all rows, as was chosen."""
        if self.is_many(len(self.targets)):
            return on_all(self._many_rows(None), how, self.blocks, how["strength"], stopped)
        scaling = self.scaling(how, slice(None))
        return scaling, self.fit(scaling(self.rows), slice(None), how["strength"], None, stopped)

    def fit(
        self, x: NDArray[Any], learn: Any, strength: float, start: Linear | None, stopped: list[str] | None = None
    ) -> Linear:
        weights = None if self.weights is None else self.weights[learn]
        return fit_logistic(x[learn], self.targets[learn], strength, link=self.link, weights=weights, start=start,
                            stopped=stopped)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the out-of-fold logits it was chosen by."""

    record: dict[str, Any]
    rows: NDArray[np.int64] | None = None
    logits: NDArray[Any] | None = None


def _choose(problem: _Problem, seed: int) -> Choice:
    """The scaling, strength and temperature for these rows, and what the choice was made from."""
    counts = problem.targets.sum(0)
    rng = np.random.default_rng(seed)
    if np.median(counts[counts > 0]) < LEAST_PER_CLASS:
        return Choice(_default(problem, rng))
    chosen = np.arange(len(problem.targets))
    x: Any = problem.rows
    values = x.nnz // len(chosen) if issparse(x) else x.shape[1]
    most = min(FOLD_ROWS, max(500, FOLD_VALUES // max(values, 1)))
    larger = min(len(chosen), MOST_VALUES // max(x.shape[1] * problem.outputs, 1), ROWS_A_COLUMN * x.shape[1])
    if problem.is_many(larger):
        most = larger
    if len(chosen) > most:  # the choice of a few numbers gains nothing from more
        chosen = np.sort(rng.permutation(len(chosen))[:most])
        problem = problem.take(chosen)
    folds = min(FOLDS, int(counts.max()))
    if problem.groups is not None:
        folds = min(folds, len(np.unique(problem.groups)))
        if folds < 2:
            default = {"scaling": problem.ways[0], "strength": 1.0, "temperature": 1.0}
            return Choice({**default, "chosen_by": "default, since all rows are of one group"})
    fold = stratified_folds(problem.strata, folds, rng, problem.groups)
    problem = problem.in_folds(fold)
    size = min(values, len(chosen)) * problem.targets.size
    # two threads that hand tiny problems to each other cost more than they do
    with ThreadPoolExecutor(2) if size > THREADED else nullcontext() as pool:
        ways: list[dict[str, Any]] = [{"scaling": name} for name in problem.ways]
        if len(problem.blocks) > 1:
            ways.append(_each_its_own(problem, fold, pool))
        tried = [one for how in ways for one in _path(how, problem, fold, pool)]
    best, logits = min(tried, key=lambda t: t[0]["log_loss"])
    record = {**best, "chosen_by": f"{fold.max() + 1}-fold cross-validation", "tried": [t for t, _ in tried]}
    return Choice(record, chosen, logits / best["temperature"])


def _default(problem: _Problem, rng: np.random.Generator) -> dict[str, Any]:
    """What stands where classes have one or two examples. With two, each half shows how bold the other may be: the
    temperature that suits both, drawn towards 1, since a few answers, all right or all wrong, would ask for certainty
    or for none.
    """
    default = {"scaling": problem.ways[0], "strength": FEW_SHOT_STRENGTH}
    temperature, counts = 1.0, problem.targets.sum(0)
    if np.median(counts[counts > 0]) >= 2 and (problem.groups is None or len(np.unique(problem.groups)) > 1):
        fold = stratified_folds(problem.strata, 2, rng, problem.groups)
        logits = np.zeros(problem.targets.shape)
        for f in (0, 1):
            scaled = problem.scaling(default, fold != f)(problem.rows)
            logits[fold == f] = problem.fit(scaled, fold != f, FEW_SHOT_STRENGTH, None)(scaled[fold == f])
        hot = smoothed_targets(problem.targets, problem.link)
        temperature = optimal_temperature(logits, hot, problem.link, problem.weights, spread=DRAWN)
    return {**default, "temperature": temperature, "chosen_by": "default for few examples"}


def _each_its_own(problem: _Problem, fold: NDArray[np.int64], pool: Executor | None) -> dict[str, Any]:
    """Every block with the scaling and, by a factor on its columns, the strength that it would be given alone."""
    alone = []
    for number in range(len(problem.blocks)):
        part = problem.block(number)
        tried = [one for name in problem.ways for one, _ in _path({"scaling": name}, part, fold, pool)]
        alone.append(min(tried, key=lambda t: t["log_loss"]))
    middle = np.exp(np.mean([np.log(a["strength"]) for a in alone]))
    return {"scaling": "own", "blocks": [
        {"scaling": a["scaling"], "factor": float(np.sqrt(middle / a["strength"]))} for a in alone]}  # fmt: skip


def _path(
    how: dict[str, Any], problem: _Problem, fold: NDArray[np.int64], pool: Executor | None
) -> list[tuple[dict[str, Any], NDArray[Any]]]:
    """Cross-validated log loss and logits of one way of scaling, strong to weak, until the loss has worsened twice."""
    targets = smoothed_targets(problem.targets, problem.link)
    if problem.many is not None:
        logits_of = along_path(problem.many, how, problem.blocks)
    else:
        logits_of = _fold_by_fold(how, problem, fold, pool)
    tried: list[tuple[dict[str, Any], NDArray[Any]]] = []
    for strength in STRENGTHS:
        logits = logits_of(strength)
        temperature = optimal_temperature(logits, targets, problem.link, problem.weights)
        loss = cross_entropy(logits / temperature, targets, problem.link, problem.weights)
        figures = {**how, "strength": strength, "temperature": temperature, "log_loss": loss}
        tried.append((figures, logits))
        losses = [t["log_loss"] for t, _ in tried[-3:]]
        if len(losses) == 3 and losses[2] > losses[1] > losses[0]:
            break
    return tried


def _fold_by_fold(
    how: dict[str, Any], problem: _Problem, fold: NDArray[np.int64], pool: Executor | None
) -> Callable[[float], NDArray[Any]]:
    """A function that gives for a strength, one after the other from strong to weak, the out-of-fold logits."""
    folds = range(int(fold.max()) + 1)

    def prepare(f: int) -> NDArray[Any]:
        learn = fold != f
        x = problem.scaling(how, learn)(problem.rows)
        if issparse(x):
            return x
        # for all strengths at once: what lies outside the training rows' span meets no weight
        return x @ span(x[learn]) if learn.sum() < x.shape[1] / 2 else x

    each = map if pool is None else pool.map
    scaled = list(each(prepare, folds))
    starts: list[Linear | None] = [None] * len(folds)

    def logits(strength: float) -> NDArray[Any]:
        def fit_one(f: int) -> Linear:
            return problem.fit(scaled[f], fold != f, strength, starts[f])

        fitted = list(each(fit_one, folds))
        found = np.zeros(problem.targets.shape)
        for f, linear in enumerate(fitted):
            found[fold == f] = linear(scaled[f][fold == f])
        starts[:] = fitted
        return found

    return logits


def threads() -> int:
    """How many work on many rows: as many as networks may use."""
    return torch.get_num_threads()


def row_weights(targets: NDArray[Any], class_weight: ClassWeight) -> NDArray[np.float64] | None:
    """(n,) weights of mean 1: ``balanced`` lets every class weigh the same, a sequence holds a weight a class.

    A row of several classes takes the mean of theirs, one of none the smallest weight.
    """
    if class_weight is None:
        return None
    of_class = 1 / np.maximum(targets.sum(0), 1) if class_weight == "balanced" else np.asarray(class_weight, np.float64)
    rows = (targets * of_class).sum(1) / np.maximum(targets.sum(1), 1)
    rows[targets.sum(1) == 0] = of_class.min()
    weights: NDArray[np.float64] = rows / rows.mean()
    return weights
