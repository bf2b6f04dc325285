"""Several labelled domains trained on one body: statistics of normalisation for each, all else shared."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.core.files import digest
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.splits import Split
from regraft.data.transforms.augment import Policy, may_flip
from regraft.methods import multi_domain as METHOD
from regraft.methods.base import Options
from regraft.methods.probes.logistic import targets_of
from regraft.models.heads import LinearHead
from regraft.training.calibration import judged_at_best
from regraft.training.defaults import default_epochs, loop_settings, rate_of
from regraft.training.feeds.build import make_feed
from regraft.training.feeds.many_domains import ManyDomains
from regraft.training.learner import Learner
from regraft.training.logs import Logs
from regraft.training.loop import train
from regraft.training.validation import Validator, validation_split


@dataclass
class Domain:
    """A domain: its name, its split with labels in the classes of all, the positions of its head's classes."""

    name: str
    split: Split
    own: list[int]


def trained(
    name: str,
    folder: Path,
    settings: dict[str, Any],
    network: Pretrained,
    domains: list[Domain],
    classes: tuple[str, ...],
    device: str,
    store: RowStore,
) -> tuple[Any, LinearHead, dict[str, Any]]:
    """The body with statistics of each domain, the head for all classes, a record with the ``temperatures`` of each
    domain, found on its items held out inside; checkpoints and logs go to ``folder``. ``name`` is the run's: a training
    of another goes not on from there.
    """
    seed, k = settings["seed"], len(classes)
    policy = Policy("none" if domains[0].split.train.modality == "text" else settings["augment"] or "light",
                    flips=may_flip(classes))  # fmt: skip
    empty = np.zeros((0, 0), np.float32)

    def feed(data: Dataset, by: Policy) -> Any:
        return make_feed(network, 0, data, empty, by, seed=seed, device=device, store=store)

    body = METHOD.divided(copy.deepcopy(network.body), len(domains))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = LinearHead(network.width, k)
    learner = Learner(body.to(device), head.to(device))  # type: ignore[arg-type]
    halves = [validation_split(d.split.train.y, d.split.groups, seed) for d in domains]
    learn = [d.split.train.take(kept) for d, (kept, _) in zip(domains, halves, strict=True)]
    hold = [d.split.train.take(held) for d, (_, held) in zip(domains, halves, strict=True)]
    plain = Policy("none", policy.flips)
    judges = [
        (i, d.own, Validator(feed(h, plain), targets_of(h.y, k)[:, d.own], "softmax", None, device, "classification"))
        for i, (d, h) in enumerate(zip(domains, hold, strict=True)) if len(h)
    ]  # fmt: skip
    targets = np.concatenate([targets_of(d.y, k) for d in learn])
    loop = loop_settings(settings, "classification", targets, digest([name, *map(str, targets.argmax(1))]).hex())
    options = Options(settings["epochs"] or default_epochs(len(targets)), rate_of(settings["lr"]))
    loss = METHOD.SharedLoss({d.name: d.own for d in domains}, loop.smoothing, loop.class_weight)
    phase = METHOD.phase(len(network.body.blocks), options, network.has_learned, loss)
    progress = train(
        learner, [phase], ManyDomains([feed(d, policy) for d in learn], seed), targets, loop,
        folder=folder / "checkpoints", inner=(lambda model: _inner(model, judges)) if judges else None,
        report=Logs(folder, bool(settings["tensorboard"])),
    )  # fmt: skip
    temperatures = {d.name: 1.0 for d in domains}
    for domain, own, inner in judges:
        METHOD.turn_to(learner.body, domain)
        with _head(learner, rows_of(learner.head, own)):
            _, found = judged_at_best(inner.logits(learner), inner.targets, inner.link)
        temperatures[domains[domain].name] = found
    record = {"loop": asdict(loop), "augment": policy.name, "history": progress.history, "temperatures": temperatures,
              "heads": {d.name: [classes[i] for i in d.own] for d in domains},
              "chosen_by": "inner split of every domain" if judges else "last averaged weights"}  # fmt: skip
    return learner.body.cpu().eval(), learner.head.cpu().eval().requires_grad_(False), record  # type: ignore[return-value]


def _inner(learner: Learner, judges: list[tuple[int, list[int], Validator]]) -> float:
    """The mean log loss over the domains, each by its own statistics and head."""
    losses, head = [], learner.head
    for domain, own, inner in judges:
        METHOD.turn_to(learner.body, domain)
        with _head(learner, rows_of(head, own)):
            losses.append(inner.loss(learner))
    return float(np.mean(losses))


@contextmanager
def _head(learner: Learner, head: nn.Module) -> Iterator[None]:
    """``learner`` with another head for a while."""
    before, learner.head = learner.head, head
    try:
        yield
    finally:
        learner.head = before


def rows_of(head: Any, own: list[int]) -> LinearHead:
    """The rows of a head for some classes, as a head of its own."""
    made = LinearHead(head.linear.in_features, len(own)).to(head.linear.weight.device)
    state = {k: v[own] if k.startswith("linear.") else v for k, v in head.state_dict().items()}
    made.load_state_dict(state)
    return made.eval().requires_grad_(False)
