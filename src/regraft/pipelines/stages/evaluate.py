"""What a model, and what it has to beat, say of items that it had not seen; in a cross-validation of every item."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.runtime import track
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.splits import part_of_split
from regraft.features.engines.base import uncalibrated
from regraft.features.fusion import learned as with_learned_maps
from regraft.features.fusion import learns
from regraft.features.labelled import LabelledFeatures
from regraft.features.runner import Runner
from regraft.models.model import Model
from regraft.pipelines.context import FitContext, Kept
from regraft.pipelines.stages.controls import Control, ControlKit, run_controls
from regraft.pipelines.stages.features import recompute_features
from regraft.pipelines.stages.fusion_ablation import part_outputs, side_outputs
from regraft.pipelines.stages.learn import Learned, head_learner, known_items, learn
from regraft.pipelines.stages.outcome import Outcome, together
from regraft.pipelines.stages.outliers import unlike_figures


def evaluate(
    context: FitContext, learned: Learned, train: LabelledFeatures, judged: LabelledFeatures, alone: Model | None = None
) -> Outcome:
    """What the model, the controls, the probe it has to beat, the network trained for this task (or on its labels)
    ``alone`` and the parts of a fusion say of the ``judged`` items.
    """
    model, probe, split, options = learned.model, learned.probe, context.split, context.options
    assert split.val is not None
    rows = judged if probe is None else recompute_features(context, model, split.val, judged)
    probabilities = model.probabilities(rows.x)
    with context.watch("controls"):
        kit = ControlKit(split, train, judged, partial(head_learner(context, own=False),
                                                       groups=context.groups_of(train)),
                         uncalibrated(options.network.engine), context.runner.device, context.store,
                         options.network.size,
                         context.kept)  # fmt: skip
        controls = run_controls(options.evaluation.controls, context.network, kit)
        if probe is not None:
            controls.append(Control("linear-probe", probe.probabilities(judged.x), probe.decision))
        if alone is not None:
            own = alone.network is not context.network
            x = recompute_features(context, alone, split.val, judged).x if own else judged.x
            controls.append(Control("alone", alone.probabilities(x), alone.decision))
    unlike = None
    if model.familiar is not None:
        unlike = unlike_figures(model.familiar, rows.x, [split.val.items.name(int(i)) for i in judged.items])
        if probe is not None:  # the network has learned from these: how much further out others lie, nobody knows
            unlike["expected"] = None
    parts = part_outputs(model, kit) if probe is None else side_outputs(model, learned.sides, rows.x)
    return Outcome(rows, probabilities, model.decision, model.folds is not None, controls, parts, unlike,
                   sum(c.computed for c in controls))  # fmt: skip


def cross_validate(context: FitContext, method: Any, rows: LabelledFeatures, folds: NDArray[np.int64]) -> list[Outcome]:
    """An outcome a round: every item judged by a model that had not seen it, with each choice made without it."""
    split = replace(context.split, val=context.split.train, val_groups=context.split.groups, folds=None, copied=None)
    number, rounds = folds[:, rows.items], list[Outcome]()
    count = int((number.max(1) + 1).sum())
    steps = iter(track(range(count), "cross-validation", count))
    kept = Kept({**context.kept.networks})
    for i, fold in enumerate(number):
        outcomes = []
        for f in range(int(fold.max()) + 1):
            next(steps, None)
            train, judged = (rows.at(np.flatnonzero(some)) for some in (fold != f, fold == f))
            if not len(judged.y):
                continue
            one = replace(context, split=replace(split, problems=[]), kept=kept)
            one = one.with_options(outliers=context.options.evaluation.outliers and i == 0)
            outcomes.append(_fold(one, method, train, judged))
        rounds.append(together(outcomes))
    next(steps, None)
    more = sum(r.computed for r in kept.rows.values())
    return [replace(rounds[0], computed=rounds[0].computed + more), *rounds[1:]]


def _fold(context: FitContext, method: Any, train: LabelledFeatures, judged: LabelledFeatures) -> Outcome:
    """What is found from ``train`` alone, on the items ``judged``, both among the training items."""
    shown = judged
    if context.choose is not None:
        context.network = context.choose(part_of_split(context.split, train.items))
    if learns(context.network) or context.choose is not None:
        items = context.split.train.items
        context.network = with_learned_maps(context.network, items.take(train.items))
        context.runner = Runner(context.network, context.options.network.engine, context.runner.device)
        parts = []
        for rows in (train, judged):
            own = context.runner.stored(items.take(rows.items), context.store)
            parts.append(LabelledFeatures(own.rows, rows.y[own.positions], rows.items[own.positions]))
        train, judged = parts
    learned = learn(context, method, train)
    if context.options.evaluation.outliers:
        learned.model.familiar, _ = known_items(context, learned, train)
    found = evaluate(context, learned, train, judged)
    # each fold may have features of its own; those of the whole model are what can be shown together
    return replace(found, rows=shown.at(np.searchsorted(shown.items, found.rows.items)))


def share_seen_in_pretraining(
    context: FitContext, data: Dataset | None, pixels: NDArray[np.uint64] | None
) -> float | None:
    """The share of pictures whose labels the network's pretraining saw, None where that is not known; it is listed."""
    known = context.network.seen
    if known is None or pixels is None or data is None:
        return None
    held = np.flatnonzero(np.isin(pixels, known))
    if len(held):
        first = data.items.name(int(held[0])) + (f" and {len(held) - 1} more" if len(held) > 1 else "")
        text = f"the pretraining of {context.network.name} saw it with its label ({len(held)} of {len(data)})"
        problem = Problem("seen-in-pretraining", first, text)
        context.split.problems += [] if problem in context.split.problems else [problem]
    return len(held) / max(len(data), 1)
