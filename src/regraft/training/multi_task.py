"""Several tasks trained on one body at once: what ``--share parameters`` does before each task is judged alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Body, Pretrained, copied
from regraft.core.files import digest
from regraft.data.dataset import Dataset
from regraft.features.labelled import LabelledFeatures
from regraft.methods import multi_task as METHOD
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.heads import LinearHead
from regraft.training.defaults import default_epochs, loop_settings, method_options, policy_of
from regraft.training.examples import Examples
from regraft.training.feeds.build import Feeds
from regraft.training.feeds.many_domains import ManyDomains
from regraft.training.learner import Learner
from regraft.training.losses import LOSSES
from regraft.training.network import without_dropout
from regraft.training.state import Settings
from regraft.training.trainer import TrainedNetwork, TrainingContext, changed, fingerprint
from regraft.training.validation import Validator


@dataclass(frozen=True)
class Task:
    """A task's examples, the head its probe gives them, and a record of how that was chosen."""

    examples: Examples
    head: LinearHead
    record: dict[str, Any]

    @classmethod
    def of(cls, train: Dataset, rows: LabelledFeatures, groups: NDArray[Any] | None, context: TrainingContext) -> Task:
        """The task of the items ``train``, whose ``rows`` could be computed; ``groups`` (n,) are those of the rows. Its
        probe has not seen the items that choose the epoch.
        """
        examples = Examples.of(train, rows, groups, context.options)
        learn = examples.learn
        probe = fit_features(rows.x[learn], rows.y[learn], train.target, seed=context.seed)
        return cls(examples, probe.head, probe.record)


def train_tasks(named: Mapping[str, Task], network: Pretrained, context: TrainingContext) -> dict[str, TrainedNetwork]:
    """The network and a head for each task after training on all of them in turns; a batch is of one task.

    Their losses are weighed as ``--task-weights`` says; with ``--soft`` each task has a network of its own, drawn to
    the others' by an L2 term of that strength. The epoch is chosen by the mean inner loss over the tasks.
    """
    all_examples = [t.examples for t in named.values()]
    options, first = context.options, all_examples[0].data
    soft, weights = options.scenario.soft, options.scenario.task_weights or METHOD.WEIGHTS[0]
    policy = policy_of(options.training, first.modality, *(e.data.classes for e in all_examples))
    feeds = context.feeds(network, policy)
    mark = digest([fingerprint(e.rows) for e in all_examples]).hex()
    loop = loop_settings(options, mark, network, batch_norm="keep" if network.has_learned else "learn")
    learner = _learner(named, network, soft, weights, first.modality == "text", loop.train_embeddings, context.device)
    judges = [e.validator(feeds, e.hold) for e in all_examples]
    targets = _side_by_side(all_examples)
    told = method_options(options.training, first.modality, default_epochs(len(targets), first.modality == "text"))
    loss = METHOD.TaskLoss(list(named), [LOSSES[e.link] for e in all_examples],
                           [e.targets.shape[1] for e in all_examples], loop.smoothing, soft)  # fmt: skip
    _, record = context.train(
        learner, [METHOD.phase(len(network.body.blocks), told, loss)],
        ManyDomains([e.to_learn(feeds) for e in all_examples], context.seed), targets, loop,
        (lambda model: _mean_loss(model, judges)) if any(len(e.hold) for e in all_examples) else None,
    )  # fmt: skip
    extra = learner.extra
    record |= {
        "augment": policy.name, "flips": policy.flips, "task_weights": weights, "soft": soft, "shared_by": list(named),
        "weights": dict(zip(named, extra.weights(), strict=True)) if isinstance(extra, METHOD.Uncertainty) else None,
    }  # fmt: skip
    return _by_task(named, network, learner, feeds, record, loop)


def _learner(
    named: Mapping[str, Task], network: Pretrained, soft: float | None, weights: str, text: bool, embeddings: bool,
    device: str,
) -> Learner:  # fmt: skip
    """A copy of the network, or one a task, with the heads of all tasks; without ``embeddings`` word vectors are
    shared.
    """
    body: Body = copied(network.body, share_word_vectors=not embeddings)
    if text:
        without_dropout(body)
    if soft is not None:
        body = METHOD.own_bodies(body, len(named), share_word_vectors=not embeddings)
    heads = [t.examples.in_their_scale(copy.deepcopy(t.head)).requires_grad_(True) for t in named.values()]
    extra = METHOD.Uncertainty(len(named)).to(device) if weights == "uncertainty" else None
    return Learner(body.to(device), METHOD.Heads(heads).to(device), 0, extra)


def _side_by_side(examples: list[Examples]) -> NDArray[Any]:
    """The targets of all tasks, each with as many columns as the widest has."""
    widest = max(e.targets.shape[1] for e in examples)
    return np.concatenate([np.pad(e.targets[e.learn], ((0, 0), (0, widest - e.targets.shape[1]))) for e in examples])


def _by_task(
    named: Mapping[str, Task], network: Pretrained, learner: Learner, feeds: Feeds, record: dict[str, Any],
    loop: Settings,
) -> dict[str, TrainedNetwork]:  # fmt: skip
    """What every task has of what was trained together, calibrated by its own items."""
    heads: Any = learner.head
    soft = record["soft"] is not None
    found = {}
    for i, ((name, task), head) in enumerate(zip(named.items(), heads.of_task, strict=True)):
        learner.head, examples = head, task.examples
        METHOD.turn(learner.body, i)
        temperature, logits = examples.calibrated(learner, examples.validator(feeds, examples.sure))
        own = {**record, "temperature": temperature, "inner_items": len(examples.hold), "inner_log_loss": None,
               "chosen_by": "inner splits of all tasks" if len(examples.hold) else "last averaged weights"}  # fmt: skip
        found[name] = TrainedNetwork(network, head.cpu().eval().requires_grad_(False), own, logits,
                                     task.examples.rows.y[examples.sure], examples.sure,
                                     examples.sure is examples.hold)  # fmt: skip
    bodies = [METHOD.body_of(learner.body, i) if soft else learner.body for i in range(len(named))]
    own_statistics = loop.batch_norm == "learn"
    networks = [changed(network, b, "share parameters", statistics=own_statistics) for b in bodies]
    return {name: replace(one, network=n) for (name, one), n in zip(found.items(), networks, strict=True)}


def _mean_loss(learner: Learner, judges: list[Validator]) -> float:
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
