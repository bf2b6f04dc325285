"""Augmentation of pictures together with their boxes.

A step changes a picture and its boxes alike, by chance from the caller's generator alone. Boxes may leave the picture
on the way; at the end they are clipped, and those of which too little is left to be seen are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from PIL import Image

from regraft.core.boxes import Boxes, areas, clip
from regraft.core.errors import UnknownName
from regraft.core.vision import torchvision
from regraft.data.image.decoding import Picture
from regraft.data.transforms.augment import MOVING, OPERATIONS, TRIVIAL, F
from regraft.data.transforms.policy import Operation, Rng

Step = Callable[[Picture, Boxes, Rng], tuple[Picture, Boxes]]
GREY, LEAST_SIDE = 114, 2.0


def resized(picture: Picture, width: int, height: int) -> Picture:
    """Uint8 (h, w, c) -> (height, width, c), bilinear with antialiasing."""
    if picture.shape[:2] == (height, width):
        return picture
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    out: Picture = F.resize(x, [height, width], antialias=True).permute(1, 2, 0).contiguous().numpy()
    return out


def placed(
    picture: Picture, boxes: Boxes, canvas: Picture, zoom: tuple[float, float], left: float, top: float
) -> Boxes:
    """Paints ``picture``, zoomed by (x, y), onto ``canvas`` with its corner at (left, top); the boxes there, unclipped.

    Only the part that can be seen is scaled, from whole pixels to whole pixels; the boxes follow exactly.
    """
    x, from_x, by_x = _window(picture.shape[1], canvas.shape[1], zoom[0], left)
    y, from_y, by_y = _window(picture.shape[0], canvas.shape[0], zoom[1], top)
    if x.stop > x.start and y.stop > y.start:
        canvas[y, x] = resized(picture[from_y, from_x], x.stop - x.start, y.stop - y.start)
    start = np.array([x.start - from_x.start * by_x, y.start - from_y.start * by_y])
    return replace(boxes, xyxy=boxes.xyxy * [by_x, by_y, by_x, by_y] + np.tile(start, 2))


def _window(length: int, canvas: int, zoom: float, at: float) -> tuple[slice, slice, float]:
    """Where on the canvas, of which pixels, and by what factor exactly; for one direction."""
    start, stop = max(0, round(at)), min(canvas, round(at + length * zoom))
    if stop <= start:
        return slice(round(at), round(at)), slice(0, 0), zoom
    first = min(max(math.floor((start - at) / zoom), 0), length - 1)
    last = min(max(math.ceil((stop - at) / zoom), first + 1), length)
    return slice(start, stop), slice(first, last), (stop - start) / (last - first)


def grey(height: int, width: int) -> Picture:
    """An empty canvas."""
    return np.full((height, width, 3), GREY, np.uint8)


def scale(least: float, most: float, stretch: float = 0.1) -> Step:
    """Zoomed by a factor between ``least`` and ``most``, stretched a little, at a random place of the same canvas."""

    def apply(picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
        height, width = picture.shape[:2]
        zoom = math.exp(rng.uniform(math.log(least), math.log(most)))
        ratio = math.exp(rng.uniform(-stretch, stretch))
        x, y = zoom * math.sqrt(ratio), zoom / math.sqrt(ratio)
        # below 0 where the picture is larger than the canvas, above where it is smaller
        left, top = rng.random() * width * (1 - x), rng.random() * height * (1 - y)
        canvas = grey(height, width)
        return canvas, placed(picture, boxes, canvas, (x, y), left, top)

    return apply


def mirror(picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
    """Mirrored left to right, half of the time."""
    if rng.random() >= 0.5:
        return picture, boxes
    width = picture.shape[1]
    xyxy = boxes.xyxy[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + np.array([width, 0, width, 0])
    flipped = Image.fromarray(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(flipped), replace(boxes, xyxy=xyxy)


_LUMA = np.array([0.299, 0.587, 0.114])
# from RGB to luma and two colour differences, and back
_TO_YIQ = np.array([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def colour(brightness: float = 0.3, contrast: float = 0.3, saturation: float = 0.4, hue: float = 0.05) -> Step:
    """Brightness, contrast, saturation and hue (in turns) changed at once, as one linear map of the colours."""

    def apply(picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
        b, c, s = (rng.uniform(1 - spread, 1 + spread) for spread in (brightness, contrast, saturation))
        turn = 2 * math.pi * rng.uniform(-hue, hue)
        cos, sin = s * math.cos(turn), s * math.sin(turn)
        change = _FROM_YIQ @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _TO_YIQ * (b * c)
        middle = float(picture[::8, ::8].mean()) * b * (1 - c)
        matrix = np.concatenate([change, np.full((3, 1), middle)], 1).reshape(-1).tolist()
        return np.asarray(Image.fromarray(picture).convert("RGB", matrix)), boxes

    return apply


def lifted(operation: Operation) -> Step:
    """An operation on pictures as one on pictures with boxes: those that move pixels move the boxes alike."""

    def apply(picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
        before = rng.bit_generator.state
        x = operation(torch.from_numpy(np.array(picture)).permute(2, 0, 1), rng)
        if operation in MOVING and len(boxes):
            after = rng.bit_generator.state
            rng.bit_generator.state = before
            moved = operation(_bounding(boxes, picture.shape[0], picture.shape[1]), rng)
            rng.bit_generator.state = after
            boxes = replace(boxes, xyxy=moved.as_subclass(torch.Tensor).double().numpy())
        return x.permute(1, 2, 0).contiguous().numpy(), boxes

    return apply


def _bounding(boxes: Boxes, height: int, width: int) -> torchvision.tv_tensors.BoundingBoxes:
    return torchvision.tv_tensors.BoundingBoxes(
        torch.from_numpy(boxes.xyxy), format=torchvision.tv_tensors.BoundingBoxFormat.XYXY, canvas_size=(height, width),
        clamping_mode=None,
    )  # fmt: skip


def trivial(picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
    """One operation, drawn evenly, at any strength (TrivialAugment, Müller and Hutter 2021)."""
    return lifted(TRIVIAL[int(rng.integers(len(TRIVIAL)))])(picture, boxes, rng)


def rand(picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
    """Two operations, each drawn evenly and at any strength (RandAugment, Cubuk et al. 2020)."""
    return trivial(*trivial(picture, boxes, rng), rng)


STEPS: dict[str, Step] = {
    **{name: lifted(operation) for name, operation in OPERATIONS.items()},
    "flip": mirror, "trivial": trivial, "rand": rand, "scale": scale(0.5, 1.5), "colour": colour(),
}  # fmt: skip

BOX_POLICIES: dict[str, tuple[Step, ...]] = {
    "none": (),
    "light": (mirror, scale(0.8, 1.25, 0.05)),
    "standard": (mirror, colour(), scale(0.6, 1.6)),
    "strong": (mirror, colour(0.4, 0.4, 0.7, 0.05), trivial, scale(0.4, 2.0, 0.2)),
}


@dataclass(frozen=True)
class BoxPolicy:
    """Steps by the name of a policy or a list such as ``flip,scale,colour``; without flips where they would lie.

    A box is kept where at least the share ``least`` of its area can still be seen.
    """

    name: str
    flips: bool = True
    least: float = 0.3

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in their order; raises ``UnknownName``."""
        if self.name in BOX_POLICIES:
            return tuple(step for step in BOX_POLICIES[self.name] if self.flips or step is not mirror)
        wanted = [n.strip() for n in self.name.split(",")]
        for name in wanted:
            if name not in STEPS:
                raise UnknownName("augmentation", name, [*BOX_POLICIES, *STEPS])
        return tuple(STEPS[n] for n in wanted)

    def __call__(self, picture: Picture, boxes: Boxes, rng: Rng) -> tuple[Picture, Boxes]:
        """Uint8 (h, w, 3) -> the same shape, and the boxes in it."""
        for step in self.steps:
            picture, boxes = step(picture, boxes, rng)
        return picture, visible(boxes, picture.shape[1], picture.shape[0], self.least)


