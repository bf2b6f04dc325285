"""What a method that trains a network says of itself: its phases, and what a step of them makes small.

Such a method is a module with ``SUMMARY`` and ``plan(blocks, options) -> Plan``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.models.cv_plus import FoldHeads
from regraft.models.heads import LinearHead

Head = Literal["probe", "zero", "mlp", "normed"]


@dataclass(frozen=True)
class Fitted:
    """A head and a record of how it was chosen.

    ``logits`` (m, k) are calibrated predictions (numbers: in their unit, quantiles behind the mean) for the training
    rows ``rows`` (m,) by heads that had not seen them; None where there were too few examples for that. ``folds`` are
    these heads, for numbers. In the record ``stopped_early`` lists in words which solver stopped before its end.
    """

    head: LinearHead
    record: dict[str, Any]
    rows: NDArray[np.int64] | None = None
    logits: NDArray[Any] | None = None
    folds: FoldHeads | None = None


@dataclass(frozen=True)
class Options:
    """What a method is told: the epochs in all, the head's top rate (None: the method's own), how many last blocks.

    ``scale`` multiplies a method's own rate: transformers are trained more gently than convolutions.
    """

    epochs: int
    rate: float | None = None
    last: int = 4
    scale: float = 1.0

    def top(self, own: float) -> float:
        """The rate asked for, or the method's ``own`` for this kind of network."""
        return self.rate or own * self.scale


Supervised = Callable[[Tensor, Tensor], Tensor]
"""The task's loss of outputs (n, k) against targets (n, k), a scalar, with the smoothing and weights of the run."""

Step = Callable[[Any, Any, Tensor, Supervised], dict[str, Tensor]]
"""The learner, a batch's inputs, its targets (n, k), and the task's loss -> scalars by name: ``loss`` is made small,
the others are the parts that it is the sum of. A step that has no parts returns the loss alone.
"""


def supervised_step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    """The task's loss of what the learner says: the step of a phase that names no other."""
    return {"loss": supervised(learner(x), targets)}


def summed(**parts: Tensor) -> dict[str, Tensor]:
    """What a step returns: ``loss``, the sum of ``parts`` from left to right, and the parts."""
    return {"loss": reduce(torch.add, parts.values()), **parts}


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    ``frozen`` blocks, counted from the input, do not learn; ``rate`` is the head's top learning rate, the blocks' is
    smaller by ``layer_decay`` a block; ``penalty`` takes the learner, and what it says of the weights is added to the
    loss of any ``step`` (it is called once before the first). ``only`` lets no more of the body learn than the
    parameters with these letters in their names. ``head`` is false where the head does not learn. ``before`` is called
    with the learner and the batches at the beginning of every epoch.
    """

    name: str
    epochs: int
    frozen: int
    rate: float
    layer_decay: float = 1.0
    penalty: Callable[[nn.Module], Tensor] | None = None
    step: Step = supervised_step
    only: str = ""
    head: bool = True
    before: Callable[[Any, Any], None] | None = None


@dataclass(frozen=True)
class Plan:
    """How a method trains: its phases, and what the head starts from.

    ``probe``: the linear probe on the frozen network; ``zero``: a linear layer that favours no class; ``mlp``: one
    hidden layer, drawn at random; ``normed``: a linear layer drawn at random whose rows learn length and direction
    apart (Salimans and Kingma 2016). ``refit``: a probe on the trained network ends it. ``pretrained`` is false where
    the network starts untrained. ``prepare`` changes the body before training (adds parameters of its own), ``finish``
    brings it back to its own form afterwards.
    """

    phases: tuple[Phase, ...]
    head: Head = "probe"
    pretrained: bool = True
    refit: bool = False
    prepare: Callable[[nn.Module], None] | None = None
    finish: Callable[[nn.Module], None] | None = None


def gentle(blocks: int) -> float:
    """The decay a block with which the first block learns at a tenth of the head's rate."""
    return 0.1 ** (1 / max(blocks, 1))
