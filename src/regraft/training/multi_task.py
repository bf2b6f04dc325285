"""Several tasks trained on one body at once: what ``--share parameters`` does before each task is judged alone."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.core.files import digest
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.transforms.augment import Policy, may_flip
from regraft.features.labelled import LabelledFeatures
from regraft.methods import multi_task as METHOD
from regraft.methods.base import Options
from regraft.methods.probes.linear_probe import fit_features
from regraft.methods.probes.logistic import targets_of
from regraft.models.heads import LinearHead
from regraft.training.defaults import GENTLE_ON_TEXTS, default_epochs, loop_settings, rate_of
from regraft.training.feeds.build import make_feed
from regraft.training.feeds.many_domains import ManyDomains
from regraft.training.learner import Learner
from regraft.training.logs import Logs
from regraft.training.loop import train
from regraft.training.losses import LOSSES
from regraft.training.trainer import TrainedNetwork, calibrated, changed, fingerprint, link_of
from regraft.training.validation import Validator, promised, validation_parts


@dataclass
class Task:
    """A task's items inside the training part, its targets at a spread of 1, the head its probe gives, and a
    record of how that was chosen.
    """

    data: Dataset
    rows: LabelledFeatures
    learn: NDArray[np.int64]
    hold: NDArray[np.int64]
    sure: NDArray[np.int64]
    targets: NDArray[Any]
    unit: float
    zero: float
    head: LinearHead
    record: dict[str, Any]

    @property
    def numbers(self) -> bool:
        return self.data.target.task == "regression"


def task_of(train: Dataset, rows: LabelledFeatures, groups: NDArray[Any] | None, settings: dict[str, Any]) -> Task:
    """The task of the items ``train``, whose ``rows`` could be computed; ``groups`` (n,) are those of the rows. Its
    probe has not seen the items that choose the epoch.
    """
    data, seed = train.take(rows.items), settings["seed"]
    learn, hold, sure = validation_parts(rows.y, groups, seed, promised(settings))
    numbers = data.target.task == "regression"
    unit, zero = (float(rows.y[learn].std()) or 1.0, float(rows.y[learn].mean())) if numbers else (1.0, 0.0)
    probe = fit_features(rows.x[learn], rows.y[learn], data.target, seed=seed)
    head = copy.deepcopy(probe.head).requires_grad_(True)
    if numbers:
        head.restate(1 / unit, -zero / unit)
    targets = (rows.y[:, None] - zero) / unit if numbers else targets_of(rows.y, len(data.classes))
    return Task(data, rows, learn, hold, sure, targets, unit, zero, head, probe.record)


def together(
    named: dict[str, Task], network: Pretrained, settings: dict[str, Any], weights: str, soft: float | None, *,
    folder: Path, device: str, store: RowStore,
) -> dict[str, TrainedNetwork]:  # fmt: skip
    """The network and a head for each task after training on all of them in turns; a batch is of one task.

    With ``soft`` each task has a network of its own, drawn to the others' by an L2 term of that strength. The epoch is
    chosen by the mean inner loss over the tasks. Checkpoints and logs go to ``folder``.
    """
    tasks = list(named.values())
    text, seed = tasks[0].data.modality == "text", settings["seed"]
    flips = all(may_flip(t.data.classes) for t in tasks)
    policy = Policy("none" if text else settings["augment"] or "light", flips)
    plain, more = Policy("none", flips), {"seed": seed, "device": device, "store": store}
    body = copy.deepcopy(network.body)
    for layer in [m for m in body.modules() if text and isinstance(m, nn.Dropout)]:
        layer.p = 0.0

    def feed(task: Task, items: NDArray[np.int64], by: Policy) -> Any:
        return make_feed(network, 0, task.data.take(items), task.rows.x[items], by, **more)  # type: ignore[arg-type]

    if soft is not None:
        body = METHOD.own_bodies(body, len(tasks))
    extra = METHOD.Uncertainty(len(tasks)) if weights == "uncertainty" else None
    learner = Learner(body.to(device), METHOD.Heads([t.head for t in tasks]).to(device), 0,
                      None if extra is None else extra.to(device))  # fmt: skip

    def aside(task: Task, items: NDArray[np.int64]) -> Validator:
        kind = task.data.target.task
        return Validator(feed(task, items, plain), task.targets[items], link_of(task.data), None, device, kind)

    judges = [aside(t, t.hold) for t in tasks]
    widest = max(t.targets.shape[1] for t in tasks)
    targets = np.concatenate([np.pad(t.targets[t.learn], ((0, 0), (0, widest - t.targets.shape[1]))) for t in tasks])
    mark = digest([fingerprint(t.rows) for t in tasks]).hex()
    loop = loop_settings(settings | {"class_weight": None}, "classification", targets, mark,
                         "keep" if network.has_learned else "learn")  # fmt: skip
    options = Options(settings["epochs"] or default_epochs(len(targets), text), rate_of(settings["lr"]),
                      scale=GENTLE_ON_TEXTS if text else 1.0)  # fmt: skip
    loss = METHOD.TaskLoss(list(named), [LOSSES[t.data.target.task] for t in tasks],
                           [t.targets.shape[1] for t in tasks], loop.smoothing, soft)  # fmt: skip
    progress = train(
        learner, [METHOD.phase(len(body.blocks), options, loss)],
        ManyDomains([feed(t, t.learn, policy) for t in tasks], seed), targets, loop, folder=folder / "checkpoints",
        inner=(lambda model: _inner(model, judges)) if any(len(t.hold) for t in tasks) else None,
        report=Logs(folder, bool(settings["tensorboard"])),
    )  # fmt: skip
    record = {
        "phases": [{"name": "shared", "epochs": options.epochs, "rate": options.top(METHOD.RATE)}],
        "loop": asdict(loop), "augment": policy.name, "flips": flips, "history": progress.history,
        "steps": progress.step, "task_weights": weights, "soft": soft, "shared_by": list(named),
        "weights": dict(zip(named, extra.weights(), strict=True)) if extra is not None else None,
    }  # fmt: skip
    heads: Any = learner.head
    found = {}
    for i, (name, task, head) in enumerate(zip(named, tasks, heads.of_task, strict=True)):
        learner.head = head
        METHOD.turn(learner.body, i)
        temperature, logits = calibrated(learner, aside(task, task.sure), task.unit, task.zero)
        own = {**record, "temperature": temperature, "inner_items": len(task.hold), "inner_log_loss": None,
               "chosen_by": "inner splits of all tasks" if len(task.hold) else "last averaged weights"}  # fmt: skip
        head.cpu().eval().requires_grad_(False)
        found[name] = TrainedNetwork(
            network, head, own, logits, task.rows.y[task.sure], task.sure, task.sure is task.hold
        )
    bodies = [learner.body if soft is None else METHOD.body_of(learner.body, i) for i in range(len(tasks))]
    trained = [changed(network, b, "share parameters", statistics=loop.batch_norm == "learn") for b in bodies]
    return {name: replace(one, network=n) for (name, one), n in zip(found.items(), trained, strict=True)}


def _inner(learner: Learner, judges: list[Validator]) -> float:
    """The mean over the tasks of the loss on their held-out items."""
    losses: list[float] = []
    heads: Any = learner.head
    for i, judge in enumerate(judges):
        if len(judge.targets):
            learner.head = heads.of_task[i]
            METHOD.turn(learner.body, i)
            losses.append(judge.loss(learner))
            learner.head = heads
    return float(np.mean(losses))
