"""`A+small`: a pretrained network that stays as it is, and a small one that learns, side by side before one head.

What the pretrained network does not see, the small one may find in the data at hand.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import Body, Pretrained
from regraft.core.errors import InputError
from regraft.options.network import SMALL

ARCHITECTURE = "beside"
WIDTHS = (3, 32, 64, 128, 128)
KEPT = "chain.kept.body."


class Kept(nn.Module):
    """A picture (N, 3, H, W) -> the picture and its features (N, D) in a network that does not learn."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, self.body.features(x)


class Small(nn.Module):
    """The picture and the features beside it -> both features: four convolutions with a stride of 2, the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(8, b), nn.ReLU())
            for a, b in pairwise(WIDTHS)
        ))  # fmt: skip

    def forward(self, both: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return both[1], self.layers(both[0]).mean((2, 3))


class Joined(nn.Module):
    """Both features (N, D), (N, 128) -> (N, D + 128)."""

    def forward(self, both: tuple[Tensor, Tensor]) -> Tensor:
        return torch.cat([both[0], both[1].to(both[0].dtype)], 1)


class BesideBody(Body):
    """The first of its blocks never learns, and what it hands on is no tensor that could be stored."""

    fixed = 1

    def maps(self, x: Tensor) -> dict[int, Tensor]:
        kept: Any = self.chain["kept"]
        found: dict[int, Tensor] = kept.body.maps(x)
        return found


def body_of(kept: Body) -> Body:
    """The small network is always the same draw."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        small = Small()
    return BesideBody([("kept", Kept(kept)), ("small", small), ("join", Joined())], nn.Identity())


def beside(network: Pretrained) -> Pretrained:
    """The network with a small one beside it; raises ``InputError`` where it takes no coloured pictures."""
    if network.spec.modality != "image" or network.spec.colour == "grey" or network.recipe["architecture"] == "raw":
        raise InputError(f"{network.name}+{SMALL}: the small network takes coloured pictures beside a pretrained one.")
    found = copy.copy(network)
    found.name, found.body = f"{network.name}+{SMALL}", body_of(network.body)
    found.recipe = {"library": "regraft", "architecture": ARCHITECTURE, "of": dict(network.recipe)}
    found.head, found.source_classes = None, ()
    found.provenance = {k: v for k, v in network.provenance.items() if k != "digest"}
    return found
