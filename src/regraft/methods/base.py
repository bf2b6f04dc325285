"""What a method that trains a network says of itself: its phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

Start = Literal["probe", "random"]


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    ``frozen`` blocks, counted from the input, do not learn; ``rate`` is the head's top learning rate, the blocks' is
    smaller by ``layer_decay`` a block; ``penalty`` is added to the loss and takes the learner.
    """

    name: str
    epochs: int
    frozen: int
    rate: float
    layer_decay: float = 1.0
    penalty: Callable[[nn.Module], Tensor] | None = None


@dataclass(frozen=True)
class Plan:
    """How a method trains: its phases, and what the head starts from.

    ``probe``: the linear probe on the frozen network; ``random``: zero, which favours no class. ``pretrained`` is false
    where the network starts untrained.
    """

    phases: tuple[Phase, ...]
    head: Start = "probe"
    pretrained: bool = True
