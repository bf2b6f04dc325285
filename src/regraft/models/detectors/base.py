"""`Detector`: what every network that finds boxes answers, whatever family it is of."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.core.boxes import Found
from regraft.models.detectors.coco_classes import same
from regraft.models.detectors.letterbox import brought

Maps = list[Tensor]
FLOOR, MOST, CANDIDATES, BATCH = 0.01, 100, 1000, 8
"""The least score that is told of, the most boxes a picture, how many are looked at before doubles go, and how many
pictures are looked at together."""


class Block(NamedTuple):
    """A stretch of body or neck: ``step`` turns the maps behind the block before it into those behind it."""

    name: str
    module: nn.Module
    step: Callable[[Maps], Maps]


@dataclass(frozen=True)
class Batch:
    """What a detector learns from: frames uint8 (N, 3, H, W), or the maps behind its frozen blocks, and the boxes.

    ``boxes`` (N, g, 4) are (left, top, right, bottom) in pixels of the ``frame`` (height, width); ``labels`` (N, g) are
    -1 where a picture has fewer than g.
    """

    maps: Maps
    boxes: Tensor
    labels: Tensor
    frame: tuple[int, int]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the batch lies."""
        return self.labels.device

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return replace(
            self, maps=[m.to(device) for m in self.maps], boxes=self.boxes.to(device), labels=self.labels.to(device)
        )

    def tensor_split(self, n: int) -> list[Batch]:
        """``n`` parts of nearly the same size."""
        maps = zip(*(m.tensor_split(n) for m in self.maps), strict=True)
        parts = zip(maps, self.boxes.tensor_split(n), self.labels.tensor_split(n), strict=True)
        return [Batch(list(m), b, label, self.frame) for m, b, label in parts]


class InFrame(NamedTuple):
    """What is found in one frame: ``xyxy`` (k, 4) in its pixels, ``scores`` (k,), ``labels`` (k,)."""

    xyxy: Tensor
    scores: Tensor
    labels: Tensor


class Framed(NamedTuple):
    """Pictures at ``positions`` brought into one ``frame``: their ``shapes`` (height, width), by how much the edges of
    boxes (4,) were enlarged, and their maps behind the border.
    """

    positions: list[int]
    shapes: list[tuple[int, int]]
    ratios: Sequence[NDArray[np.float64]]
    frame: tuple[int, int]
    maps: Maps


class Stages:
    """Body and neck of a detector, as a training sees them: ordered blocks, the first of which can be frozen."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    @property
    def blocks(self) -> list[tuple[str, nn.Module]]:
        """(name, block) in the order of the forward pass; together they hold all parameters before the head, once."""
        return [(block.name, block.module) for block in self.detector.chain()]

    @property
    def frozen(self) -> int:
        """How many blocks, from the input on, are frozen."""
        return self.detector.frozen

    def freeze(self, blocks: int | None = None) -> Stages:
        """Freezes the first ``blocks`` blocks (all by default) and lets the others learn."""
        chain = self.blocks
        self.detector.frozen = len(chain) if blocks is None else blocks
        for i, (_, block) in enumerate(chain):
            block.requires_grad_(i >= self.detector.frozen)
        self.detector.train(self.detector.training)
        return self

    def keep_statistics(self, keep: bool = True) -> Stages:
        """Whether batch normalisation goes on by the statistics it has, also where its scale and shift learn."""
        self.detector.keeps_statistics = keep
        self.detector.train(self.detector.training)
        return self

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of every block, under its name."""
        for name, block in self.blocks:
            yield from block.named_parameters(prefix=name)


@dataclass
class Origin:
    """Where a detector's weights come from, and what became of the classes they knew."""

    weights: str = "random"
    record: dict[str, Any] = field(default_factory=dict)


