"""Several labelled domains trained on one body: statistics of normalisation for each, all else shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Pretrained, copied
from regraft.core.files import digest
from regraft.data.splits import Split
from regraft.methods import multi_domain as METHOD
from regraft.methods.probes.logistic import targets_of
from regraft.models.heads import LinearHead
from regraft.training.calibration import judged_at_best
from regraft.training.defaults import default_epochs, loop_settings, method_options, policy_of
from regraft.training.feeds.build import Feeds
from regraft.training.feeds.many_domains import ManyDomains
from regraft.training.learner import Learner
from regraft.training.trainer import TrainingContext
from regraft.training.validation import Validator, promised, validation_parts


@dataclass
class Domain:
    """A domain: its name, its split with labels in the classes of all, the positions of its head's classes."""

    name: str
    split: Split
    own: list[int]


@dataclass(frozen=True)
class JointlyTrained:
    """The ``body`` with statistics of each domain, a head a domain (calibrated on its items held out inside) and one of
    all classes for items of no domain; ``unseen`` holds by domain what its head says of held-out items of the training
    part: logits (m, k), labels (m,) and positions (m,), None where there are none.
    """

    body: Any
    head: LinearHead
    heads: list[LinearHead]
    unseen: list[tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]] | None]
    record: dict[str, Any]


def train_domains(
    name: str, domains: list[Domain], classes: tuple[str, ...], network: Pretrained, context: TrainingContext
) -> JointlyTrained:
    """A network for all domains. ``name`` is the run's: a training of another goes not on from there."""
    options, first = context.options, domains[0].split.train
    policy = policy_of(options.training, first.modality, classes)
    feeds = context.feeds(network, policy)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        head = LinearHead(network.width, len(classes))
    parts = [validation_parts(d.split.train.y, d.split.groups, context.seed, promised(options)) for d in domains]
    learn = [d.split.train.take(kept) for d, (kept, _, _) in zip(domains, parts, strict=True)]
    judges = [_Judge(i, d.own, _validator(d, held, len(classes), feeds))
              for i, (d, (_, held, _)) in enumerate(zip(domains, parts, strict=True)) if len(held)]  # fmt: skip
    targets = np.concatenate([targets_of(d.y, len(classes)) for d in learn])
    loop = loop_settings(options, digest([name, *map(str, targets.argmax(1))]).hex(), network, targets=targets)
    body = METHOD.divided(copied(network.body, share_word_vectors=not loop.train_embeddings), len(domains))
    learner = Learner(body.to(context.device), head.to(context.device))  # type: ignore[arg-type]
    told = method_options(options.training, first.modality, default_epochs(len(targets), first.modality == "text"))
    loss = METHOD.SharedLoss({d.name: d.own for d in domains}, loop.smoothing, loop.class_weight)
    phase = METHOD.phase(len(network.body.blocks), told, network.has_learned, loss)
    _, record = context.train(learner, [phase], ManyDomains([feeds.augmented(d) for d in learn], context.seed), targets,
                              loop, (lambda model: _mean_loss(model, judges)) if judges else None)  # fmt: skip
    sure = [_Judge(i, d.own, _validator(d, items, len(classes), feeds)) if len(items) else None
            for i, (d, (_, _, items)) in enumerate(zip(domains, parts, strict=True))]  # fmt: skip
    record |= {"augment": policy.name, "heads": {d.name: [classes[i] for i in d.own] for d in domains},
               "chosen_by": "inner split of every domain" if judges else "last averaged weights"}  # fmt: skip
    return _calibrated(learner, domains, sure, [s for _, _, s in parts], record)


@dataclass(frozen=True)
class _Judge:
    """What judges a learner by held-out items of one domain, by that domain's statistics and head."""

    domain: int
    own: list[int]
    validator: Validator

    @contextmanager
    def in_force(self, learner: Learner) -> Iterator[Learner]:
        """``learner`` as that of the domain for a while."""
        METHOD.turn_to(learner.body, self.domain)
        before, learner.head = learner.head, rows_of(learner.head, self.own)
        try:
            yield learner
        finally:
            learner.head = before


def _validator(domain: Domain, items: NDArray[np.int64], classes: int, feeds: Feeds) -> Validator:
    held = domain.split.train.take(items)
    targets = targets_of(held.y, classes)[:, domain.own]
    return Validator(feeds.plain(held), targets, "softmax", None, feeds.device)


def _mean_loss(learner: Learner, judges: list[_Judge]) -> float:
    """The mean log loss over the domains."""
    losses = []
    for judge in judges:
        with judge.in_force(learner):
            losses.append(judge.validator.loss(learner))
    return float(np.mean(losses))


def _calibrated(
    learner: Learner, domains: list[Domain], judges: list[_Judge | None], items: list[NDArray[np.int64]],
    record: dict[str, Any],
) -> JointlyTrained:  # fmt: skip
    """The best temperature of each domain, and of their middle for items of no domain."""
    temperatures: dict[str, float] = {}
    unseen: list[tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]] | None] = []
    for domain, judge, positions in zip(domains, judges, items, strict=True):
        temperatures[domain.name] = 1.0
        if judge is None:
            unseen.append(None)
            continue
        validator = judge.validator
        with judge.in_force(learner):
            logits = validator.logits(learner)
        _, temperatures[domain.name] = judged_at_best(logits, validator.targets, "softmax")
        unseen.append((logits / temperatures[domain.name], validator.targets.argmax(1), positions))
    heads = [rows_of(learner.head, d.own).cpu() for d in domains]
    for head, temperature in zip(heads, temperatures.values(), strict=True):
        head.apply_temperature(temperature)
    whole: Any = learner.head.cpu().eval().requires_grad_(False)
    whole.apply_temperature(float(np.exp(np.mean(np.log([*temperatures.values()])))))
    return JointlyTrained(learner.body.cpu().eval(), whole, heads, unseen, record | {"temperatures": temperatures})


def rows_of(head: nn.Module, own: list[int]) -> LinearHead:
    """The rows of a linear head for some classes, as a head of its own."""
    linear: Any = head.linear
    made = LinearHead(linear.in_features, len(own)).to(linear.weight.device)
    state = {k: v[own] if k.startswith("linear.") else v for k, v in head.state_dict().items()}
    made.load_state_dict(state)
    return made.eval().requires_grad_(False)
