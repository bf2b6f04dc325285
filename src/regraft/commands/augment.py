"""``regraft augment``: a contact sheet of what augmentation makes of the pictures, to be looked at before training."""

from __future__ import annotations

from regraft.core.errors import InputError
from regraft.data.open import open_data
from regraft.data.transforms.contact_sheet import MOST_TILES, ContactSheet, contact_sheet


def augment(
    data: str, *, policy: str = "standard", out: str = "augmented.png", rows: int = 6, views: int = 6, seed: int = 0
) -> ContactSheet:
    """Writes a PNG: one row a picture, the original first; pictures are spread over the whole data."""
    if not (1 <= rows <= MOST_TILES and 1 <= views <= MOST_TILES):
        raise InputError(f"--rows is {rows} and --views {views}; both must be from 1 to {MOST_TILES}.")
    return contact_sheet(open_data(data), policy, out, rows, views, seed)
