"""What a fit may be given in place of learning itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from regraft.options.base import Kind
from regraft.training.trainer import TrainedNetwork


@dataclass(frozen=True)
class AlreadyTrained:
    """A method whose training is done already; ``alone`` is what the same network learns from this task alone, None
    where that was not asked for.
    """

    KIND: ClassVar[Kind] = "training"
    adapted: TrainedNetwork
    alone: TrainedNetwork | None = None
