"""From rows to a model: the probe, and where the method trains a network, that network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import subsample
from regraft.core.types import Problem
from regraft.features.encoders.table import columns_of
from regraft.features.fusion import parts_of
from regraft.features.labelled import LabelledFeatures
from regraft.methods.base import Fitted
from regraft.methods.probes import linear_probe as PROBE
from regraft.models.model import Model
from regraft.models.outliers import OutlierDetector
from regraft.options.base import Kind
from regraft.pipelines.context import FitContext
from regraft.pipelines.stages.features import recompute_features
from regraft.pipelines.stages.outliers import fit_outlier_detector
from regraft.tasks import Wanted

if TYPE_CHECKING:
    from regraft.training.trainer import Side, TrainedNetwork

LOOKED_AT = 2000
"""Of how many items a trained network's features are computed anew, to know what training items look like."""


@dataclass(frozen=True)
class AlreadyTrained:
    """A method whose training is done already; ``alone`` is what the same network learns from this task alone, None
    where that was not asked for.
    """

    KIND: ClassVar[Kind] = "training"
    trained: TrainedNetwork
    alone: TrainedNetwork | None = None


@dataclass(frozen=True)
class Learned:
    """The ``model``, a record of how it was chosen, for a trained network the ``probe`` it has to beat, and the
    ``sides`` where others stand beside it.
    """

    model: Model
    choice: dict[str, Any]
    probe: Model | None
    sides: tuple[Side, ...] = ()


def head_learner(context: FitContext, method: Any = None, *, own: bool = True) -> Callable[..., Fitted]:
    """The method's way from features and labels to a head, that of the linear probe where it trains a network; with
    what is known of this network's columns, or without for others' (``own``).
    """
    options, target = context.options, context.split.train.target
    more: dict[str, Any] = {}
    if context.numbers:
        more = {"alpha": options.evaluation.alpha, "quantiles": options.evaluation.quantiles}
    if own:
        more |= {"per_feature_scaling": context.network.spec.modality == "table",
                 "blocks": [p.width for p in parts_of(context.network)]}  # fmt: skip
        more |= {"names": columns_of(context.network)} if context.numbers else {}
    fits = method if method is not None and method.KIND == "features" else PROBE
    return partial(fits.fit_features, target=target, seed=context.seed, class_weight=options.training.class_weight,
                   **more)  # fmt: skip


def learn(context: FitContext, method: Any, train: LabelledFeatures) -> Learned:
    """What the method makes of the training rows."""
    groups = context.groups_of(train)
    fit_head = partial(head_learner(context, method), groups=groups)
    fitted = fit_head(train.x, train.targets)
    data = context.split.train
    probe = Model(context.network, fitted.head, data.target_name, data.target)
    if method.KIND == "features":
        return Learned(closed_form(context, probe, fitted, train), fitted.record, None)
    from regraft.pipelines.stages.train import learn_network  # what trains is imported where something does

    return learn_network(context, method, probe, fitted, train, fit_head)


def model_of(context: FitContext, trained: TrainedNetwork) -> Model:
    """A trained network as a model of the data's target."""
    data = context.split.train
    return Model(trained.network, trained.head, data.target_name, data.target)


def closed_form(context: FitContext, probe: Model, fitted: Fitted, train: LabelledFeatures) -> Model:
    """The probe as the model of the run."""
    rows = np.arange(len(train.y)) if fitted.rows is None else fitted.rows
    groups = context.groups_of(train)
    held = None if groups is None else groups[rows]
    probe.decision = decided(context, probe, fitted.logits, train.y[rows], held)
    if "interval" in probe.decision:
        probe.folds = fitted.folds
        probe.decision["interval"]["by"] = "CV+, by heads that had not seen some of the items each"
    return probe


def decided(
    context: FitContext, model: Model, outputs: NDArray[Any] | None, truth: NDArray[Any], groups: NDArray[Any] | None
) -> dict[str, Any]:
    """How outputs become answers; what a person should know of it is listed."""
    asked = context.options.evaluation
    wanted = Wanted(asked.accuracy, asked.interval, asked.quantiles)  # type: ignore[arg-type]
    found, problem = model.decided(outputs, truth, wanted, context.split.train.name, groups)
    context.split.problems += [problem] if problem else []
    return found


def known_items(
    context: FitContext, learned: Learned, train: LabelledFeatures
) -> tuple[OutlierDetector | None, Problem | None]:
    """What the training items look like to the model, in the features of its own network."""
    data = context.split.train
    if learned.probe is not None and data.modality != "table":  # the features are the trained network's
        train = recompute_features(context, learned.model, data, train.at(subsample(len(train.y), LOOKED_AT)))
    return fit_outlier_detector(data, train, context.groups_of(train), context.seed)
