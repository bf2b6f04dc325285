"""The part held out inside the training part: it chooses the epoch, the temperature, and between methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.data.folds import hold_out, strata
from regraft.options.fit import FitOptions
from regraft.tasks.base import Link
from regraft.training.calibration import inner_loss
from regraft.training.feeds.base import Batches
from regraft.training.learner import Learner

FROM, SHARE, PIECE = 100, 0.15, 64


def validation_split(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to learn from and positions to choose by: 15 % from 100 items on, else none."""
    if len(labels) < FROM:
        return np.arange(len(labels)), np.zeros(0, np.int64)
    return held_out(labels, groups, seed)


def validation_parts(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int, promised: float | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """`validation_split`, and positions by which what is ``promised`` (the level of an interval, an accuracy) is found:
    15 % of what would be learned from, since what chose the epoch is known too well. Where nothing is promised or no
    group can be spared, those that choose.
    """
    learn, hold = validation_split(labels, groups, seed)
    if promised is None or not len(hold):
        return learn, hold, hold
    rest, sure = held_out(labels[learn], None if groups is None else groups[learn], seed)
    return (learn[rest], hold, learn[sure]) if len(sure) else (learn, hold, hold)


def promised(options: FitOptions) -> float | None:
    """The level of an interval or the accuracy that is asked for."""
    return options.evaluation.interval or options.evaluation.accuracy


def held_out(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to learn from and 15 % held out, of every class or tenth of the numbers alike; no group is torn."""
    return hold_out(strata(labels), groups, share=SHARE, seed=seed)


class Validator:
    """The held-out items, plain and unaugmented, as ``feed`` gives them to a learner."""

    def __init__(
        self, feed: Batches, targets: NDArray[Any], link: Link | None, weights: NDArray[Any] | None, device: str
    ) -> None:
        self.feed, self.targets, self.link, self.weights, self.device = feed, targets, link, weights, device

    def logits(self, learner: Learner) -> NDArray[np.float64]:
        found = np.zeros(self.targets.shape)
        with torch.inference_mode():
            for x, positions in self.feed.epoch(0, PIECE, 0):
                found[positions] = learner(x.to(self.device)).float().cpu().numpy()
        return found

    def loss(self, learner: Learner) -> float:
        return inner_loss(self.logits(learner), self.targets, self.link, self.weights)
