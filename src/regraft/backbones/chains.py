"""How the networks of each family fall into blocks: the only thing regraft needs to know about a family.

A chain function takes the whole network, as its publisher wrote it, and returns the blocks in the order of the
forward pass, the pooling after them, and the head: the way from the last block's output to the logits. A new family
is one function here and one line in ``CHAINS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from regraft.backbones.base import SpatialMean


class Chain(NamedTuple):
    """Named blocks, the pooling after them, and the head of the source task."""

    blocks: list[tuple[str, nn.Module]]
    pool: nn.Module
    head: nn.Module


def _sequence(prefix: str, sequence: nn.Module) -> list[tuple[str, nn.Module]]:
    """The children of a sequence as blocks; one without parameters joins the block before it."""
    blocks: list[tuple[str, nn.Module]] = []
    for name, child in sequence.named_children():
        if blocks and not any(True for _ in child.parameters()):
            before, module = blocks[-1]
            blocks[-1] = (before, nn.Sequential(module, child))
        else:
            blocks.append((f"{prefix}.{name}", child))
    return blocks


def resnet(net: Any) -> Chain:
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    stages = [b for i in range(1, 5) for b in _sequence(f"layer{i}", getattr(net, f"layer{i}"))]
    return Chain([("stem", stem), *stages], SpatialMean(), nn.Sequential(SpatialMean(), net.fc))


def mobilenet_v2(net: Any) -> Chain:
    return Chain(_sequence("features", net.features), SpatialMean(), nn.Sequential(SpatialMean(), net.classifier))


def squeezenet(net: Any) -> Chain:
    """The last layer is a 1 x 1 convolution on the map: the features are that map's mean over places."""
    return Chain(_sequence("features", net.features), SpatialMean(), nn.Sequential(net.classifier, nn.Flatten()))


def tiny(net: Any) -> Chain:
    return Chain(_sequence("blocks", net.blocks), SpatialMean(), nn.Sequential(SpatialMean(), net.head))


CHAINS: dict[str, Callable[[Any], Chain]] = {
    r"(wide_)?res(net|next)\d+.*": resnet,
    r"mobilenet_v2": mobilenet_v2,
    r"squeezenet1_[01]": squeezenet,
    r"regraft_tiny": tiny,
}


def chain_of(architecture: str) -> Callable[[Any], Chain] | None:
    """The chain function of an architecture, or None where the family is unknown."""
    return next((f for pattern, f in CHAINS.items() if re.fullmatch(pattern, architecture)), None)