def visible(boxes: Boxes, width: int, height: int, least: float = 0.3) -> Boxes:
    """The boxes clipped to the picture, less those of which not even the share ``least`` is left, or two pixels."""
    inside = clip(boxes.xyxy, width, height)
    before, after = ((xyxy[:, 2:] - xyxy[:, :2]).min(1, initial=np.inf) for xyxy in (boxes.xyxy, inside))
    # what was thinner than two pixels before stays
    keep = (areas(inside) >= least * areas(boxes.xyxy)) & (after >= np.minimum(LEAST_SIDE, before))
    return replace(boxes, xyxy=inside).take(keep & (areas(inside) > 0))


def mosaic(
    parts: Sequence[tuple[Picture, Boxes]], width: int, height: int, rng: Rng, least: float = 0.3
) -> tuple[Picture, Boxes]:
    """Four pictures (h, w, 3) in the corners of one of ``width`` x ``height``, each zoomed by its own factor.

    Bochkovskiy et al. 2020 (https://arxiv.org/abs/2004.10934). They meet at a random point of the middle; a picture is
    half to one and a half times as large as would just fit the whole canvas.
    """
    canvas = grey(height, width)
    x, y = round(rng.uniform(0.3, 0.7) * width), round(rng.uniform(0.3, 0.7) * height)
    found = []
    for (picture, boxes), (left, top, right, bottom) in zip(
        parts, ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)), strict=True
    ):
        high, wide = picture.shape[:2]
        by = min(width / wide, height / high) * rng.uniform(0.5, 1.5)
        window = canvas[top:bottom, left:right]
        # pushed towards the point where all four meet
        at = (0.0 if left else x - wide * by, 0.0 if top else y - high * by)
        seen = visible(placed(picture, boxes, window, (by, by), *at), right - left, bottom - top, least)
        found.append(replace(seen, xyxy=seen.xyxy + np.array([left, top, left, top])))
    return canvas, joined(found)


def mixup(first: tuple[Picture, Boxes], second: tuple[Picture, Boxes]) -> tuple[Picture, Boxes]:
    """Two pictures (h, w, 3) of one size blended half and half; the boxes of both.

    Zhang et al. 2019 (https://arxiv.org/abs/1902.04103), with equal shares as YOLOX has them.
    """
    x = (first[0].astype(np.uint16) + second[0] + 1) // 2
    return x.astype(np.uint8), joined([first[1], second[1]])


def joined(parts: Sequence[Boxes]) -> Boxes:
    """All boxes of several lists as one."""
    return Boxes(*(np.concatenate([getattr(b, f.name) for b in parts]) for f in fields(Boxes)))
