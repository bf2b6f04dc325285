"""The averaged weights: an exponential moving average that follows what is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def decay_at(step: int, most: float) -> float:
    """How much of the average a step keeps: ``most``, to which it rises in the first steps as (1 + i) / (10 + i)."""
    return min(most, (1 + step) / (10 + step)) if most else 0.0


def follow(average: dict[str, Tensor], state: dict[str, Tensor], names: Sequence[str], decay: float) -> None:
    """What goes by ``names`` in the average moves towards ``state``; what is no fraction is copied."""
    moving = [k for k in names if state[k].is_floating_point()]
    torch._foreach_lerp_([average[k] for k in moving], [state[k] for k in moving], 1 - decay)
    for key in names:
        if not state[key].is_floating_point():
            average[key].copy_(state[key])
