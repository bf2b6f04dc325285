"""What an audit knows of each picture: small enough to be kept for all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regraft.data.image.decoding import ENDINGS_OF, Picture, examine, examine_object, pixel_digest
from regraft.data.items import Items, PictureFiles, PictureObjects

THUMB = 32
FORMATS = ("", *ENDINGS_OF)


class Facts(NamedTuple):
    """Facts about n pictures; rows of unreadable ones are absent (``positions`` (m,) are those that are there).

    ``pixels`` (m,) uint64 `pixel_digest`s; ``thumbs`` (m, 32 * 32) uint8 grey; ``info`` (m, 6) int32 of height, width,
    whether EXIF turned it, the place of its file's format in ``FORMATS``, frames, and the bits that its values were
    taken to have (0: as the file says).
    """

    positions: NDArray[np.int64]
    pixels: NDArray[np.uint64]
    thumbs: NDArray[np.uint8]
    info: NDArray[np.int32]


def facts_of(items: Items, i: int) -> dict[str, NDArray[np.generic]]:
    """The facts of one picture as named arrays; raises ``UnreadableItem``."""
    return looked_at(items, i)[1]


def looked_at(items: Items, i: int) -> tuple[Picture, dict[str, NDArray[np.generic]]]:
    """One picture, decoded, and its facts; raises ``UnreadableItem``."""
    place, rotated, frames, bits = 0, False, 1, 0
    if isinstance(items, PictureFiles):
        picture, kind, rotated, frames, bits = examine(items.read(i))
        place = FORMATS.index(kind) if kind in FORMATS else 0
    elif isinstance(items, PictureObjects):
        picture, _, rotated, _, bits = examine_object(items.images[i])
    else:
        picture = items.load(i)
    height, width = picture.shape[:2]
    return picture, {
        "pixels": np.frombuffer(pixel_digest(picture), np.uint8),
        "thumbs": thumbnail(picture),
        "info": np.array([height, width, rotated, place, frames, bits], np.int32),
    }


def thumbnail(picture: Picture) -> NDArray[np.uint8]:
    """(32 * 32,) grey values, each the mean of its place."""
    grey = picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    image = Image.fromarray(grey).convert("L").resize((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(image).reshape(-1)
