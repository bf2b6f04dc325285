"""What augmentation makes of pictures, on one sheet: each picture and then its views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from regraft.core.errors import InputError, UnreadableItem
from regraft.core.files import new_file, output
from regraft.core.types import PreprocessSpec
from regraft.data.dataset import Dataset
from regraft.data.image.drawing import draw_boxes
from regraft.data.transforms.augment_boxes import BoxPolicy, resized
from regraft.data.transforms.loaders import SMALL_SIDE, sample_of
from regraft.data.transforms.policy import Augmented, Policy, may_flip

TILE, LARGE_TILE, GAP = 128, 240, 6
MOST_TILES = 200
Tiles = list[Image.Image]
"""A picture and its views."""


@dataclass(frozen=True)
class ContactSheet:
    """Where the sheet is; each of its ``rows`` shows a picture and then its ``views``."""

    out: str
    policy: str
    flips: bool
    rows: list[str]
    views: int


def contact_sheet(data: Dataset, policy: str, out: str, rows: int, views: int, seed: int) -> ContactSheet:
    """Writes a PNG: one row a picture, the original first; pictures are spread over the whole data."""
    if data.modality != "image":
        raise InputError(f"{data.name} holds no pictures to augment.")
    flips = may_flip(data.classes)
    if data.target.task == "detection":
        side, tiles = LARGE_TILE, _with_boxes(data, BoxPolicy(policy, flips), views, seed)
    else:
        side, tiles = TILE, _by_class(data, Policy(policy, flips), views, seed)
    lines: list[tuple[str, Tiles]] = []
    for i in np.random.default_rng(seed).permutation(len(data)).tolist():
        try:
            lines.append((data.items.name(i), tiles(i)))
        except UnreadableItem:
            continue
        if len(lines) == rows:
            break
    _write_sheet([some for _, some in lines], side, out)
    return ContactSheet(out, policy, flips, [name for name, _ in lines], views)


def _by_class(data: Dataset, policy: Policy, views: int, seed: int) -> Callable[[int], Tiles]:
    """From a picture's position to its tiles, each as a network would see it."""
    side = 32 if max(sample_of(data.items).shape[:2]) <= SMALL_SIDE else TILE
    spec = PreprocessSpec(height=side, width=side, resize=None)

    def tiles(i: int) -> Tiles:
        plain = Augmented(data.items, spec, Policy("none"), seed, 0).load(i)
        made = [Augmented(data.items, spec, policy, seed, v).load(i) for v in range(views)]
        return [Image.fromarray(t).resize((TILE, TILE), Image.Resampling.NEAREST) for t in (plain, *made)]

    return tiles


def _with_boxes(data: Dataset, policy: BoxPolicy, views: int, seed: int) -> Callable[[int], Tiles]:
    """The same of pictures with boxes: each at its own shape, the boxes drawn."""

    def tiles(i: int) -> Tiles:
        picture = data.items.load(i)
        by = LARGE_TILE / max(picture.shape[:2])
        height, width = (max(1, round(v * by)) for v in picture.shape[:2])
        boxes = replace(data.y[i], xyxy=data.y[i].xyxy * by)
        small = resized(picture, width, height)
        made = [policy(small, boxes, np.random.default_rng([seed, v, *data.items.digest(i)[:8]])) for v in range(views)]
        return [draw_boxes(*one, data.classes, names=False) for one in [(small, boxes), *made]]

    return tiles


def _write_sheet(lines: list[Tiles], side: int, out: str) -> None:
    """Each line's original, a gap, its views; every tile in a square of ``side`` pixels."""
    views = len(lines[0]) - 1 if lines else 0
    sheet = Image.new("RGB", ((views + 1) * (side + GAP) + 3 * GAP, len(lines) * (side + GAP) + GAP), "white")
    for y, tiles in enumerate(lines):
        for x, tile in enumerate(tiles):
            sheet.paste(tile, (GAP + x * (side + GAP) + (2 * GAP if x else 0), GAP + y * (side + GAP)))
    with new_file(output(out)) as temporary:
        sheet.save(temporary, "PNG")
