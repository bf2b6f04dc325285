"""What running a network costs: its size, the memory of one item, items a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from regraft.backbones.base import Pretrained
from regraft.data.items import Items
from regraft.features.fusion import parts_of
from regraft.features.runner import Runner


@dataclass(frozen=True)
class Cost:
    """``parameters`` of the body, and ``megabytes`` of its weights and of the layer that is largest for one item."""

    parameters: int
    megabytes: float


def cost(network: Pretrained) -> Cost:
    """Of all the parts of a network, which are taken to run one after the other."""
    parameters, weights, largest = 0, 0, 0
    for part in parts_of(network):
        tensors = [*part.body.parameters(), *part.body.buffers()]
        parameters += sum(p.numel() for p in part.body.parameters())
        weights += sum(t.numel() * t.element_size() for t in tensors)
        largest = max(largest, _largest_layer(part))
    return Cost(parameters, (weights + largest) / 1e6)


def _largest_layer(network: Pretrained) -> int:
    """Bytes of the input and output of the layer where their sum is largest, for one item."""
    most = 0

    def look(_: nn.Module, given: Any, found: Any) -> None:
        nonlocal most
        some = [t for t in (*given, found) if isinstance(t, Tensor)]
        most = max(most, sum(t.numel() * t.element_size() for t in some))

    network.watched([m for m in network.body.modules() if not any(True for _ in m.children())], look)
    return most


def speed(runner: Runner, items: Items, *, warm: bool) -> float:
    """Items a second over one batch, decoding included; ``warm`` where the network has run already."""
    some = items.take(np.arange(min(runner.batch, len(items))))
    for _ in range(1 if warm else 2):
        begun = time.perf_counter()
        for _ in runner.stream(some, "speed"):
            pass
        seconds = time.perf_counter() - begun
    return len(some) / max(seconds, 1e-9)
