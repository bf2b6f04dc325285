"""From a frozen network and its probe to a trained one: what `fit` does for methods with phases."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones import catalog
from regraft.backbones import side_network as beside
from regraft.backbones.base import OWN, Body, Pretrained
from regraft.core.errors import InputError
from regraft.core.files import write_json
from regraft.core.row_store import RowStore
from regraft.core.runtime import bf16_pays, say
from regraft.data.dataset import Dataset
from regraft.data.transforms.augment import Policy, may_flip
from regraft.features.labelled import LabelledFeatures, adapted_rows
from regraft.methods.base import Options, Plan
from regraft.methods.probes.linear_probe import fit_features, row_weights
from regraft.methods.probes.logistic import targets_of
from regraft.models.heads import LinearHead, MLPHead, normed, settled
from regraft.tasks import TASKS, Link
from regraft.training.calibration import judged_at_best
from regraft.training.defaults import GENTLE_ON_TEXTS, default_epochs, loop_settings, rate_of
from regraft.training.feeds.base import Batches
from regraft.training.feeds.build import make_feed
from regraft.training.learner import Learner
from regraft.training.logs import Logs
from regraft.training.loop import train
from regraft.training.lr_range import suggest
from regraft.training.requirements import check
from regraft.training.state import Settings
from regraft.training.validation import Validator, promised, validation_parts


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with its head, and a record of how it came about.

    ``logits`` (m, k) are calibrated ones (or numbers, in their unit) of the items with ``labels`` (m,) that were held
    out inside the training part, at the ``positions`` (m,) of its rows; None where there are none. ``chose`` says that
    these items chose the epoch too.
    """

    network: Pretrained
    head: nn.Module
    record: dict[str, Any]
    logits: NDArray[Any] | None
    labels: NDArray[Any]
    positions: NDArray[np.int64]
    chose: bool = False


@dataclass(frozen=True)
class Initialization:
    """What a training starts from: the network (left as it is; a copy learns), the probe's head on it, and where
    another run's weights were taken, that run's head brought to the classes at hand. ``record`` tells how the probe was
    chosen.
    """

    network: Pretrained
    probe: LinearHead
    record: dict[str, Any]
    warm: LinearHead | None = None


