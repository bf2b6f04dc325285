"""From a network and two domains to a trained one: first a model of the source, then what the method makes of it."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.transforms.augment import Policy, may_flip
from regraft.features.labelled import LabelledFeatures, fresh_rows
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, SourceTraining, take_statistics
from regraft.methods.base import Options, gentle
from regraft.methods.probes.linear_probe import fit_features
from regraft.methods.probes.logistic import targets_of
from regraft.metrics.validators import information, preference, spread
from regraft.models.heads import LinearHead
from regraft.models.model import Model
from regraft.pipelines.scenarios.adaptation_report import LOOKED_AT, SOURCE_ONLY, Domain, finished, report
from regraft.pipelines.scenarios.target_domain import TargetDomain
from regraft.training.defaults import GENTLE_ON_TEXTS, loop_settings, rate_of
from regraft.training.feeds.base import Batches
from regraft.training.feeds.build import make_feed
from regraft.training.feeds.two_domains import TwoDomains
from regraft.training.learner import Learner
from regraft.training.logs import Logs
from regraft.training.loop import train
from regraft.training.requirements import check
from regraft.training.trainer import Initialization, TrainedNetwork, adapt, changed, fingerprint
from regraft.training.validation import Validator

if TYPE_CHECKING:
    from regraft.pipelines.context import FitContext


@dataclass
class SourceModel:
    """A model of the source, and a record of how it came about."""

    network: Pretrained
    head: LinearHead
    record: dict[str, Any]


def train_target(job: FitContext, method: Any, target: TargetDomain) -> dict[str, Any]:
    """The fields of a `regraft.pipelines.fit.FitResult`."""
    split, watch = job.split, job.watch
    check(job.network, split.train, job.settings)
    split.problems += target.problems
    with watch("extract"):
        train_rows, computed = job.rows(split.train)
        goal, more = job.rows(target.learn)
    with watch("fit"):
        source = source_model(job, method, train_rows)
        network, head, record = adapted(job, method, source, train_rows, target.learn, goal.items)
    with watch("controls"):
        view: dict[str, Any] = {"job": job, "target": target, "train": train_rows, "goal": goal}
        before = _domain(**view, network=source.network, head=source.head)
        after = _domain(**view, network=network, head=head)
        figures, won = report(job, method, target, before, after)
    before.train = after.train = train_rows
    before.target = after.target = goal
    return finished(
        job, target, before, after, figures, won, {"source": source.record, **record}, computed + more, False
    )


def source_model(job: FitContext, method: Any, rows: LabelledFeatures) -> SourceModel:
    """That of ``--init`` where it knows all classes, else one trained here."""
    plan, init = method.plan_domains(1, Options(1)), job.settings["init"]
    free = not plan.source
    whole = job.warm is not None and bool(job.warm.linear.weight.any(1).all())
    if init and whole and job.settings["target_labels"] and not (plan.source and plan.labels):
        raise InputError(f"--target-labels: {job.settings['method']} learns from no labels beside those of --init "
                         f"{init}; leave one of the two out.")  # fmt: skip
    if init and free and not whole:
        raise InputError(
            f"--init {init} has no linear head for all of {', '.join(job.split.train.classes[:5])}, and "
            f"{job.settings['method']} needs the source's model whole: leave out --init, or name a run of the source."
        )
    if init and whole:
        idle(plan, job.settings)
    if job.warm is not None and whole:
        return of_init(job, job.warm, rows)
    folder = job.run.work / "source"
    folder.mkdir(exist_ok=True)
    scratch = SourceTraining(job.network.has_learned)
    # both domains go by statistics of their own, the source from here on
    told = {**job.settings, "method": SOURCE_ONLY, "batch_norm": job.settings["batch_norm"] or "learn"}
    start = Initialization(job.network, LinearHead.zero(rows.x.shape[1], len(job.split.train.classes)), {})
    groups = None if job.split.groups is None else job.split.groups[rows.items]
    made: TrainedNetwork = adapt(scratch, start, job.split.train, rows, told, groups=groups, folder=folder,
                          device=job.runner.device, store=job.store)  # fmt: skip
    assert isinstance(made.head, LinearHead)
    return SourceModel(made.network, made.head, made.record)


def of_init(job: FitContext, head: LinearHead, rows: LabelledFeatures) -> SourceModel:
    """The model of ``--init``. Where its head has learned under the statistics that batch normalisation brought from a
    pretraining, which no method here keeps, both are brought to those of the source: else the head would meet features
    it has never seen, also where the domains are one.
    """
    init, network, settings = job.settings["init"], job.network, job.settings
    if network.own_statistics or not network.body.norms():
        return SourceModel(network, head, {"init": init})
    data, device = job.split.train.take(rows.items), job.runner.device
    learner = Learner(copy.deepcopy(network.body).to(device), head)
    plain = Policy("none", flips=False)
    feed = make_feed(network, 0, data, np.zeros((0, 0), np.float32), plain, seed=settings["seed"], device=device,
                     store=job.store)  # fmt: skip
    take_statistics(learner, feed)
    own = changed(network, learner.body, "the source's statistics", statistics=True)
    again = fresh_rows(own, job.split.train, rows.items, settings["engine"], device)
    groups = None if job.split.groups is None else job.split.groups[again.items]
    fitted = fit_features(again.x, again.y, data.target, seed=settings["seed"], groups=groups)
    text = ("its head has learned under the statistics of the pretraining: batch normalisation and head are fitted "
            "again to the source's items")  # fmt: skip
    job.split.problems.append(Problem("init", init, text))
    return SourceModel(own, fitted.head, {"init": init, "refitted": fitted.record})


def idle(plan: DomainPlan, settings: dict[str, Any]) -> None:
    """Raises ``InputError`` for an option that only training the source would have had a use for."""
    useless = ["smoothing", "class_weight"] * (not (plan.source and plan.labels))
    useless += ["batch", "epochs", "lr", "augment", "patience", "schedule", "ema", "accumulate"] * (not plan.phases)
    for name in useless:
        if settings[name] not in (None, "none"):
            raise InputError(f"--{name.replace('_', '-')}: the source's model comes from --init {settings['init']}, "
                             f"and {settings['method']} trains nothing that this would change.")  # fmt: skip


def adapted(
    job: FitContext, method: Any, source: SourceModel, rows: LabelledFeatures, target: Dataset, items: NDArray[np.int64]
) -> tuple[Pretrained, LinearHead, dict[str, Any]]:
    """The network and head after the method's phases, and a record of them."""
    settings, device, seed = job.settings, job.runner.device, job.settings["seed"]
    data, goal = job.split.train.take(rows.items), target.take(items)
    text, classes = data.modality == "text", len(data.classes)
    options = Options(settings["epochs"] or default_epochs(len(goal)), rate_of(settings["lr"]),
                      scale=GENTLE_ON_TEXTS if text else 1.0)  # fmt: skip
    blocks = len(source.network.body.blocks)
    plan: DomainPlan = method.plan_domains(blocks, options)
    if job.network.pretrained:  # what a pretraining found in early blocks is changed more slowly
        plan = replace(plan, phases=tuple(replace(p, layer_decay=gentle(blocks)) for p in plan.phases))
    learner = Learner(copy.deepcopy(source.network.body).to(device), copy.deepcopy(source.head).to(device))
    learner.head.requires_grad_(True)
    if plan.statistics and not learner.body.norms():
        raise InputError(f"--method {settings['method']}: {source.network.name} has no batch normalisation to adapt.")
    if plan.statistics and settings["batch_norm"] == "keep":
        raise InputError(f"--batch-norm keep: {settings['method']} takes the statistics of the target.")
    if plan.extra is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sizes = Sizes(source.network.width, classes, len(goal))
            learner.extra = plan.extra(learner, sizes).to(device)
    policy = Policy("none" if text else settings["augment"] or "light", flips=may_flip(data.classes))
    plain = Policy("none", policy.flips)
    more: Any = {"seed": seed, "device": device, "store": job.store}
    empty = np.zeros((0, 0), np.float32)  # the first block learns: stored features are not looked at

    def feed(some: Dataset, by: Policy) -> Batches:
        return make_feed(source.network, 0, some, empty, by, **more)

    two = TwoDomains(feed(data, policy) if plan.source else None, feed(goal, policy), feed(goal, plain), options.epochs)
    targets = targets_of(rows.y, classes) if plan.source else np.zeros((len(goal), classes))
    loop = loop_settings(settings, "classification", targets_of(rows.y, classes), fingerprint(rows))
    history: list[dict[str, Any]] = []
    if plan.phases:
        some = goal.take(spread(np.arange(len(goal)), LOOKED_AT, seed))
        known = data.take(spread(np.arange(len(data)), LOOKED_AT, seed))
        judge = Judge(feed(some, plain), feed(known, plain), classes, device, learner)
        progress = train(learner, plan.phases, two, targets, loop, folder=job.run.work / "checkpoints",
                         inner=judge.loss, report=Logs(job.run.work, bool(settings["tensorboard"])))  # fmt: skip
        history = progress.history
    if plan.statistics:
        take_statistics(learner, feed(goal, plain))
    record = {
        "phases": [{k: v for k, v in vars(p).items() if not callable(v) and v is not None} for p in plan.phases],
        "loop": asdict(loop), "augment": policy.name, "history": history,
        "chosen_by": "snd on the target" if plan.phases else "nothing had to be chosen",
    }  # fmt: skip
    network = changed(source.network, learner.body, settings["method"], statistics=loop.batch_norm == "learn")
    head = learner.head.cpu().eval().requires_grad_(False)
    assert isinstance(head, LinearHead)
    return network, head, record


