"""Augmented views of pictures with their boxes, in the frame of a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.boxes import Boxes
from regraft.data.augment import Rng
from regraft.data.box_augment import BoxPolicy, mosaic, visible
from regraft.detection.frames import colour, letterbox

Labelled = tuple[NDArray[np.uint8], Boxes]
STANDARD = BoxPolicy("standard")
MOSAICS = 0.5


@dataclass(frozen=True)
class View:
    """The picture letterboxed, then changed by ``policy``; up to epoch ``mosaics`` (not included) half of the time four
    pictures in one instead (Bochkovskiy et al. 2020, https://arxiv.org/abs/2004.10934), which the last epochs do
    without, as YOLOX does.
    """

    policy: BoxPolicy = STANDARD
    mosaics: int = 0

    def __call__(
        self, picture: Labelled, others: list[Labelled], frame: tuple[int, int], rng: Rng
    ) -> tuple[Tensor, Boxes]:
        """Uint8 (h, w, 3 or less) with its boxes, and three others where four are to be joined -> uint8
        (3, height, width) with the boxes in the frame's pixels. Crowds are not among them.
        """
        if others:
            parts = [(colour(p), b.take(~b.crowd)) for p, b in (picture, *others)]
            x, boxes = mosaic(parts, frame[1], frame[0], rng)
        else:
            plain_x, boxes = plain(*picture, frame)
            x = plain_x.permute(1, 2, 0).contiguous().numpy()
        x, boxes = self.policy(x, boxes, rng)
        return torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1).contiguous(), boxes

    def joins(self, number: int, rng: Rng) -> bool:
        """Whether a view of epoch ``number`` is to be made of four pictures."""
        return number < self.mosaics and bool(rng.random() < MOSAICS)


def plain(picture: NDArray[np.uint8], boxes: Boxes, frame: tuple[int, int]) -> tuple[Tensor, Boxes]:
    """The letterboxed picture, and its boxes, without crowds, in the frame's pixels."""
    x, ratio = letterbox(colour(picture), frame)
    boxes = boxes.take(~boxes.crowd)
    return x, visible(Boxes(boxes.xyxy * ratio, boxes.labels), frame[1], frame[0])
