"""From a network and two domains to a trained one: first a model of the source, then what the method makes of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained, copied
from regraft.core.errors import InputError
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.transforms.policy import Policy
from regraft.features.labelled import LabelledFeatures, fresh_rows
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, SourceTraining, take_statistics
from regraft.methods.base import Options, gentle
from regraft.methods.probes.linear_probe import fit_features
from regraft.methods.probes.logistic import targets_of
from regraft.metrics.validators import information, preference, spread
from regraft.models.heads import LinearHead
from regraft.options.fit import FitOptions
from regraft.training.defaults import loop_settings, method_options, policy_of
from regraft.training.feeds.base import Batches
from regraft.training.feeds.two_domains import TwoDomains
from regraft.training.learner import Learner
from regraft.training.network import train_network
from regraft.training.trainer import Initialization, TrainingContext, changed, fingerprint
from regraft.training.validation import Validator

SOURCE_ONLY = "source-only"
LOOKED_AT = 2000
"""How many items at most are looked at where a figure is an estimate."""


@dataclass
class DomainModel:
    """A network with its head, and a record of how it came about; ``problems`` are what a person should know."""

    network: Pretrained
    head: LinearHead
    record: dict[str, Any]
    problems: Sequence[Problem] = field(default_factory=tuple)


def train_adaptation(
    method: Any, network: Pretrained, warm: LinearHead | None, source: Dataset, rows: LabelledFeatures,
    target: Dataset, context: TrainingContext, groups: NDArray[Any] | None = None,
) -> tuple[DomainModel, DomainModel]:  # fmt: skip
    """The model of the ``source``, whose ``rows`` could be computed, and the one that ``method`` brought to the
    ``target``, of which no label is read. ``warm`` is the head of ``--init``. No group of ``groups`` (n,), those of the
    rows, is torn.
    """
    before = _source_model(method, network, warm, source, rows, context, groups)
    return before, _adapted(method, before, source, rows, target, context)


def _source_model(
    method: Any, network: Pretrained, warm: LinearHead | None, source: Dataset, rows: LabelledFeatures,
    context: TrainingContext, groups: NDArray[Any] | None,
) -> DomainModel:  # fmt: skip
    """That of ``--init`` where it knows all classes, else one trained here."""
    options = context.options
    plan, init, name = method.plan_domains(1, Options(1)), options.network.init, options.training.method
    whole = warm is not None and bool(warm.linear.weight.any(1).all())
    if init and whole and options.scenario.target_labels and not (plan.source and plan.labels):
        raise InputError(f"--target-labels: {name} learns from no labels beside those of --init {init}; leave one of "
                         "the two out.")  # fmt: skip
    if init and not plan.source and not whole:
        raise InputError(f"--init {init} has no linear head for all of {', '.join(source.classes[:5])}, and {name} "
                         "needs the source's model whole: leave out --init, or name a run of the source.")  # fmt: skip
    if warm is not None and whole:
        _nothing_to_change(plan, options)
        return _of_init(network, warm, source, rows, context, groups)
    # both domains go by statistics of their own, the source from here on
    told = context.inside("source").with_options(method=SOURCE_ONLY, batch_norm=options.training.batch_norm or "learn")
    start = Initialization(network, LinearHead.zero(rows.x.shape[1], len(source.classes)), {})
    made = train_network(SourceTraining(network.has_learned), start, source, rows, told, groups)
    assert isinstance(made.head, LinearHead)
    return DomainModel(made.network, made.head, made.record)


def _of_init(
    network: Pretrained, head: LinearHead, source: Dataset, rows: LabelledFeatures, context: TrainingContext,
    groups: NDArray[Any] | None,
) -> DomainModel:  # fmt: skip
    """The model of ``--init``. Where its head has learned under the statistics that batch normalisation brought from a
    pretraining, which no method here keeps, both are brought to those of the source: else the head would meet features
    it has never seen, also where the domains are one.
    """
    init, device = context.options.network.init, context.device
    if network.own_statistics or not network.body.norms():
        return DomainModel(network, head, {"init": init})
    data = source.take(rows.items)
    learner = Learner(copy.deepcopy(network.body).to(device), head)
    take_statistics(learner, context.feeds(network, Policy("none", flips=False)).plain(data))
    own = changed(network, learner.body, "the source's statistics", statistics=True)
    again = fresh_rows(own, source, rows.items, context.options.network.engine, device)
    left = None if groups is None else groups[np.searchsorted(rows.items, again.items)]
    fitted = fit_features(again.x, again.y, data.target, seed=context.seed, groups=left)
    text = ("its head has learned under the statistics of the pretraining: batch normalisation and head are fitted "
            "again to the source's items")  # fmt: skip
    return DomainModel(own, fitted.head, {"init": init, "refitted": fitted.record}, [Problem("init", str(init), text)])


def _nothing_to_change(plan: DomainPlan, options: FitOptions) -> None:
    """Raises ``InputError`` for an option that only training the source would have had a use for."""
    useless = ["smoothing", "class_weight"] * (not (plan.source and plan.labels))
    useless += ["batch", "epochs", "lr", "augment", "patience", "schedule", "ema", "accumulate",
                "train_embeddings"] * (not plan.phases)  # fmt: skip
    for name in useless:
        if getattr(options.training, name) not in (None, "none"):
            raise InputError(f"--{name.replace('_', '-')}: the source's model comes from --init "
                             f"{options.network.init}, and {options.training.method} trains nothing that this would "
                             "change.")  # fmt: skip


def _adapted(
    method: Any, source: DomainModel, data: Dataset, rows: LabelledFeatures, goal: Dataset, context: TrainingContext
) -> DomainModel:
    """The network and head after the method's phases."""
    options, classes, network = context.options, len(data.classes), source.network
    data = data.take(rows.items)
    training, labels = options.training, targets_of(rows.y, classes)
    told = method_options(training, data.modality, default_epochs(len(goal)))
    plan = _plan(method, network, told)
    loop = loop_settings(options, fingerprint(rows), network, targets=labels)
    body = copied(network.body, share_word_vectors=not loop.train_embeddings)
    learner = Learner(body.to(context.device), copy.deepcopy(source.head).to(context.device))
    learner.head.requires_grad_(True)
    if plan.extra is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            learner.extra = plan.extra(learner, Sizes(network.width, classes, len(goal))).to(context.device)
    policy = policy_of(training, data.modality, data.classes)
    feeds = context.feeds(network, policy)
    record: dict[str, Any] = {"phases": [], "history": [], "loop": asdict(loop)}
    if plan.phases:
        feed = TwoDomains(feeds.augmented(data) if plan.source else None, feeds.augmented(goal), feeds.plain(goal),
                          told.epochs)  # fmt: skip
        looked_at = [d.take(spread(np.arange(len(d)), LOOKED_AT, context.seed)) for d in (goal, data)]
        validator = TargetValidator(
            feeds.plain(looked_at[0]), feeds.plain(looked_at[1]), classes, context.device, learner
        )
        _, record = context.train(learner, plan.phases, feed, labels if plan.source else np.zeros((len(goal), classes)),
                                  loop, validator.loss)  # fmt: skip
    if plan.statistics:
        take_statistics(learner, feeds.plain(goal))
    record |= {"augment": policy.name,
               "chosen_by": "snd on the target" if plan.phases else "nothing had to be chosen"}  # fmt: skip
    adapted = changed(network, learner.body, str(training.method), statistics=loop.batch_norm == "learn")
    head = learner.head.cpu().eval().requires_grad_(False)
    assert isinstance(head, LinearHead)
    return DomainModel(adapted, head, record)


def _plan(method: Any, network: Pretrained, told: Options) -> DomainPlan:
    """The method's plan for this network."""
    blocks = len(network.body.blocks)
    plan: DomainPlan = method.plan_domains(blocks, told)
    if network.pretrained:  # what a pretraining found in early blocks is changed more slowly
        plan = replace(plan, phases=tuple(replace(p, layer_decay=gentle(blocks)) for p in plan.phases))
    return plan


class TargetValidator(Validator):
    """Judges a learner by its answers on the target without labels, ``feed``: minus `preference`; ``before`` learned
    the ``source`` alone.
    """

    def __init__(self, feed: Batches, source: Batches, classes: int, device: str, before: Learner) -> None:
        more: Any = ("softmax", None, device)
        super().__init__(feed, np.zeros((len(feed), classes)), *more)
        on_source = Validator(source, np.zeros((len(source), classes)), *more)
        self.before = information(on_source.logits(before.eval()))

    def loss(self, learner: Learner) -> float:
        return -preference(self.logits(learner), self.before)


def default_epochs(n: int) -> int:
    """Passes over n items of a target: enough for some hundred steps, few where a pass is long already."""
    return int(np.clip(round(60_000 / n), 4, 20))