class Judge(Validator):
    """Judges a learner by its answers on the target without labels, ``feed``: minus `preference`; ``before`` learned
    the ``source`` alone.
    """

    def __init__(self, feed: Batches, source: Batches, classes: int, device: str, before: Learner) -> None:
        more: Any = ("softmax", None, device, "classification")
        super().__init__(feed, np.zeros((len(feed), classes)), *more)
        on_source = Validator(source, np.zeros((len(source), classes)), *more)
        self.before = information(on_source.logits(before.eval()))

    def loss(self, learner: Learner) -> float:
        return -preference(self.logits(learner), self.before)


def default_epochs(n: int) -> int:
    """Passes over n items of a target: enough for some hundred steps, few where a pass is long already."""
    return int(np.clip(round(60_000 / n), 4, 20))


def _domain(
    job: FitContext,
    target: TargetDomain,
    train: LabelledFeatures,
    goal: LabelledFeatures,
    network: Pretrained,
    head: LinearHead,
) -> Domain:
    """The model's view of both domains; of what it learned from, at most 2,000 items are looked at."""
    split = job.split

    def seen(data: Dataset | None, most: int | None = None, items: NDArray[np.int64] | None = None) -> LabelledFeatures:
        if data is None or not len(data):
            nothing = np.zeros(0, np.int64)
            return LabelledFeatures(np.zeros((0, network.width), np.float32), nothing, nothing)
        places = np.arange(len(data)) if items is None else items
        places = places if most is None else spread(places, most)
        return fresh_rows(network, data, places, job.settings["engine"], job.runner.device)

    model = Model(network, head, split.train.target_name, split.train.target)
    return Domain(
        model, seen(split.train, LOOKED_AT, train.items), seen(split.val), seen(target.learn, LOOKED_AT, goal.items),
        None if target.judged is None else seen(target.judged),
        None if target.unknown is None else seen(target.unknown),
    )  # fmt: skip
