"""Large pictures in overlapping tiles, and what was found in the tiles as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Floats, Found, areas, clip, intersections, iou
from regraft.core.errors import InputError
from regraft.data.image.decoding import Picture


@dataclass(frozen=True)
class Tile:
    """A part of a picture, and where its left upper corner lies."""

    picture: Picture
    left: int
    top: int


def tiles(picture: Picture, size: int, overlap: float = 0.2) -> list[Tile]:
    """Uint8 (h, w, c) -> tiles of at most ``size`` pixels a side; neighbours share at least ``overlap`` of it.

    Their corners are spread evenly, so that all are of one shape. Raises ``InputError`` unless ``size`` is 32 or more
    and ``overlap`` in 0..0.9.
    """
    if size < 32 or not 0 <= overlap <= 0.9:
        raise InputError(f"Tiles of {size} pixels that share {overlap:g}: at least 32 pixels and 0 to 0.9 are wanted.")
    height, width = picture.shape[:2]
    return [
        Tile(picture[y : y + size, x : x + size], x, y)
        for y in _corners(height, size, overlap)
        for x in _corners(width, size, overlap)
    ]


def _corners(length: int, size: int, overlap: float) -> list[int]:
    if length <= size:
        return [0]
    count = 1 + int(np.ceil((length - size) / (size * (1 - overlap))))
    return np.linspace(0, length - size, count).round().astype(int).tolist()


def merged(parts: Sequence[Tile], found: Sequence[Found], width: int, height: int, most: float = 0.5) -> Found:
    """What was found in each tile as what was found in the whole picture of ``width`` x ``height`` pixels.

    Of boxes of one class that overlap by an IoU above ``most`` the best stays. At a tile's inner edge objects are cut:
    such a box goes too where most of it lies in one of another tile that is not cut there, whatever their scores.
    """
    xyxy = [f.xyxy + np.tile([float(t.left), float(t.top)], 2) for t, f in zip(parts, found, strict=True)]
    cut = [_cut(t, f, width, height) for t, f in zip(parts, found, strict=True)]
    boxes = clip(np.concatenate(xyxy), width, height) if xyxy else np.zeros((0, 4))
    whole = Found(boxes, *(np.concatenate([getattr(f, n) for f in found] or [[]]) for n in ("scores", "labels")))
    order = np.argsort(-np.concatenate([f.scores for f in found] or [np.zeros(0)]), kind="stable")
    at_edge = np.concatenate(cut or [np.zeros(0, np.bool_)])[order]
    tile = np.repeat(np.arange(len(found)), [len(f) for f in found])[order]
    inside = np.flatnonzero(~at_edge)
    shared = intersections(whole.xyxy[at_edge], whole.xyxy[inside])
    covered = shared > most * np.maximum(areas(whole.xyxy[at_edge]), 1e-12)[:, None]
    covered &= whole.labels[at_edge][:, None] == whole.labels[inside][None]
    covered &= tile[at_edge][:, None] != tile[inside][None]
    keep = np.ones(len(whole), np.bool_)
    keep[np.flatnonzero(at_edge)[covered.any(1)]] = False
    rest = whole.take(keep)
    return rest.take(suppressed(rest.xyxy, rest.labels, most))


def suppressed(xyxy: Floats, labels: NDArray[np.int64], most: float = 0.5) -> NDArray[np.int64]:
    """Indices of the boxes, best first, that stay: none overlaps a better one of its class by an IoU above ``most``."""
    kept: list[int] = []
    for label in np.unique(labels):
        left = np.flatnonzero(labels == label)
        while len(left):
            kept.append(int(left[0]))
            left = left[1:][iou(xyxy[left[:1]], xyxy[left[1:]])[0] <= most]
    return np.array(sorted(kept), np.int64)


def _cut(tile: Tile, found: Found, width: int, height: int) -> NDArray[np.bool_]:
    """(k,) whether a box ends at an edge of the tile that is none of the picture's."""
    high, wide = tile.picture.shape[:2]
    near = 2.0
    left, top, right, bottom = found.xyxy.T
    ends: NDArray[np.bool_] = (
        ((left <= near) & (tile.left > 0)) | ((top <= near) & (tile.top > 0))
        | ((right >= wide - near) & (tile.left + wide < width))
        | ((bottom >= high - near) & (tile.top + high < height))
    )  # fmt: skip
    return ends
