"""Linear probe: L2-regularised multinomial logistic regression on frozen features.

How the columns are scaled, how strong the penalty is and how bold the answers are is chosen by cross-validation.

Alain and Bengio 2016 (https://arxiv.org/abs/1610.01644); the baseline every transfer has to beat.
"""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from regraft.methods.logistic import (
    Linear,
    common_scaling,
    cross_entropy,
    fit_logistic,
    optimal_temperature,
    shrunken_scaling,
    smoothed_targets,
)
from regraft.model.heads import LinearHead

SUMMARY = "logistic regression on frozen features, strength by cross-validation (Alain and Bengio 2016)"

STRENGTHS = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Tried from strong to weak, each fit starting from the one before."""

FEW_SHOT_STRENGTH = 0.01
"""Where there are too few examples to choose. Rows have a mean square of 1, so weights of the size that separates
neighbouring classes by a few nats (|w|^2 of some hundreds) cost about as much as one example explained."""

FOLDS, FOLD_ROWS, LEAST_PER_CLASS = 5, 3000, 3

SCALINGS = {"common": common_scaling, "column": shrunken_scaling}


@dataclass(frozen=True)
class Fitted:
    """A head and a record of how it was chosen."""

    head: LinearHead
    record: dict[str, Any]


def fit_features(
    rows: NDArray[Any],
    labels: NDArray[Any],
    classes: int,
    *,
    seed: int = 0,
    own_units: bool = False,
    record: dict[str, Any] | None = None,
) -> Fitted:
    """Features (n, D) and labels (n,) in 0..classes-1 -> a head (D -> classes).

    Scaling, strength and temperature are chosen by stratified 5-fold cross-validation inside these rows, where the
    median class has three examples or more: by the log loss at the best temperature of the pooled out-of-fold
    logits, so that a strong penalty is not blamed for being modest. With fewer examples a stated default stands;
    ``own_units`` says that each column has a unit of its own, as in a table, which decides its scaling. ``record``,
    that of an earlier fit, repeats its choice without choosing again (for a refit on more rows).

    The result does not depend on how many threads there are.
    """
    with threadpool_limits(1):
        if record is None:
            record = choose(rows, labels, classes, seed, own_units)
        scaling = SCALINGS[record["scaling"]](rows)
        linear = fit_logistic(scaling(rows), labels, classes, record["strength"])
    t = record["temperature"]
    head = LinearHead.of(*scaling, linear.weight / t, linear.bias / t, rows.dtype)
    return Fitted(head, record)


def choose(rows: NDArray[Any], labels: NDArray[Any], classes: int, seed: int, own_units: bool) -> dict[str, Any]:
    """The scaling, strength and temperature for these rows, and what the choice was made from."""
    counts = np.bincount(labels, minlength=classes)
    if np.median(counts[counts > 0]) < LEAST_PER_CLASS:
        return {"scaling": "column" if own_units else "common", "strength": FEW_SHOT_STRENGTH, "temperature": 1.0,
                "chosen_by": "default for few examples"}  # fmt: skip
    rng = np.random.default_rng(seed)
    if len(rows) > FOLD_ROWS:  # the choice of a few numbers gains nothing from more
        chosen = np.sort(rng.permutation(len(rows))[:FOLD_ROWS])
        rows, labels = rows[chosen], labels[chosen]
    fold = stratified_folds(labels, min(FOLDS, int(counts.max())), rng)
    with ThreadPoolExecutor(2) as pool:
        tried = [one for name in SCALINGS for one in _path(name, rows, labels, classes, fold, pool)]
    best = min(tried, key=lambda t: t["log_loss"])
    return {**best, "chosen_by": f"{fold.max() + 1}-fold cross-validation", "tried": tried}


def _path(
    scaling: str,
    rows: NDArray[Any],
    labels: NDArray[Any],
    classes: int,
    fold: NDArray[np.int64],
    pool: Executor,
) -> list[dict[str, Any]]:
    """The cross-validated log loss of one scaling from strong to weak, until it has worsened twice."""
    targets = smoothed_targets(labels, classes)
    folds = range(int(fold.max()) + 1)
    scaled = list(pool.map(lambda f: SCALINGS[scaling](rows[fold != f])(rows), folds))
    starts: list[Linear | None] = [None] * len(folds)
    tried: list[dict[str, Any]] = []
    for strength in STRENGTHS:

        def fit_one(f: int, strength: float = strength) -> Linear:
            learn = fold != f
            return fit_logistic(scaled[f][learn], labels[learn], classes, strength, start=starts[f])

        fitted = list(pool.map(fit_one, folds))
        logits = np.zeros((len(labels), classes))
        for f, linear in enumerate(fitted):
            logits[fold == f] = linear(scaled[f][fold == f])
        starts[:] = fitted
        temperature = optimal_temperature(logits, targets)
        tried.append({"scaling": scaling, "strength": strength, "temperature": temperature,
                      "log_loss": cross_entropy(logits / temperature, targets)})  # fmt: skip
        losses = [t["log_loss"] for t in tried[-3:]]
        if len(losses) == 3 and losses[2] > losses[1] > losses[0]:
            break
    return tried


def stratified_folds(labels: NDArray[Any], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) fold numbers 0..folds-1; every class is spread over the folds as evenly as it can be."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold
