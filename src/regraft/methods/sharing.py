"""Several tasks that share the parameters of one body: a head each, their losses weighed against each other.

Caruana 1997 (https://doi.org/10.1023/A:1007379606734) for the shared body; Kendall, Gal and Cipolla 2018
(https://arxiv.org/abs/1705.07115), equations 7 to 10, for weights that are learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regraft.methods.base import Options, Phase, gentle

RATE = 5e-4
WEIGHTS = ("uncertainty", "fixed")


class Heads(nn.Module):
    """The heads of all tasks; which one is in force is for the caller to say."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.of_task = nn.ModuleList(heads)


class Uncertainty(nn.Module):
    """The log of the noise of each task, learned: a task's loss L counts ``exp(-s) L + s / 2``."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.log_noise = nn.Parameter(torch.zeros(tasks))

    def weighed(self, task: int, loss: Tensor) -> Tensor:
        s = self.log_noise[task]
        return torch.exp(-s) * loss + s / 2

    def weights(self) -> list[float]:
        """What each task's loss is multiplied by."""
        return [float(w) for w in torch.exp(-self.log_noise.detach())]


@dataclass(frozen=True)
class TaskLoss:
    """The loss of a batch of one task: ``losses`` one a task, ``outputs`` how many of the columns of the targets are
    the task's own.
    """

    losses: Sequence[Any]
    outputs: Sequence[int]
    smoothing: float

    def __call__(self, learner: Any, x: Any, targets: Tensor) -> tuple[None, Tensor]:
        task = x.domain
        outputs = learner.head.of_task[task](learner.features(x.x)).float()
        loss = self.losses[task](outputs, targets[:, : self.outputs[task]], self.smoothing, None)
        if isinstance(learner.extra, Uncertainty):
            loss = learner.extra.weighed(task, loss)
        return None, loss


def phase(blocks: int, options: Options, loss: TaskLoss) -> Phase:
    return Phase("shared", options.epochs, 0, options.top(RATE), gentle(blocks), adaptation=loss)
