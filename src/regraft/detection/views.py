"""Augmented views of a picture with its boxes, in the frame of a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.boxes import Boxes, areas
from regraft.detection.frames import PAD, colour, letterbox, ratio_of, resized

VISIBLE, LEAST = 0.25, 2.0
"""A box is kept where so much of its area is in the frame and it has so many pixels a side there."""


@dataclass(frozen=True)
class View:
    """Mirrored half of the time (where ``flips``), enlarged or shrunk by up to ``scale``, put at a chance place of the
    frame, its colours changed by up to ``colours``. Without all these the plain letterboxed picture.
    """

    flips: bool = True
    scale: float = 1.5
    colours: float = 0.3

    def __call__(
        self, picture: NDArray[np.uint8], boxes: Boxes, frame: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Tensor, Boxes]:
        """Uint8 (h, w, 3 or less) with its boxes -> uint8 (3, height, width) with the boxes in the frame's pixels.

        Crowds, and boxes of which little is left, are not among them.
        """
        picture, boxes = colour(picture), boxes.take(~boxes.crowd)
        height, width = picture.shape[:2]
        ratio = ratio_of(height, width, frame) * self.scale ** rng.uniform(-1, 1)
        h, w = max(1, int(height * ratio)), max(1, int(width * ratio))
        top, left = (int(rng.integers(min(0, f - s), max(0, f - s) + 1)) for f, s in zip(frame, (h, w), strict=True))
        if self.scale == 1:
            top = left = 0
        mirrored = self.flips and rng.random() < 0.5
        inside = self._coloured(resized(picture, h, w), rng)
        if mirrored:
            inside = inside.flip(2)
        out = torch.full((3, *frame), PAD, dtype=torch.uint8)
        out[:, max(0, top) : top + h, max(0, left) : left + w] = inside[
            :, max(0, -top) : frame[0] - top, max(0, -left) : frame[1] - left
        ]
        xyxy = boxes.xyxy * np.tile([w / width, h / height], 2)
        if mirrored:
            xyxy = np.stack([w - xyxy[:, 2], xyxy[:, 1], w - xyxy[:, 0], xyxy[:, 3]], 1)
        return out, within(Boxes(xyxy + np.array([left, top, left, top]), boxes.labels), frame)

    def _coloured(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Brightness, saturation and contrast, each by a factor of its own."""
        if not self.colours:
            return x
        brightness, contrast, saturation = rng.uniform(1 - self.colours, 1 + self.colours, 3).tolist()
        y = x.float() * brightness
        grey = y.mean(0, keepdim=True)
        y = grey + (y - grey) * saturation
        mean = grey.mean()
        return (mean + (y - mean) * contrast).clamp(0, 255).round().byte()


def plain(picture: NDArray[np.uint8], boxes: Boxes, frame: tuple[int, int]) -> tuple[Tensor, Boxes]:
    """The letterboxed picture, and its boxes in the frame's pixels."""
    x, ratio = letterbox(colour(picture), frame)
    return x, within(Boxes(boxes.xyxy * ratio, boxes.labels), frame)


def within(boxes: Boxes, frame: tuple[int, int]) -> Boxes:
    """The boxes clipped to the frame; those of which little is left go."""
    clipped = boxes.xyxy.clip(0, np.tile(frame[::-1], 2).astype(np.float64))
    sides = clipped[:, 2:] - clipped[:, :2]
    kept = (areas(clipped) >= VISIBLE * areas(boxes.xyxy)) & (sides >= LEAST).all(1)
    return Boxes(clipped[kept], boxes.labels[kept])


VIEWS = {
    "none": View(False, 1.0, 0.0),
    "light": View(),
    "strong": View(True, 2.0, 0.5),
}
"""By the name of a policy."""
