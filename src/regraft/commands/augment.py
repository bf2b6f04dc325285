"""``regraft augment``: a contact sheet of what augmentation makes of the pictures, to be looked at before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from regraft.data.augment import Augmented, Policy, may_flip
from regraft.data.sources import open_data
from regraft.errors import InputError, UnreadableItem
from regraft.features.choice import SMALL_SIDE, sample_of
from regraft.files import new_file
from regraft.types import PreprocessSpec

TILE, GAP = 128, 6


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
    if rows < 1 or views < 1:
        raise InputError(f"--rows is {rows} and --views {views}; both must be 1 or more.")
    found = open_data(data)
    if found.modality != "image":
        raise InputError(f"{found.name} holds no pictures to augment.")
    flips = may_flip(found.classes)
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
    sheet = Image.new("RGB", ((views + 1) * (TILE + GAP) + 3 * GAP, len(lines) * (TILE + GAP) + GAP), "white")
    for y, (_, tiles) in enumerate(lines):
        for x, tile in enumerate(tiles):
            image = Image.fromarray(tile).resize((TILE, TILE), Image.Resampling.NEAREST)
            sheet.paste(image, (GAP + x * (TILE + GAP) + (2 * GAP if x else 0), GAP + y * (TILE + GAP)))
    with new_file(Path(out)) as temporary:
        sheet.save(temporary, "PNG")
    return ContactSheet(out, policy, flips, [name for name, _ in lines], views)