def adapt(
    method: Any,
    start: Initialization,
    data: Dataset,
    rows: LabelledFeatures,
    settings: dict[str, Any],
    *,
    groups: NDArray[Any] | None,
    folder: Path,
    device: str,
    store: RowStore,
) -> TrainedNetwork:
    """Trains on the items of ``rows`` by the phases of ``method``; logs and checkpoints go to the run's ``folder``.

    From 100 items on, 15 % are held out inside the training part to choose the epoch and the temperature, and where
    intervals are asked for 15 % of the rest to find their width. Frozen first blocks are computed once, in four
    augmented views a picture.
    """
    network, seed = start.network, settings["seed"]
    check(network, data, settings)
    data, labels = data.take(rows.items), rows.y
    task, link, classes = data.target.task, link_of(data), len(data.classes)
    text = data.modality == "text"
    numbers = task == "regression"
    options = Options(settings["epochs"] or default_epochs(len(data), text), rate_of(settings["lr"]),
                      settings["blocks"] or 4, GENTLE_ON_TEXTS if text else 1.0)  # fmt: skip
    plan: Plan = method.plan(len(network.body.blocks), options)
    base = network if plan.pretrained else untrained(network)
    border = min(p.frozen for p in plan.phases)
    if data.modality == "table" and border < len(network.body.blocks):
        raise InputError(f"--method {settings['method']} trains a network, and a table has none: take mlp-probe.")
    if (text and border < len(network.body.blocks)) or network.body.fixed:
        border = 0  # there are no activations of one shape that could be stored
    if network.body.fixed and (plan.prepare or all(p.frozen > network.body.fixed for p in plan.phases)):
        raise InputError(f"--method {settings['method']} leaves the small part of {network.name} as it is drawn; take "
                         "finetune or lp-ft, which train it.")  # fmt: skip
    if settings["mix"] in ("cutmix", "mosaic") and border:
        raise InputError(f"--mix {settings['mix']} joins pictures, and {settings['method']} learns from stored "
                         "activations; take mixup.")  # fmt: skip
    body = copy.deepcopy(base.body)
    if text:  # a few passes over short texts do better without
        for layer in [m for m in body.modules() if isinstance(m, nn.Dropout)]:
            layer.p = 0.0
    if plan.prepare:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            plan.prepare(body)
    learn, hold, sure = validation_parts(labels, groups, seed, promised(settings))
    if plan.refit:  # nothing is chosen by items held out
        learn, hold, sure = np.arange(len(data)), hold[:0], hold[:0]
    if plan.head == "probe" and len(hold):  # what chooses the epoch must be new to the head that training starts from
        own = fit_features(rows.x[learn], labels[learn], data.target, class_weight=settings["class_weight"],
                           record=start.record).head  # fmt: skip
        start = replace(start, probe=own)
    unit, zero = (float(labels[learn].std()) or 1.0, float(labels[learn].mean())) if numbers else (1.0, 0.0)
    head = _head(plan, start, rows, 1 if numbers else classes, seed, data.modality == "table")
    if plan.head == "probe" and numbers:  # numbers are learned at a spread of 1
        head.restate(1 / unit, -zero / unit)  # type: ignore[operator]
    learner = Learner(body.to(device), head.to(device), border)
    pictures = data.modality == "image"
    policy = Policy(settings["augment"] or "light" if pictures else "none", flips=may_flip(data.classes))
    if not policy.flips and pictures:
        say("pictures are not mirrored: these classes would not mean the same")

    targets = (labels[:, None] - zero) / unit if numbers else targets_of(labels, classes)
    feeds: Any = {"seed": seed, "device": device, "store": store}
    feed = make_feed(base, border, data.take(learn), rows.x[learn], policy, **feeds)
    weights = row_weights(targets, settings["class_weight"])
    judge = Policy("none", policy.flips)

    def aside(items: NDArray[np.int64]) -> Validator:
        plain = make_feed(base, border, data.take(items), rows.x[items], judge, **feeds, views=1)
        return Validator(plain, targets[items], link, None if weights is None else weights[items], device, task)

    inner = aside(hold)
    usual = "keep" if plan.pretrained and base.has_learned else "learn"
    loop = loop_settings(settings, task, targets[learn], fingerprint(rows), usual)
    curve = None
    if settings["lr"] == "auto":
        rate, curve = _found_rate(folder, learner, plan, feed, targets[learn], loop)
        plan = method.plan(len(network.body.blocks), replace(options, rate=rate))
    processes = settings["processes"] or 1
    _usable(settings, processes, loop.batch, len(learn), len(hold), device)
    progress = train(
        learner, plan.phases, feed, targets[learn], loop, folder=folder / "checkpoints",
        inner=inner.loss if len(hold) else None, report=Logs(folder, bool(settings["tensorboard"])),
        processes=processes,
    )  # fmt: skip
    settled(learner.head)
    temperature, logits = calibrated(learner, inner if sure is hold else aside(sure), unit, zero)
    unjudged = not len(hold)
    record = {
        "phases": [{k: v for k, v in vars(p).items() if not callable(v) and v is not None} for p in plan.phases],
        "loop": asdict(loop), "augment": policy.name, "flips": policy.flips, "head": plan.head,
        "bf16": loop.precision == "bf16" or bf16_pays(device), "pieces_a_batch": progress.accumulation_steps,
        "processes": processes, "steps": progress.step, "history": progress.history, "range_test": curve,
        "temperature": temperature, "inner_items": len(hold), "inner_log_loss": None if unjudged else progress.best,
        "chosen_by": "last averaged weights" if unjudged else "inner split",
    }  # fmt: skip
    if plan.finish:
        plan.finish(learner.body)
    adapted = changed(base, learner.body, settings["method"], statistics=loop.batch_norm == "learn")
    if plan.refit:
        everything = LabelledFeatures(rows.x, labels, np.arange(len(data)))
        fitted = fit_features(adapted_rows(adapted, data, everything, settings["engine"], device), labels, data.target,
                              seed=seed, class_weight=settings["class_weight"], groups=groups)  # fmt: skip
        learner.head = fitted.head
        record["probe"] = fitted.record
        if fitted.logits is not None and fitted.rows is not None:
            logits, sure = fitted.logits, fitted.rows
    head = learner.head.cpu().eval().requires_grad_(False)
    return TrainedNetwork(adapted, head, record, logits, labels[sure], sure, sure is hold)


