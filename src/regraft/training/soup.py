"""A model soup: the weights of several trainings from one start averaged into one network, no slower than any of them.

Wortsman et al. 2022 (https://arxiv.org/abs/2203.05482), recipe 1, the greedy soup: members join in the order of their
figure on held-out items, and stay where the average is no worse there with them. The figure here is the log loss of the
inner split (for numbers the density's), by which the loop chooses epochs too, since accuracy on a few hundred items
moves in steps. Fine-tunings of one start end in one basin of the loss, whose inside is better than its rim; trainings
from random weights do not, and are refused.

A member that has ended is kept in ``checkpoints/soup/NUMBER/trained``: what goes on after an interruption does not
train it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from regraft.backbones.base import Pretrained, copied
from regraft.core.errors import InputError, TrainingError
from regraft.core.runtime import say
from regraft.data.transforms.policy import Policy
from regraft.methods.base import Plan
from regraft.training import checkpoint
from regraft.training.feeds.base import Batches
from regraft.training.feeds.build import Feeds
from regraft.training.learner import Learner
from regraft.training.state import Settings, check_same, versions
from regraft.training.trainer import TrainingContext
from regraft.training.validation import Validator

Weights = dict[str, Tensor]

RATES, AUGMENTS = (1.0, 0.5, 2.0), ("light", "standard")
"""Member i has the method's rates times ``RATES[i % 3]``, its pictures are augmented by ``AUGMENTS[i % 2]``, and its
seed is the run's plus i: the first is the training that there would be without a soup.
"""


@dataclass(frozen=True)
class Recipe:
    """What one member does in its own way: the seed of order and views, a factor of the rates, the augmentation."""

    seed: int
    rate: float
    policy: Policy


def recipes(count: int, seed: int, policy: Policy, *, asked: bool) -> Iterator[Recipe]:
    """Those of ``count`` members. The ``policy`` stays where it was ``asked`` for, or there are no pictures."""
    for i in range(count):
        vary = not asked and policy.name in AUGMENTS
        yield Recipe(seed + i, RATES[i % len(RATES)], replace(policy, name=AUGMENTS[i % 2]) if vary else policy)


@dataclass(frozen=True)
class Member:
    """A training that has ended: its recipe, the loss on the inner split, the loop's record, and its ``folder``."""

    recipe: Recipe
    inner: float
    record: dict[str, Any]
    folder: Path

    def weights(self) -> Weights:
        """What it has changed."""
        kept = checkpoint.load(self.folder)
        assert kept is not None
        return kept[1].get("model", {})


def check(plan: Plan, network: Pretrained, batch_norm: str, held: int) -> None:
    """Raises ``InputError`` where weights cannot be averaged, or nothing says which."""
    if not (plan.pretrained and network.has_learned):
        raise InputError(f"--soup: {network.name} starts from random weights, and averages of such are no good.")
    if batch_norm == "learn" and network.body.norms():
        raise InputError("--soup with --batch-norm learn: each training would have statistics of its own, which fit "
                         "its weights alone; leave out one of the two.")  # fmt: skip
    if not held:
        raise InputError("--soup needs items held out inside training, by which weights are chosen: 100 items or more.")