class Detector(nn.Module, ABC):
    """Body, neck and head. ``classes`` are the names of what it finds; ``frame`` is the size (height, width) that
    pictures are brought to; ``recipe`` what it takes to build the same network again.

    Where it has its ``own_frame``, it takes no other; where it ``stretches``, pictures fill it whole. Frozen blocks
    (see `Stages`) get no gradients, and their batch normalisation keeps its statistics. Maps may be given to it from
    behind its first ``first_trained_block`` blocks on. ``extra`` holds nothing, see `regraft.training.learner.Learner`.
    """

    kind: ClassVar[str]
    head: nn.Module

    def __init__(self, classes: Sequence[str], frame: tuple[int, int], recipe: dict[str, Any]) -> None:
        super().__init__()
        self.classes, self.frame, self.recipe = tuple(classes), frame, recipe
        self.frozen = self.first_trained_block = 0
        self.keeps_statistics = self.own_frame = self.stretches = False
        self.overlap = 0.65
        self.origin, self.extra = Origin(), nn.Module()

    @abstractmethod
    def chain(self) -> list[Block]:
        """The blocks of body and neck; the first takes frames uint8 (N, 3, H, W) in RGB."""

    @abstractmethod
    def learned(self, maps: Maps, batch: Batch) -> dict[str, Tensor]:
        """The losses of the head on what the last block gives: their weighted sum ``loss``, and its parts."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of what `raw_outputs` gives."""

    @abstractmethod
    def raw_outputs(self, maps: Maps) -> list[Tensor]:
        """What the last block gives -> all that costs convolutions, (N, ...) each: an engine runs up to here."""

    @abstractmethod
    def decoded(self, outputs: Sequence[Tensor], frame: tuple[int, int], floor: float) -> list[InFrame]:
        """What the outputs, in float32, say of each frame, with a score of at least ``floor``, without doubles."""

    def found(self, maps: Maps, frame: tuple[int, int], floor: float) -> list[InFrame]:
        """`decoded`, from what the last block gives."""
        return self.decoded([one.float() for one in self.raw_outputs(maps)], frame, floor)

    @abstractmethod
    def rows(self, kept: dict[int, int], classes: int) -> None:
        """Makes the head's last layer one of ``classes``; row i is the old row ``kept[i]`` where there is one."""

    @property
    def body(self) -> Stages:
        """The blocks, from the first to the last."""
        return Stages(self)

    @property
    def kept(self) -> int:
        """How many of the first blocks are made to stay frozen: the pretrained body beside one that learns."""
        return int(self.chain()[0].name == "kept")

    def train(self, mode: bool = True) -> Detector:
        """Training mode for the blocks that learn; frozen ones stay in evaluation."""
        super().train(mode)
        for i, block in enumerate(self.chain()):
            if i < self.frozen:
                block.module.eval()
            elif self.keeps_statistics:
                for module in block.module.modules():
                    if isinstance(module, nn.modules.batchnorm._BatchNorm):
                        module.eval()
        return self

    def through(self, maps: Maps, start: int = 0, stop: int | None = None) -> Maps:
        """From the maps before block ``start`` to those before block ``stop`` (behind the last by default)."""
        for block in self.chain()[start:stop]:
            maps = block.step(maps)
        return maps

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """``loss`` and its parts, from frames or from the maps behind the first ``first_trained_block`` blocks."""
        return self.learned(self.through(batch.maps, self.first_trained_block), batch)

    def forward(self, batch: Batch) -> Tensor:
        return self.losses(batch)["loss"]

    def with_classes(self, classes: Sequence[str]) -> dict[str, Any]:
        """Gives the head a last layer for ``classes``, with the rows of those it knew; tells which those are."""
        before, kept = self.classes, same(classes, self.classes)
        self.rows(kept, len(classes))
        self.classes = tuple(classes)
        self.origin.record = {
            "kept": {classes[i]: before[j] for i, j in kept.items()},
            "new": [name for i, name in enumerate(classes) if i not in kept],
            "dropped": len(before) - len(set(kept.values())),
        }
        return self.origin.record

    def frame_of(self, height: int, width: int) -> tuple[int, int]:
        """The frame for a picture: the detector's own, or a square one where that is made for pictures that lie and
        this one stands, or the other way round.
        """
        side = max(self.frame)
        own = min(self.frame[0] / height, self.frame[1] / width)
        return self.frame if own >= 0.8 * side / max(height, width) else (side, side)

    def detections(self, pictures: Sequence[NDArray[np.uint8]], *, floor: float = FLOOR) -> list[Found]:
        """What is found in each of ``pictures``, uint8 (h, w, 3) or (h, w): boxes in their pixels, best first."""
        answers: list[Found] = [Found.none()] * len(pictures)
        for some in self.framed(pictures):
            for i, found in zip(some.positions, self.answers(some, floor), strict=True):
                answers[i] = found
        return answers

    @torch.inference_mode()
    def framed(self, pictures: Sequence[NDArray[np.uint8]]) -> Iterator[Framed]:
        """The pictures in batches of one frame, as the maps behind the first ``first_trained_block`` blocks."""
        self.eval()
        device = next(self.parameters()).device
        shapes = [(p.shape[0], p.shape[1]) for p in pictures]
        frames = [self.frame_of(*s) for s in shapes]
        for frame in dict.fromkeys(frames):
            chosen = [i for i, f in enumerate(frames) if f == frame]
            for start in range(0, len(chosen), BATCH):
                some = chosen[start : start + BATCH]
                x, ratios = zip(*(brought(pictures[i], frame, self.stretches) for i in some), strict=True)
                maps = self.through([as_frames(x).to(device)], 0, self.first_trained_block)
                yield Framed(some, [shapes[i] for i in some], ratios, frame, maps)

    @torch.inference_mode()
    def answers(self, some: Framed, floor: float = FLOOR) -> list[Found]:
        """What is found in each picture of a batch of `framed`."""
        self.eval()
        found = self.found(self.through(some.maps, self.first_trained_block), some.frame, floor)
        return [outside(one, r, *s) for one, r, s in zip(found, some.ratios, some.shapes, strict=True)]

    def copy(self) -> Detector:
        """A detector with weights of its own."""
        return copy.deepcopy(self)


def as_frames(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Pictures in one frame, uint8 (height, width, 3), as one batch (N, 3, height, width)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def outside(one: InFrame, ratio: NDArray[np.float64], height: int, width: int) -> Found:
    """From the frame's pixels to those of the picture."""
    xyxy = one.xyxy.double().cpu().numpy() / ratio
    xyxy = xyxy.clip(0, np.array([width, height, width, height], np.float64))
    return Found(xyxy, one.scores.double().cpu().numpy(), one.labels.cpu().numpy())
