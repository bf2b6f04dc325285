"""Augmented views of pictures with their boxes, in the frame of a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.core.boxes import Boxes
from regraft.data.transforms.augment_boxes import BoxPolicy, mixup, mosaic, visible
from regraft.data.transforms.policy import Rng
from regraft.models.detectors.letterbox import brought, colour

Labelled = tuple[NDArray[np.uint8], Boxes]
STANDARD = BoxPolicy("standard")
HALF = 0.5


@dataclass(frozen=True)
class View:
    """The picture letterboxed (or stretched, where ``stretch``), then changed by ``policy``; up to epoch ``until`` (not
    included) half of the time four pictures in one instead where ``mosaics`` (Bochkovskiy et al. 2020,
    https://arxiv.org/abs/2004.10934), and half of the time blended with another view where ``mixups`` (Zhang et al.
    2019, https://arxiv.org/abs/1902.04103). The last epochs do without, as YOLOX does.
    """

    policy: BoxPolicy = STANDARD
    until: int = 0
    mosaics: bool = False
    mixups: bool = False
    stretch: bool = False

    def __call__(
        self, number: int, first: int, n: int, load: Callable[[int], Labelled], frame: tuple[int, int], rng: Rng
    ) -> tuple[Tensor, Boxes]:
        """A view for epoch ``number`` of picture ``first``, maybe joined with others of the ``n`` that ``load`` gives:
        uint8 (3, height, width), and the boxes in the frame's pixels. Crowds are not among them.
        """
        joins = number < self.until
        view = self._one(first, n, load, frame, joins, rng)
        if joins and self.mixups and rng.random() < HALF:
            view = mixup(view, self._one(int(rng.integers(n)), n, load, frame, joins, rng))
        x, boxes = view
        return torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1).contiguous(), boxes

    def _one(
        self, i: int, n: int, load: Callable[[int], Labelled], frame: tuple[int, int], joins: bool, rng: Rng
    ) -> Labelled:
        if joins and self.mosaics and rng.random() < HALF:
            chosen = [i, *(int(j) for j in rng.integers(n, size=3))]
            parts = [(colour(p), b.take(~b.crowd)) for p, b in map(load, chosen)]
            x, boxes = mosaic(parts, frame[1], frame[0], rng)
        else:
            plain_x, boxes = plain(*load(i), frame, self.stretch)
            x = plain_x.permute(1, 2, 0).contiguous().numpy()
        return self.policy(x, boxes, rng)


def plain(
    picture: NDArray[np.uint8], boxes: Boxes, frame: tuple[int, int], stretch: bool = False
) -> tuple[Tensor, Boxes]:
    """The letterboxed or stretched picture, and its boxes, without crowds, in the frame's pixels."""
    x, ratio = brought(picture, frame, stretch)
    boxes = boxes.take(~boxes.crowd)
    return torch.from_numpy(np.array(x)).permute(2, 0, 1), visible(
        Boxes(boxes.xyxy * ratio, boxes.labels), frame[1], frame[0]
    )