def train_soup(
    context: TrainingContext, learner: Learner, plan: Plan, count: int, feeds: Feeds,
    feed_of: Callable[[Feeds], Batches], targets: NDArray[Any], loop: Settings, validator: Validator, processes: int,
) -> tuple[float, dict[str, Any]]:  # fmt: skip
    """Trains ``count`` copies of ``learner`` and leaves in it the average of those that make it best; the loss on the
    inner split, and the loop's record of the member that the average began with, with one of the soup.

    Each follows ``plan`` in its own way, with what ``feed_of`` makes of ``feeds`` in that way.
    """
    base = _weights(learner)
    asked = context.options.training.augment is not None
    members, failed = list[Member](), dict[int, str]()

    def trained(number: int, recipe: Recipe) -> Member:
        folder = context.folder / "checkpoints" / "soup" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        settings = replace(loop, seed=recipe.seed)
        if (kept := _kept(recipe, settings, folder / "trained")) is not None:
            return kept
        say(f"soup: training {number + 1} of {count}: {_words(recipe)}")
        net = copied(learner, share_word_vectors=not loop.train_embeddings)
        phases = tuple(replace(p, rate=p.rate * recipe.rate) for p in plan.phases)
        feed = feed_of(replace(feeds, seed=recipe.seed, policy=recipe.policy))
        own = replace(context, folder=folder)
        _, record = own.train(net, phases, feed, targets, settings, validator.loss, processes)
        member = Member(recipe, validator.loss(net), record, folder / "trained")
        _keep(member, settings, {k: v for k, v in _weights(net).items() if not v.equal(base[k])})
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return member

    for number, recipe in enumerate(recipes(count, context.seed, feeds.policy, asked=asked)):
        try:
            members.append(trained(number, recipe))
        except TrainingError as error:  # the double rate may be too high where the others are not
            failed[number] = str(error)
            say(f"soup: left out: {error}")
    if not members:
        raise TrainingError(failed[0])

    def judge(weights: Weights) -> float:
        learner.load_state_dict(base | weights)
        return validator.loss(learner.eval())

    weights, taken, inner = greedy(members, base, judge)
    learner.load_state_dict(base | weights)
    say(f"soup: {len(taken)} of {count} trainings are averaged: inner loss {inner:.4f}, of the best alone "
        f"{taken[0].inner:.4f}")  # fmt: skip
    shown = [{"seed": m.recipe.seed, "rate": m.recipe.rate, "augment": m.recipe.policy.name, "inner_log_loss": m.inner,
              "taken": any(m is t for t in taken)} for m in members]  # fmt: skip
    return inner, taken[0].record | {"soup": {"members": shown, "left_out": [*failed.values()], "inner_log_loss": inner,
                                              "best_alone": taken[0].inner}}  # fmt: skip


def greedy(
    members: list[Member], base: Weights, judge: Callable[[Weights], float]
) -> tuple[Weights, list[Member], float]:
    """The average of those members that make it no worse, added from the best on; them in that order, and the loss."""
    first, *rest = sorted(members, key=lambda m: m.inner)
    soup, taken, best = first.weights(), [first], first.inner
    for member in rest:
        more, n = member.weights(), len(taken)
        mixed = {k: _mean(soup.get(k, base[k]), more.get(k, base[k]), n) for k in sorted({*soup, *more})}
        loss = judge(mixed)
        if loss <= best:
            soup, best = mixed, loss
            taken.append(member)
    return soup, taken, best


def _mean(average: Tensor, more: Tensor, n: int) -> Tensor:
    """The average of ``n`` with one more."""
    return average.mul(n).add(more).div(n + 1)


def _weights(learner: Learner) -> Weights:
    return {k: v.detach().cpu().clone() for k, v in learner.state_dict().items()}


def _words(recipe: Recipe) -> str:
    return f"seed {recipe.seed}, {recipe.rate:g} times the rate, augmentation {recipe.policy.name}"


def _keep(member: Member, settings: Settings, weights: Weights) -> None:
    state = {"inner": member.inner, "record": member.record, "settings": asdict(settings), "versions": versions()}
    checkpoint.save(member.folder, state, {"model": weights})


def _kept(recipe: Recipe, settings: Settings, folder: Path) -> Member | None:
    """The member that has ended before, None where it has not; raises as a checkpoint does that is of another run."""
    kept = checkpoint.load(folder)
    if kept is None:
        return None
    state, _ = kept
    check_same(state, settings, folder)
    say(f"soup: trained before: {_words(recipe)}")
    return Member(recipe, state["inner"], state["record"], folder)