def calibrated(learner: Learner, inner: Validator, unit: float, zero: float) -> tuple[float, NDArray[Any] | None]:
    """Brings the head to the best temperature on the held-out items, or for numbers back to their unit; the temperature
    and what it then says of these items, None where there are none.
    """
    temperature, logits, head = 1.0, None, learner.head
    if len(inner.targets):
        logits = inner.logits(learner)
        if inner.task == "regression":
            logits = logits * unit + zero
        else:
            _, temperature = judged_at_best(logits, inner.targets, inner.link, inner.weights)
            logits = logits / temperature
            head.apply_temperature(temperature)  # type: ignore[operator]
    if inner.task == "regression":
        head.restate(unit, zero)  # type: ignore[operator]
    return temperature, logits


def changed(base: Pretrained, body: Body, method: str, *, statistics: bool) -> Pretrained:
    """The network ``base`` with the weights of ``body``, frozen; ``statistics`` says whether those of batch
    normalisation were learned anew.
    """
    found = copy.copy(base)
    found.body, found.head, found.source_classes = body.freeze().eval().cpu(), None, ()
    found.recipe, found.files = dict(base.recipe), dict(base.files)
    found.provenance = {k: v for k, v in base.provenance.items() if k != "digest"}
    found.provenance |= {"adapted_by": method, **({"statistics": OWN} if statistics else {})}
    return found


def _usable(settings: dict[str, Any], processes: int, batch: int, learn: int, hold: int, device: str) -> None:
    """Raises ``InputError`` where an option could do nothing, or several processes could not work together."""
    method = settings["method"]
    if settings["patience"] and not hold:
        raise InputError(f"--patience needs items held out inside training (from 100 on, not by contrastive); {method} "
                         f"has none of {learn}.")  # fmt: skip
    if processes == 1:
        return
    if device.startswith("cuda") and processes > torch.cuda.device_count():
        raise InputError(f"--processes {processes}: there are {torch.cuda.device_count()} GPUs, and each takes one.")
    if batch < 2 * processes:
        raise InputError(f"--batch {batch}: {processes} processes need two items each in every step.")
    if learn < 2 * processes:
        raise InputError(f"--processes {processes} needs at least {2 * processes} items to learn from, not {learn}.")


def link_of(data: Dataset) -> Link:
    """How logits of this data's task become probabilities; softmax also stands for numbers, which have none."""
    return TASKS[data.target.task].link or "softmax"


def untrained(network: Pretrained) -> Pretrained:
    """The same network from random weights, fed as ``network`` is."""
    if network.recipe["architecture"] == beside.ARCHITECTURE:
        raise InputError(f"{network.name} keeps its pretrained part as it is, and from scratch there would be none.")
    found = catalog.load(f"random:{network.name.removeprefix('random:')}")
    found.spec = network.spec
    return found


def fingerprint(rows: LabelledFeatures) -> str:
    """Names the pictures, by their features, and the labels: what a checkpoint must not be resumed without."""
    return hashlib.blake2b(rows.x.tobytes() + rows.y.tobytes(), digest_size=16).hexdigest()


def _found_rate(
    folder: Path, learner: Learner, plan: Plan, feed: Batches, targets: NDArray[Any], loop: Settings
) -> tuple[float, list[dict[str, float]]]:
    """The rate of the range test, kept for when the run is resumed."""
    path = folder / "checkpoints" / "rate.json"
    if not path.is_file():
        rate, curve = suggest(learner, plan.phases[0], feed, targets, loop)
        write_json(path, {"rate": rate, "curve": curve})
    found = json.loads(path.read_text(encoding="utf-8"))
    say(f"range test: a top rate of {found['rate']:.2g}")
    return found["rate"], found["curve"]


def _head(
    plan: Plan, start: Initialization, rows: LabelledFeatures, outputs: int, seed: int, own_units: bool
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
        spread = rows.x.std(0) if own_units else np.full(features, rows.x.std())
        made.mean.copy_(torch.from_numpy(rows.x.mean(0)))
        made.scale.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))
    return normed(made) if plan.head == "normed" else made
