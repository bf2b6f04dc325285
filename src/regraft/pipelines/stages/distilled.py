"""What a student is worth beside its teacher: what it lost in accuracy, what it won in speed and size."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.data.items import Items
from regraft.features.engines.base import plain_engine
from regraft.features.fusion import parts_of
from regraft.features.labelled import LabelledFeatures, own_engine
from regraft.inference.predictor import Predictor
from regraft.metrics.intervals import difference, share
from regraft.metrics.paired_tests import mcnemar
from regraft.models.model import Model
from regraft.pipelines.context import FitContext
from regraft.pipelines.stages.learn import head_learner, model_of
from regraft.pipelines.stages.outcome import Outcome
from regraft.pipelines.stages.teacher import Teacher
from regraft.pipelines.stages.unlabelled import Unlabelled

ROUNDS, SECONDS, FEWEST, MOST = 3, 1.0, 32, 512
"""Turns that each model is timed for, how long the slower one's takes about, and on how many items."""


def labels_alone(context: FitContext, method: Any, train: LabelledFeatures) -> Model:
    """What ``method`` makes of the same network by those training rows alone that have a label, without a teacher."""
    assert train.lesson is not None
    rows = replace(train.at(np.flatnonzero(train.lesson.hot.any(1))), lesson=None)
    data, groups = context.split.train, context.groups_of(rows)
    fitted = head_learner(context, method)(rows.x, rows.y, groups=groups)
    if method.KIND == "features":
        return Model(context.network, fitted.head, data.target_name, data.target)
    from regraft.training.network import train_network
    from regraft.training.trainer import Initialization
    from regraft.training.validation import validation_split

    start = Initialization(context.network, fitted.head, fitted.record, context.warm)
    training = context.training.inside("alone")
    if not len(validation_split(rows.y, groups, training.seed)[1]):  # too few to hold some out, and nothing else asks
        training = training.with_options(refit_full=None, patience=None)
    return model_of(context, train_network(method, start, data, rows, training, groups))


def compared(
    context: FitContext, teacher: Teacher, student: Model, outcomes: list[Outcome], unlabelled: Unlabelled,
    train: LabelledFeatures,
) -> dict[str, Any]:  # fmt: skip
    """``metrics["distillation"]`` of a fit: ``teacher`` and ``student``, what they are (``megabytes`` of weights,
    ``items_a_second``); ``judged`` on the same items, or None; how often they agree on unlabelled items that were held
    out (``agreement``), or None; the ``speed`` of both; how many items were learned from, and left out.
    """
    assert train.lesson is not None
    asked, labelled = context.options.distillation, int(train.lesson.hot.any(1).sum())
    judged = _judged(context, teacher, outcomes[0]) if outcomes else None
    speed = _in_turns(context, teacher, student, _to_time(context, unlabelled, judged))
    sides = {name: {"megabytes": _megabytes(model), "items_a_second": speed.pop(name)}
             for name, model in (("teacher", teacher.model), ("student", student))}  # fmt: skip
    return {
        "teacher": {"run": teacher.path, "backbone": teacher.model.network.name, **sides["teacher"]},
        "student": {"backbone": student.network.name, **sides["student"]},
        "judged": judged, "agreement": _agreement(context, teacher, student, unlabelled), "speed": speed,
        "temperature": asked.temperature, "label_weight": asked.label_weight if labelled else None,
        "items": {"labelled": labelled, "unlabelled": len(train.y) - labelled, "held_out": len(unlabelled.held)},
        "left_out": unlabelled.left_out,
    }  # fmt: skip


