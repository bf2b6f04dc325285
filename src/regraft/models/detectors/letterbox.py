"""Pictures of any size brought into the frame of a detector: shrunk or enlarged whole, top left, the rest one grey; or
stretched, as SSD's released weights have learned it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

PAD, MULTIPLE = 114, 32


def ratio_of(height: int, width: int, frame: tuple[int, int]) -> float:
    """By how much a picture is enlarged (below 1: shrunk) to fill ``frame`` (height, width)."""
    return min(frame[0] / height, frame[1] / width)


def letterbox(picture: NDArray[np.uint8], frame: tuple[int, int]) -> tuple[NDArray[np.uint8], float]:
    """Uint8 (h, w, 3) -> uint8 (height, width, 3) and the ratio; bilinear between pixels, without blurring first."""
    (height, width), ratio = picture.shape[:2], ratio_of(picture.shape[0], picture.shape[1], frame)
    # in whole numbers: the side that the ratio comes from fills the frame, where ratio times side may fall short of it
    inside = resized(picture, max(1, min(frame[0], height * frame[1] // width)),
                     max(1, min(frame[1], width * frame[0] // height)))  # fmt: skip
    if inside.shape[:2] == frame:
        return inside, ratio
    out = np.full((*frame, 3), PAD, np.uint8)
    out[: inside.shape[0], : inside.shape[1]] = inside
    return out, ratio


def brought(
    picture: NDArray[np.uint8], frame: tuple[int, int], stretch: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Uint8 (h, w), (h, w, 1) or (h, w, 3) -> uint8 (height, width, 3), letterboxed or stretched to fill the frame, and
    by how much left, top, right and bottom of a box are enlarged by that.
    """
    picture = colour(picture)
    if not stretch:
        out, ratio = letterbox(picture, frame)
        return out, np.full(4, ratio)
    height, width = picture.shape[:2]
    return resized(picture, *frame), np.array([frame[1] / width, frame[0] / height] * 2)


def resized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Uint8 (h, w, 3) -> uint8 (height, width, 3). All but the filter is done by NumPy: threads that call it would each
    get threads of torch's for a single picture.
    """
    if picture.shape[:2] == (height, width):
        return picture
    x = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(x, (height, width), mode="bilinear")[0].permute(1, 2, 0).numpy()
    return np.rint(out).astype(np.uint8)


def frame_for(shapes: Sequence[tuple[int, int]], size: int) -> tuple[int, int]:
    """The smallest frame of at most ``size`` a side, its sides multiples of 32, in which pictures of these ``shapes``
    (height, width) fit when their longer side has ``size`` pixels.
    """
    sides = [[s * size / max(shape) for s in shape] for shape in shapes] or [[size, size]]
    height, width = (min(size, math.ceil(max(side) / MULTIPLE - 1e-6) * MULTIPLE) for side in zip(*sides, strict=True))
    return height, width


def scaled_frames(frame: tuple[int, int]) -> list[tuple[int, int]]:
    """``frame`` and those about it, a quarter smaller to a quarter larger and 32 pixels or more, their sides multiples
    of 32: what a detector of many scales is trained in.
    """
    steps = max(1, round(min(frame) / 4 / MULTIPLE))
    found = [(frame[0] + s * MULTIPLE, frame[1] + s * MULTIPLE) for s in range(-steps, steps + 1)]
    return [one for one in found if min(one) >= MULTIPLE]


def colour(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Uint8 (h, w), (h, w, 1) or (h, w, 3) -> (h, w, 3)."""
    if picture.ndim == 2:
        picture = picture[:, :, None]
    return np.repeat(picture, 3, 2) if picture.shape[2] == 1 else picture
