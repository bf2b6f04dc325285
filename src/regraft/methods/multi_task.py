"""Several tasks that share the parameters of one body: a head each, their losses weighed against each other.

Caruana 1997 (https://doi.org/10.1023/A:1007379606734) for the shared body; Kendall, Gal and Cipolla 2018
(https://arxiv.org/abs/1705.07115), equations 7 to 10, for weights that are learned. Softly, each task has a body of its
own, and an L2 term draws them together (Duong et al. 2015, https://aclanthology.org/P15-2139).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import Body, copied
from regraft.methods.base import Options, Phase, Supervised, gentle

RATE = 5e-4
WEIGHTS = ("uncertainty", "fixed")


class Heads(nn.Module):
    """The heads of all tasks; which one is in force is for the caller to say."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.of_task = nn.ModuleList(heads)


class OwnBlock(nn.Module):
    """A block for each task, alike in the beginning; ``task`` says which one is in force."""

    def __init__(self, block: nn.Module, tasks: int, share_word_vectors: bool = False) -> None:
        super().__init__()
        self.of_task = nn.ModuleList(copied(block, share_word_vectors=share_word_vectors) for _ in range(tasks))
        self.task = 0

    def forward(self, x: Any) -> Any:
        return self.of_task[self.task](x)


def own_bodies(body: Body, tasks: int, share_word_vectors: bool = False) -> Body:
    """One body of as many blocks, each of them an `OwnBlock`."""
    return type(body)([(name, OwnBlock(b, tasks, share_word_vectors)) for name, b in body.blocks], body.pool)


def body_of(body: Body, task: int) -> Body:
    """The body of one task, out of `own_bodies`."""
    blocks: list[Any] = body.blocks
    return type(body)([(name, block.of_task[task]) for name, block in blocks], body.pool)


def turn(body: nn.Module, task: int) -> None:
    """Puts the body of ``task`` in force, where each has its own."""
    for block in body.modules():
        if isinstance(block, OwnBlock):
            block.task = task


def apart(body: nn.Module, task: int) -> Tensor:
    """Half the squared distance of what learns in a task's body to the others' mean, which stays where it is."""
    distances: list[Tensor] = []
    for block in body.modules():
        if isinstance(block, OwnBlock):
            own, *others = (dict(b.named_parameters()) for b in _first(block.of_task, task))
            distances += [(p - torch.stack([o[n].detach() for o in others]).mean(0)).square().sum()
                          for n, p in own.items() if p.requires_grad]  # fmt: skip
    return torch.stack(distances).sum() / 2


def _first(blocks: Sequence[Any] | nn.ModuleList, task: int) -> list[Any]:
    return [blocks[task], *(b for i, b in enumerate(blocks) if i != task)]


class Uncertainty(nn.Module):
    """The log of the noise of each task, learned: a task's loss L counts ``exp(-s) L + s / 2``."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.log_noise = nn.Parameter(torch.zeros(tasks))

    def weighed(self, task: int, loss: Tensor) -> Tensor:
        """The loss of a task divided by its learned noise, with what keeps this from growing (Kendall et al. 2018, eq.
        10).
        """
        s = self.log_noise[task]
        return torch.exp(-s) * loss + s / 2

    def weights(self) -> list[float]:
        """What each task's loss is multiplied by."""
        return [float(w) for w in torch.exp(-self.log_noise.detach())]


@dataclass(frozen=True)
class TaskLoss:
    """The loss of a batch of one task: ``losses`` one a task, ``outputs`` how many of the columns of the targets are
    the task's own, ``soft`` how strongly the tasks' bodies are drawn together (None: they are one).

    Its parts are the loss of the task by its name, what the learned weight makes more or less of it (``uncertainty``),
    and the pull between the bodies (``distance``).
    """

    names: Sequence[str]
    losses: Sequence[Any]
    outputs: Sequence[int]
    smoothing: float
    soft: float | None = None

    def __call__(self, learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
        task = x.domain
        turn(learner.body, task)
        outputs = learner.head.of_task[task](learner.features(x.x)).float()
        loss = self.losses[task](outputs, targets[:, : self.outputs[task]], self.smoothing, None)
        parts = {f"{self.names[task]}_loss": loss}
        if isinstance(learner.extra, Uncertainty):
            weighed = learner.extra.weighed(task, loss)
            parts["uncertainty"], loss = (weighed - loss).detach(), weighed
        if self.soft is not None:
            parts["distance"] = self.soft * apart(learner.body, task)
            loss = loss + parts["distance"]
        return {"loss": loss, **parts}


def phase(blocks: int, options: Options, loss: TaskLoss) -> Phase:
    """The one phase of training several tasks."""
    return Phase("shared", options.epochs, 0, options.top(RATE), gentle(blocks), step=loss)
