"""How a model's outputs become answers, and what they are worth beside others'."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import HEADLINE, Problem
from regraft.metrics import classes as metrics
from regraft.metrics.intervals import paired_gain, share
from regraft.metrics.numbers import paired_rmse_gain
from regraft.models.model import Model
from regraft.tasks.uncertainty import sureness


def decision(
    model: Model,
    outputs: NDArray[Any] | None,
    truth: NDArray[Any],
    settings: dict[str, Any],
    name: str,
    groups: NDArray[Any] | None = None,
) -> tuple[dict[str, Any], Problem | None]:
    """How outputs become answers, and what a person should know of it.

    Chosen on the calibrated ``outputs`` (logits or numbers) for items of the training part that the head had not seen,
    with the labels ``truth`` and, where no split may tear them, ``groups``; ``outputs`` is None where there are too
    few. ``name`` is that of the data.
    """
    if model.target.task == "multilabel":
        if outputs is None:
            return {"thresholds": [0.5] * len(model.target.classes)}, None
        return {"thresholds": metrics.best_thresholds(truth, model.from_logits(outputs)).tolist()}, None
    if model.target.task == "regression":
        level = settings["interval"]
        found = sureness(outputs, truth, quantiles=settings["quantiles"], level=level, groups=groups)
        least = math.ceil(1 / (1 - (level or 0)) - 1e-9) - 1
        why = f"{_unseen(outputs, groups)} are too few for an interval of {level}"
        few = Problem("no-interval", name, f"{why}: {least} or more carry one")
        return found, few if level and "interval" not in found else None
    wanted = settings["accuracy"]
    if not wanted:
        return {}, None
    chosen = None
    if outputs is not None:
        probabilities = model.from_logits(outputs)
        correct = (probabilities.argmax(1) == truth).astype(float)
        chosen = metrics.abstention_threshold(probabilities.max(1), correct, wanted, groups)
    if chosen is None:
        least = metrics.answers_needed(wanted)
        why = f"{_unseen(outputs, groups)} inside the training part show none with {metrics.SURE:.0%} certainty"
        why = f"no confidence for accuracy {wanted}: {why}; it takes {least} answered without a mistake, more with some"
        return {}, Problem("no-abstention", name, why)
    return {"abstain_below": chosen["threshold"], "cross_validated": chosen}, None


def _unseen(outputs: NDArray[Any] | None, groups: NDArray[Any] | None) -> str:
    """The items that the head had not seen, in words."""
    if outputs is None or groups is None:
        return f"{0 if outputs is None else len(outputs)} unseen items"
    return f"{len(outputs)} unseen items of {len(np.unique(groups))} groups"


def gain(
    task: str,
    labels: NDArray[Any],
    ours: NDArray[Any],
    theirs: NDArray[Any],
    seed: int,
    groups: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """The headline figure of one model minus that of another on the same items, with its paired interval, that of
    ``groups`` (n,) where items belong together; of errors (rmse) theirs minus ours, so that more is better.
    """
    if task == "multilabel":
        return metrics.paired_map_gain(labels, ours, theirs, seed=seed, groups=groups)
    if task == "regression":
        return paired_rmse_gain(labels, ours[:, 0], theirs[:, 0], groups)
    right = ((p.argmax(1) == labels).astype(float) for p in (ours, theirs))
    return paired_gain(*right, seed=seed, groups=groups)


def best_control(figures: dict[str, dict[str, Any]], task: str) -> str | None:
    """Of the ``figures`` by control the name of the best; None where there is none."""
    metric, sign = HEADLINE[task]
    return max(figures, key=lambda name: sign * float(figures[name][metric]), default=None)


def abstaining(
    labels: NDArray[np.int64], probabilities: NDArray[Any], least: Any, groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """On the judged items: the share left to a person, since the answer's confidence is below the ``least``, one for
    all or (n,), and the accuracy of the rest with its interval.
    """
    answered = probabilities.max(1) >= least
    right = (probabilities.argmax(1) == labels)[answered]
    n = len(right)
    ends = share(right, None if groups is None else groups[answered])
    return {"answered": n, "left": float(1 - answered.mean()),
            "accuracy": float(right.mean()) if n else None, "accuracy_ci95": ends}  # fmt: skip
