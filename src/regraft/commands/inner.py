"""The part held out inside the training part: it chooses the epoch, the temperature, and between methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.commands.split import strata
from regraft.data.parts import hold_out
from regraft.methods.logistic import Link, cross_entropy, optimal_temperature
from regraft.runtime import say
from regraft.training.batches import Batches
from regraft.training.state import Learner

FROM, SHARE, PIECE = 100, 0.15, 64


def inner_split(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to learn from and positions to choose by: 15 % from 100 items on, else none."""
    if len(labels) < FROM:
        return np.arange(len(labels)), np.zeros(0, np.int64)
    return held_out(labels, groups, seed)


def inner_parts(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int, interval: float | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """`inner_split`, and positions to find the width of an ``interval`` by: 15 % of what would be learned from, since
    what chose the epoch is known too well. Where no interval is asked for or no group can be spared, those that choose.
    """
    learn, hold = inner_split(labels, groups, seed)
    if interval is None or not len(hold):
        return learn, hold, hold
    rest, sure = held_out(labels[learn], None if groups is None else groups[learn], seed)
    if not len(sure):
        say("no group can be spared to find the width of intervals by: the items that choose the epoch do it")
        return learn, hold, hold
    return learn[rest], hold, learn[sure]


def held_out(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to learn from and 15 % held out, of every class or tenth of the numbers alike; no group is torn."""
    return hold_out(strata(labels), groups, share=SHARE, seed=seed)


def judged_at_best(
    logits: NDArray[Any], targets: NDArray[Any], link: Link, weights: NDArray[Any] | None = None
) -> tuple[float, float]:
    """Log loss at the best temperature, and that temperature: how well the classes are told apart, not how boldly."""
    n, k = targets.shape
    # one example's worth of doubt in all, so that a few separable ones do not ask for certainty
    smooth = (n * targets + (1 / k if link == "softmax" else 0.5)) / (n + 1)
    temperature = optimal_temperature(logits, smooth, link, weights)
    return cross_entropy(logits / temperature, smooth, link, weights), temperature


def inner_loss(
    task: str, outputs: NDArray[Any], targets: NDArray[Any], link: Link, weights: NDArray[Any] | None = None
) -> float:
    """How a head does on held-out items, in nats: the log loss at the best temperature, or for numbers the negative log
    of a normal density at the best standard deviation.
    """
    if task == "regression":
        return 0.5 * float(np.log(2 * np.pi * np.e * max(((outputs - targets) ** 2).mean(), 1e-12)))
    return judged_at_best(outputs, targets, link, weights)[0]


class Inner:
    """The held-out items, plain and unaugmented, as ``feed`` gives them to a learner."""

    def __init__(
        self, feed: Batches, targets: NDArray[Any], link: Link, weights: NDArray[Any] | None, device: str, task: str
    ) -> None:
        self.task = task
        self.feed, self.targets, self.link, self.weights, self.device = feed, targets, link, weights, device

    def logits(self, learner: Learner) -> NDArray[np.float64]:
        found = np.zeros(self.targets.shape)
        with torch.inference_mode():
            for x, positions in self.feed.epoch(0, PIECE, 0):
                found[positions] = learner(x.to(self.device)).float().cpu().numpy()
        return found

    def loss(self, learner: Learner) -> float:
        return inner_loss(self.task, self.logits(learner), self.targets, self.link, self.weights)
