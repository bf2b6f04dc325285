"""From rows to a trained network, beside the probe that it has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regraft.core.types import Problem
from regraft.features.fusion import parts_of
from regraft.features.labelled import LabelledFeatures
from regraft.methods.base import Fitted
from regraft.models.model import Model
from regraft.options.run import seconds_of
from regraft.options.training import DEFAULT_BUDGET
from regraft.pipelines.context import FitContext
from regraft.pipelines.stages.learn import AlreadyTrained, Learned, closed_form, decided, model_of
from regraft.selection.method import auto
from regraft.tasks.uncertainty import uncertainty
from regraft.training.beside import train_beside
from regraft.training.network import train_network
from regraft.training.trainer import Initialization, TrainedNetwork
from regraft.training.validation import promised


def learn_network(
    context: FitContext, method: Any, probe: Model, fitted: Fitted, train: LabelledFeatures,
    fit_head: Callable[..., Fitted],
) -> Learned:  # fmt: skip
    """What a method that trains makes of the training rows; ``probe`` is the one that was ``fitted``."""
    groups, data = context.groups_of(train), context.split.train
    truth = train.y if fitted.rows is None else train.y[fitted.rows]
    probe.decision, _ = probe.decided(fitted.logits, truth)
    trained, tried = _trained(context, method, fitted, train, fit_head)
    if trained is None:
        return Learned(closed_form(context, probe, fitted, train), fitted.record | tried, None)
    model = model_of(context, trained)
    held = None if groups is None else groups[trained.positions]
    truth = trained.labels if len(trained.labels) else train.y
    model.decision = decided(context, model, trained.logits, truth, held)
    if trained.logits is None and fitted.logits is not None and context.numbers:
        # with few items the probe's errors are the only ones known; they carry no interval of another model
        model.decision |= uncertainty(fitted.logits, train.y) | {"sigma_by": f"{len(train.y)} items, by the probe"}
    if trained.chose and promised(context.options) is not None and trained.logits is not None:
        text = "no group can be spared to find by what is promised: items that chose the epoch do it"
        context.split.problems.append(Problem("promised-by-known-items", data.name, text))
    return Learned(model, trained.record | tried, probe, trained.sides)


def _trained(
    context: FitContext, method: Any, probe: Fitted, train: LabelledFeatures, fit_head: Callable[..., Fitted]
) -> tuple[TrainedNetwork | None, dict[str, Any]]:
    """The network that the method trains, None where the probe is better; and what was tried."""
    if isinstance(method, AlreadyTrained):
        return method.trained, {}
    start = Initialization(context.network, probe.head, probe.record, context.warm)
    data, groups = context.split.train, context.groups_of(train)
    if method.KIND == "training":
        make = train_network if len(parts_of(context.network)) == 1 else train_beside
        return make(method, start, data, train, context.training, groups), {}
    left = context.watch.left(seconds_of(context.options.training.budget or DEFAULT_BUDGET))
    trained, steps = auto(start, data, train, context.training, learn=fit_head, left=left, groups=groups)
    context.run.log("auto", auto=steps)
    return trained, {"auto": steps}
