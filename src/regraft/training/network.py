"""From a frozen network and its probe to a trained one: what `fit` does for methods with phases."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones import catalog, side_network
from regraft.backbones.base import Pretrained, copied
from regraft.core.errors import InputError
from regraft.core.files import write_json
from regraft.core.runtime import say
from regraft.data.dataset import Dataset
from regraft.data.transforms.policy import Policy
from regraft.features.labelled import LabelledFeatures, adapted_rows
from regraft.methods.base import Phase, Plan
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.heads import LinearHead, MLPHead, normed, settled
from regraft.options.fit import FitOptions
from regraft.options.training import TrainingOptions
from regraft.training import soup
from regraft.training.defaults import default_epochs, loop_settings, method_options, policy_of
from regraft.training.examples import Examples
from regraft.training.feeds.base import Batches
from regraft.training.feeds.build import Feeds
from regraft.training.learner import Learner
from regraft.training.lr_range import suggest
from regraft.training.requirements import check
from regraft.training.state import Settings
from regraft.training.trainer import Initialization, TrainedNetwork, TrainingContext, changed, fingerprint


def train_network(
    method: Any, start: Initialization, data: Dataset, rows: LabelledFeatures, context: TrainingContext,
    groups: NDArray[Any] | None = None,
) -> TrainedNetwork:  # fmt: skip
    """Trains on the items of ``rows`` in ``data`` by the phases of ``method``.

    From 100 items on, 15 % are held out inside the training part to choose the epoch and the temperature, and where
    intervals are asked for 15 % of the rest to find their width; no group of ``groups`` (n,) is torn. A second training
    (``refit_full``) learns from these too; ``logits`` are the first's. Frozen first blocks are computed once.
    """
    options, training, network = context.options, context.options.training, start.network
    check(network, data, options)
    told = method_options(training, data.modality, default_epochs(len(rows.y), data.modality == "text"))
    planned: Callable[[Any], Plan] = partial(method.plan, len(network.body.blocks))
    plan = planned(told)
    base = network if plan.pretrained else untrained(network)
    first_trained_block = _first_trained_block(plan, network, data, options)
    examples = Examples.of(data, rows, groups, options, all_learn=plan.refit)
    settings = partial(loop_settings, options, fingerprint(rows), base, task=data.target.task,
                       batch_norm="keep" if plan.pretrained and base.has_learned else "learn")  # fmt: skip
    loop = settings(targets=examples.targets[examples.learn])
    learner = _learner(plan, start, base, examples, first_trained_block, context, loop.train_embeddings)
    policy = _policy(training, data)
    feeds = context.feeds(base, policy, first_trained_block)
    feed, targets = examples.to_learn(feeds), examples.taught[examples.learn]
    validator = examples.validator(feeds, examples.hold)
    if training.soup:
        soup.check(plan, base, loop.batch_norm, len(examples.hold))
    rate, curve = _rate(context, learner, plan, feed, targets, loop)
    told = replace(told, rate=rate or told.rate)
    plan = planned(told)
    processes, held = training.processes or 1, len(examples.hold)
    _usable(options, processes, loop.batch, len(examples.learn), held, context.device)
    if training.soup:
        inner, record = soup.train_soup(context, learner, plan, training.soup, feeds, examples.to_learn, targets, loop,
                                        validator, processes)  # fmt: skip
    else:
        progress, record = context.train(learner, plan.phases, feed, targets, loop, validator.loss if held else None,
                                         processes)  # fmt: skip
        inner = progress.best
    settled(learner.head)
    sure = validator if examples.sure is examples.hold else examples.validator(feeds, examples.sure)
    temperature, logits = examples.calibrated(learner, sure)
    record |= _by_inner(held, inner) | {
        "augment": policy.name, "flips": policy.flips, "head": plan.head, "processes": processes, "range_test": curve,
        "temperature": temperature}  # fmt: skip
    if training.refit_full:
        everything = Examples.of(data, rows, groups, options, all_learn=True)
        learner = _learner(plan, start, base, everything, first_trained_block, context, loop.train_embeddings)
        record["refit_full"] = _once_more(context, learner, planned(told), record["history"], everything, feeds,
                                          settings(targets=everything.targets))  # fmt: skip
        everything.finish(learner, temperature)
    if plan.finish:
        plan.finish(learner.body)
    trained = changed(base, learner.body, str(training.method), statistics=loop.batch_norm == "learn")
    found = TrainedNetwork(trained, learner.head, record, logits, rows.y[examples.sure], examples.sure,
                           examples.sure is examples.hold)  # fmt: skip
    found = _with_probe(found, examples, context, groups) if plan.refit else found
    found.head.cpu().eval().requires_grad_(False)
    return found


def _policy(training: TrainingOptions, data: Dataset) -> Policy:
    found = policy_of(training, data.modality, data.classes)
    if not found.flips and data.modality == "image":
        say("pictures are not mirrored: these classes would not mean the same")
    return found


def _by_inner(held: int, inner: float) -> dict[str, Any]:
    """What chose the weights, and how these do there."""
    return {"inner_items": held, "inner_log_loss": inner if held else None,
            "chosen_by": "inner split" if held else "last averaged weights"}  # fmt: skip


def _once_more(
    context: TrainingContext, learner: Learner, plan: Plan, history: Sequence[Mapping[str, Any]], everything: Examples,
    feeds: Feeds, loop: Settings,
) -> dict[str, Any]:  # fmt: skip
    """Trains ``learner`` on ``everything`` for as long as ``history`` says; a record of it."""
    phases, items = to_best(plan.phases, history), len(everything.learn)
    say(f"training once more, on all {items} items: {sum(p.epochs for p in phases)} epochs")
    feed, processes = everything.to_learn(feeds), context.options.training.processes or 1
    _, record = context.inside("refit").train(learner, phases, feed, everything.taught, loop, None, processes)
    settled(learner.head)
    return record | {"items": items}


def to_best(phases: Sequence[Phase], history: Sequence[Mapping[str, Any]]) -> tuple[Phase, ...]:
    """The phases up to the epoch of ``history`` that had the least loss on the inner part; rates fall within them."""
    inner = np.nan_to_num(np.array([row["inner"] for row in history], float), nan=np.inf)
    turns = np.cumsum([row["epoch"] == 0 for row in history[: int(inner.argmin()) + 1]])  # 1, 1, 2, ...: its phase
    return tuple(replace(p, epochs=int(n)) for p, n in zip(phases, np.bincount(turns)[1:], strict=False))


def _first_trained_block(plan: Plan, network: Pretrained, data: Dataset, options: FitOptions) -> int:
    """How many first blocks are computed once; raises ``InputError`` where this network or data is not for the plan."""
    method, blocks = options.training.method, len(network.body.blocks)
    first_trained_block = min(p.frozen for p in plan.phases)
    if data.modality == "table" and first_trained_block < blocks:
        raise InputError(f"--method {method} trains a network, and a table has none: take mlp-probe.")
    if options.training.train_embeddings and (first_trained_block or all(p.only for p in plan.phases)):
        raise InputError(f"--train-embeddings: {method} leaves the word vectors as they are; take lp-ft or finetune.")
    if (data.modality == "text" and first_trained_block < blocks) or network.body.fixed:
        first_trained_block = 0  # there are no activations of one shape that could be stored
    if network.body.fixed and (plan.prepare or all(p.frozen > network.body.fixed for p in plan.phases)):
        raise InputError(f"--method {method} leaves the small part of {network.name} as it is drawn; take finetune or "
                         "lp-ft, which train it.")  # fmt: skip
    if options.training.mix in ("cutmix", "mosaic") and first_trained_block:
        raise InputError(f"--mix {options.training.mix} joins pictures, and {method} learns from stored activations; "
                         "take mixup.")  # fmt: skip
    return first_trained_block


def _learner(
    plan: Plan,
    start: Initialization,
    base: Pretrained,
    examples: Examples,
    first_trained_block: int,
    context: TrainingContext,
    embeddings: bool,
) -> Learner:
    """A copy of the network with the head that training starts from; without ``embeddings`` word vectors are shared."""
    body, data = copied(base.body, share_word_vectors=not embeddings), examples.data
    rows, learn = examples.rows, examples.learn
    if data.modality == "text":  # a few passes over short texts do better without
        without_dropout(body)
    if plan.prepare:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            plan.prepare(body)
    if plan.head == "probe" and len(examples.hold):  # what chooses the epoch must be new to the head
        own = fit_features(rows.x[learn], rows.targets[learn], data.target, record=start.record,
                           class_weight=context.options.training.class_weight).head  # fmt: skip
        start = replace(start, probe=own)
    head = _head(plan, start, rows, examples.targets.shape[1], context.seed, data.modality == "table")
    if plan.head == "probe":
        examples.in_their_scale(head)  # type: ignore[arg-type]
    return Learner(body.to(context.device), head.to(context.device), first_trained_block)


def without_dropout(body: nn.Module) -> None:
    """Nothing is dropped in training any more."""
    for layer in [m for m in body.modules() if isinstance(m, nn.Dropout)]:
        layer.p = 0.0


def _with_probe(
    found: TrainedNetwork, examples: Examples, context: TrainingContext, groups: NDArray[Any] | None
) -> TrainedNetwork:
    """The trained network with a probe on its features in place of the head."""
    data, labels, options = examples.data, examples.rows.y, context.options
    everything = replace(examples.rows, items=np.arange(len(data)))
    x = adapted_rows(found.network, data, everything, options.network.engine, context.device)
    fitted = fit_features(x, labels, data.target, seed=context.seed, class_weight=options.training.class_weight,
                          groups=groups)  # fmt: skip
    found = replace(found, head=fitted.head, record=found.record | {"probe": fitted.record})
    if fitted.logits is None or fitted.rows is None:
        return found
    return replace(found, logits=fitted.logits, labels=labels[fitted.rows], positions=fitted.rows, chose=False)


def _usable(options: FitOptions, processes: int, batch: int, learn: int, hold: int, device: str) -> None:
    """Raises ``InputError`` where an option could do nothing, or several processes could not work together."""
    training = options.training
    method = training.method
    if training.patience and not hold:
        raise InputError(f"--patience needs items held out inside training (from 100 on, not by contrastive); {method} "
                         f"has none of {learn}.")  # fmt: skip
    if training.refit_full and not hold:
        raise InputError(f"--refit-full: of {learn} items none is held out (from 100 on some are, where a group can be "
                         "spared), so all are learned from without it.")  # fmt: skip
    if processes == 1:
        return
    if device.startswith("cuda") and processes > torch.cuda.device_count():
        raise InputError(f"--processes {processes}: there are {torch.cuda.device_count()} GPUs, and each takes one.")
    if batch < 2 * processes:
        raise InputError(f"--batch {batch}: {processes} processes need two items each in every step.")
    if learn < 2 * processes:
        raise InputError(f"--processes {processes} needs at least {2 * processes} items to learn from, not {learn}.")


def untrained(network: Pretrained) -> Pretrained:
    """The same network from random weights, fed as ``network`` is."""
    if network.recipe["architecture"] == side_network.ARCHITECTURE:
        raise InputError(f"{network.name} keeps its pretrained part as it is, and from scratch there would be none.")
    found = catalog.load(f"random:{network.name.removeprefix('random:')}")
    found.spec = network.spec
    return found


def _rate(
    context: TrainingContext, learner: Learner, plan: Plan, feed: Batches, targets: NDArray[Any], loop: Settings
) -> tuple[float | None, list[dict[str, float]] | None]:
    """The rate of the range test, where that was asked for; it is kept for when the run is resumed."""
    if context.options.training.lr != "auto":
        return None, None
    path = context.folder / "checkpoints" / "rate.json"
    if not path.is_file():
        rate, curve = suggest(learner, plan.phases[0], feed, targets, loop)
        write_json(path, {"rate": rate, "curve": curve})
    found = json.loads(path.read_text(encoding="utf-8"))
    say(f"range test: a top rate of {found['rate']:.2g}")
    return found["rate"], found["curve"]


def _head(
    plan: Plan, start: Initialization, rows: LabelledFeatures, outputs: int, seed: int, per_feature_scaling: bool
) -> nn.Module:
    features = rows.x.shape[1]
    if plan.head == "probe":
        return copy.deepcopy(start.probe).requires_grad_(True)
    if plan.head == "zero":
        head: nn.Module = (start.warm if plan.pretrained else None) or LinearHead.zero(features, outputs)
        return copy.deepcopy(head).requires_grad_(True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = MLPHead(features, outputs) if plan.head == "mlp" else LinearHead(features, outputs)
    if plan.pretrained:
        spread = rows.x.std(0) if per_feature_scaling else np.full(features, rows.x.std())
        made.mean.copy_(torch.from_numpy(rows.x.mean(0)))
        made.scale.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))
    return normed(made) if plan.head == "normed" else made
