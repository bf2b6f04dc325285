"""``regraft augment``: a contact sheet of what augmentation makes of the pictures, to be looked at before training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from regraft.core.errors import InputError, UnreadableItem
from regraft.core.files import new_file, output
from regraft.core.types import PreprocessSpec
from regraft.data.dataset import Dataset
from regraft.data.image.drawing import draw_boxes
from regraft.data.open import open_data
from regraft.data.transforms.augment import Augmented, Policy, may_flip
from regraft.data.transforms.augment_boxes import BoxPolicy, resized
from regraft.features.network import SMALL_SIDE, sample_of

TILE, LARGE_TILE, GAP = 128, 240, 6
MOST_TILES = 200


@dataclass(frozen=True)
class ContactSheet:
    """Where the sheet is; each of its ``rows`` shows a picture and then its ``views``."""

    out: str
    policy: str
    flips: bool
    rows: list[str]
    views: int


def augment(
    data: str, *, policy: str = "standard", out: str = "augmented.png", rows: int = 6, views: int = 6, seed: int = 0
) -> ContactSheet:
    """Writes a PNG: one row a picture, the original first; pictures are spread over the whole data."""
    if not (1 <= rows <= MOST_TILES and 1 <= views <= MOST_TILES):
        raise InputError(f"--rows is {rows} and --views {views}; both must be from 1 to {MOST_TILES}.")
    found = open_data(data)
    if found.modality != "image":
        raise InputError(f"{found.name} holds no pictures to augment.")
    flips = may_flip(found.classes)
    if found.target.task == "detection":
        return _with_boxes(found, BoxPolicy(policy, flips), out, rows, views, seed)
    chosen = Policy(policy, flips)
    side = 32 if max(sample_of(found.items).shape[:2]) <= SMALL_SIDE else TILE
    spec = PreprocessSpec(height=side, width=side, resize=None)
    order = np.random.default_rng(seed).permutation(len(found))
    lines: list[tuple[str, list[np.ndarray]]] = []
    for i in order.tolist():
        try:
            plain = [Augmented(found.items, spec, Policy("none"), seed, 0).load(i)]
            made = [Augmented(found.items, spec, chosen, seed, v).load(i) for v in range(views)]
        except UnreadableItem:
            continue
        lines.append((found.items.name(i), plain + made))
        if len(lines) == rows:
            break
    shown = [(name, [Image.fromarray(t).resize((TILE, TILE), Image.Resampling.NEAREST) for t in tiles])
             for name, tiles in lines]  # fmt: skip
    _write_sheet(shown, TILE, out)
    return ContactSheet(out, policy, flips, [name for name, _ in lines], views)


def _with_boxes(data: Dataset, policy: BoxPolicy, out: str, rows: int, views: int, seed: int) -> ContactSheet:
    """The sheet of pictures with boxes: each at its own shape, the boxes drawn."""
    lines: list[tuple[str, list[Image.Image]]] = []
    for i in np.random.default_rng(seed).permutation(len(data)).tolist():
        try:
            picture = data.items.load(i)
        except UnreadableItem:
            continue
        by = LARGE_TILE / max(picture.shape[:2])
        height, width = (max(1, round(v * by)) for v in picture.shape[:2])
        boxes = replace(data.y[i], xyxy=data.y[i].xyxy * by)
        small = resized(picture, width, height)
        made = [policy(small, boxes, np.random.default_rng([seed, v, *data.items.digest(i)[:8]])) for v in range(views)]
        tiles = [draw_boxes(*one, data.classes, names=False) for one in [(small, boxes), *made]]
        lines.append((data.items.name(i), tiles))
        if len(lines) == rows:
            break
    _write_sheet(lines, LARGE_TILE, out)
    return ContactSheet(out, policy.name, policy.flips, [name for name, _ in lines], views)


def _write_sheet(lines: list[tuple[str, list[Image.Image]]], side: int, out: str) -> None:
    """Each line's original, a gap, its views; every tile in a square of ``side`` pixels."""
    views = len(lines[0][1]) - 1 if lines else 0
    sheet = Image.new("RGB", ((views + 1) * (side + GAP) + 3 * GAP, len(lines) * (side + GAP) + GAP), "white")
    for y, (_, tiles) in enumerate(lines):
        for x, tile in enumerate(tiles):
            sheet.paste(tile, (GAP + x * (side + GAP) + (2 * GAP if x else 0), GAP + y * (side + GAP)))
    with new_file(output(out)) as temporary:
        sheet.save(temporary, "PNG")