def _judged(context: FitContext, teacher: Teacher, outcome: Outcome) -> dict[str, Any] | None:
    """Accuracies of teacher, student and the student of labels alone on items that none has learned from, and how far
    apart they are, item by item.
    """
    val = context.split.val
    assert val is not None
    said, at = teacher.answers(val.items.take(outcome.rows.items), context.store)
    if not len(at):
        return None
    y, groups = outcome.rows.y[at], context.split.groups_judged(outcome.rows.items[at])
    answers = {"teacher": said, "student": outcome.probabilities[at]}
    if alone := [c for c in outcome.controls if c.name == "alone"]:
        answers["labels_alone"] = alone[0].probabilities[at]
    right = {name: (p.argmax(1) == y).astype(float) for name, p in answers.items()}
    found: dict[str, Any] = {"items": len(y)}
    for name, r in right.items():
        found[name] = {"accuracy": float(r.mean()), "accuracy_ci95": share(r, groups)}
    for name in [n for n in right if n != "student"]:
        ours, theirs = right["student"], right[name]
        found[f"student_less_{name}"] = {"value": float((ours - theirs).mean()), "p": mcnemar(ours, theirs, groups),
                                         "ci95": difference(ours, theirs, groups)}  # fmt: skip
    return found


def _agreement(context: FitContext, teacher: Teacher, student: Model, unlabelled: Unlabelled) -> dict[str, Any] | None:
    """On how many of the held-out items without labels both give the same answer."""
    said, at = teacher.answers(unlabelled.held.items, context.store)
    if not len(at):
        return None
    ours = _predictor(context, student).answer(unlabelled.held.items.take(at))
    same = (ours.probabilities.argmax(1) == said[ours.positions].argmax(1)).astype(float)
    return {"items": len(same), "value": float(same.mean()), "ci95": share(same)}


def _predictor(context: FitContext, model: Model, manifest: dict[str, Any] | None = None) -> Predictor:
    """A model ready to answer by the engine asked for, plain where that is open: the same for teacher and student."""
    device = context.runner.device
    engine = own_engine(context.options.network.engine, plain_engine(parts_of(model.network)[0], device))
    return Predictor(model, manifest or {"record": {}}, engine=engine, device=device)


def _to_time(context: FitContext, unlabelled: Unlabelled, judged: dict[str, Any] | None) -> Items:
    """What both are timed on."""
    if len(unlabelled.held) >= FEWEST:
        return unlabelled.held.items
    val = context.split.val
    return context.split.train.items if val is None or judged is None or len(val) < FEWEST else val.items


def _in_turns(context: FitContext, teacher: Teacher, student: Model, items: Items) -> dict[str, Any]:
    """Items a second of both as `predict` answers, decoding included, in turns on the same items; how many ``times``
    faster the student is: the median over the turns.
    """
    sides = {"teacher": _predictor(context, teacher.model, teacher.predictor.manifest),
             "student": _predictor(context, student)}  # fmt: skip
    some = items.take(np.arange(min(FEWEST, len(items))))
    first = {name: [_seconds(p, some) for _ in range(2)][-1] for name, p in sides.items()}  # the first of two warms up
    count = int(np.clip(SECONDS * len(some) / max(first.values()), FEWEST, MOST))
    some = items.take(np.arange(min(count, len(items))))
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, predictor in sides.items():
            taken[name].append(_seconds(predictor, some))
    ratios = [t / s for t, s in zip(taken["teacher"], taken["student"], strict=True)]
    rates = {name: len(some) / statistics.median(s) for name, s in taken.items()}
    return {**rates, "items": len(some), "engine": sides["student"].runner.engine,
            "times": statistics.median(ratios), "times_by_turn": ratios}  # fmt: skip


def _seconds(predictor: Predictor, items: Items) -> float:
    begun = time.perf_counter()
    for _ in predictor.stream(items, "speed"):
        pass
    return max(time.perf_counter() - begun, 1e-9)


def _megabytes(model: Model) -> float:
    """Of the weights of all networks of a model and of its head, and of files that its networks read by."""
    tensors = [*model.head.state_dict().values()]
    for part in parts_of(model.network):
        tensors += part.body.state_dict().values()
    files = sum(len(data) for part in parts_of(model.network) for data in part.files.values())
    return (sum(t.numel() * t.element_size() for t in tensors) + files) / 1e6
