"""Classification bodies as the trunk of a detector: the last map of each stride; two of them side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.models.detectors.base import Block, Maps

LEVELS = (3, 4, 5)
"""Maps at 1/8, 1/16 and 1/32 of the frame."""

SMALL = "small"


class Trunk(nn.ModuleDict):
    """A chain of named blocks; the outputs of those at ``taps`` (the last one among them) are its maps.

    ``channels`` and ``levels`` belong to the maps: a map of level l is 2**l times smaller than the frame.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[str, nn.Module]],
        taps: Sequence[int],
        channels: Sequence[int],
        levels: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__({name.replace(".", "-"): block for name, block in blocks})
        self.taps, self.channels, self.levels = list(taps), list(channels), list(levels)
        self.mean, self.std = tuple(mean), tuple(std)

    def chain(self) -> list[Block]:
        """The blocks, from frames uint8 (N, 3, H, W) in RGB on."""
        return [Block(name.replace("-", "."), block, partial(self._step, i, block))
                for i, (name, block) in enumerate(self.items())]  # fmt: skip

    def _step(self, i: int, block: nn.Module, maps: Maps) -> Maps:
        if i == 0:
            return [block(self._prepared(maps[0]))]
        return [*(maps if i - 1 in self.taps else maps[:-1]), block(maps[-1])]

    def _prepared(self, frames: Tensor) -> Tensor:
        mean, std = (torch.tensor(v, device=frames.device).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return ((frames.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)

    def forward(self, maps: Maps) -> Maps:
        for block in self.chain():
            maps = block.step(maps)
        return maps


class SideBySide(nn.Module):
    """A pretrained trunk that stays frozen and a small one that learns: their maps concatenated level by level and
    projected by 1 x 1 convolutions.
    """

    def __init__(self, kept: Trunk, small: Trunk) -> None:
        super().__init__()
        if kept.levels != small.levels:
            raise InputError("The two bodies have maps of different strides: they cannot stand side by side.")
        self.kept, self.small, self.levels = kept, small, kept.levels
        self.channels = [min(256, a + b) for a, b in zip(kept.channels, small.channels, strict=True)]
        self.fusion = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a + b, c, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True))
            for a, b, c in zip(kept.channels, small.channels, self.channels, strict=True)
        )

    def chain(self) -> list[Block]:
        """The frozen trunk as one block, the small one, the projection."""
        return [
            Block("kept", self.kept, lambda maps: [maps[0], *self.kept(maps)]),
            Block("small", self.small, lambda maps: [*maps[1:], *self.small(maps[:1])]),
            Block("fusion", self.fusion, self._fused),
        ]

    def _fused(self, maps: Maps) -> Maps:
        n = len(self.levels)
        pairs = zip(self.fusion, maps[:n], maps[n:], strict=True)
        return [project(torch.cat([a, b], 1)) for project, a, b in pairs]


def trunk_of(network: Pretrained) -> Trunk:
    """The body of a classifier up to its last map; raises ``InputError`` where it has no maps of these strides."""
    blocks, body = network.body.blocks, network.body.eval()
    found: dict[int, tuple[int, int]] = {}
    side, last = 128, -1
    x = torch.zeros(1, 3, side, side)
    try:
        with torch.inference_mode():
            for i, (_, block) in enumerate(body.blocks):
                x = block(x)
                if x.ndim == 4 and x.shape[2] >= side >> LEVELS[-1]:
                    level = round(math.log2(side / x.shape[2]))
                    if level in LEVELS:
                        found[level], last = (i, x.shape[1]), i
    except (RuntimeError, AssertionError, AttributeError, ValueError):  # a block that takes no map of this size
        pass
    if not found:
        raise InputError(f"{network.name} has no feature maps at 1/8 to 1/32 of the picture, which a detector needs.")
    levels = sorted(found)
    taps, channels = zip(*(found[level] for level in levels), strict=True)
    body.requires_grad_(True)
    return Trunk(blocks[: last + 1], taps, channels, levels, network.spec.mean, network.spec.std)


def small() -> Trunk:
    """Six convolutions, untrained: the learner beside a frozen trunk."""
    widths = (3, 16, 32, 64, 128, 256)
    blocks = [
        (f"conv{i}", nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)))
        for i, (a, b) in enumerate(pairwise(widths))
    ]
    return Trunk(blocks, (2, 3, 4), widths[3:], LEVELS, (0.5,) * 3, (0.25,) * 3)


def load(name: str, *, weights: str | None = None, trained: bool = True) -> Trunk | SideBySide:
    """The trunk called ``name``: a network of the catalog, or two with a + between them, of which the first stays
    frozen; ``small`` is an untrained one of six convolutions.

    Without ``trained`` all weights are random. Raises ``UnknownName``, ``WeightsError`` and ``InputError``.
    """
    first, plus, second = name.partition("+")
    if plus:
        kept, beside = load(first, weights=weights, trained=trained), load(second, trained=trained)
        if not (isinstance(kept, Trunk) and isinstance(beside, Trunk)):
            raise InputError(f"--backbone {name}: a detector takes two bodies side by side at most.")
        return SideBySide(kept, beside)
    if name == SMALL:
        return small()
    random = name if name.startswith("random:") else f"random:{name}"
    return trunk_of(catalog.load(name if trained else random, weights=weights if trained else None))
