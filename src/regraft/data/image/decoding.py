"""Pictures as arrays: decoding bytes, fitting them to a network, digests of pixels."""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from regraft.core.errors import UnreadableItem
from regraft.core.types import PreprocessSpec
from regraft.data.image.containers import (
    ENDINGS_OF,
    FOREIGN,
    SUFFIXES,
    bits_of,
    opened,
    orientation_of,
    readable,
    stored_size,
)

__all__ = ["DECODER", "ENDINGS_OF", "FOREIGN", "SUFFIXES"]

DECODER = f"pillow {PIL.__version__}, rules 2"
"""What pictures are decoded by: rows that were stored under another are computed again."""

Picture = NDArray[np.uint8]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class Examined(NamedTuple):
    """A decoded picture, uint8 (h, w, 3), upright; the format of its file, and what was noted on the way.

    ``bits``: how many bits its values were taken to have, where that is not what the file has room for; else 0.
    """

    picture: Picture
    format: str
    rotated: bool
    frames: int
    bits: int = 0


_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|BM|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s|\0\0\0.ftyp|\0\0\0\x0cjP|\xff\x4f\xff\x51",
    re.DOTALL,
)


def looks_like_picture(head: bytes) -> bool:
    """Whether a file that begins so could be a picture."""
    return _MAGIC.match(head) is not None


def decode(data: bytes) -> Picture:
    """File bytes -> uint8 (h, w, 3), upright by its EXIF tag. Raises ``UnreadableItem`` saying why it can't."""
    return examine(data).picture


def examine(data: bytes) -> Examined:
    """`decode`, with what an audit wants to know of the file."""
    with readable(), opened(data) as image:
        return _examined(image, data)


def examine_object(image: Image.Image) -> Examined:
    """A Pillow picture that a person holds: the same as the file that it was opened from."""
    if 0 in image.size:
        raise UnreadableItem(f"the picture has no pixels ({image.width} x {image.height})")
    with readable():
        return _examined(image)


def _examined(image: Image.Image, data: bytes = b"") -> Examined:
    frames = int(getattr(image, "n_frames", 1))
    # Pillow turns a TIFF while it loads it, and knows all tags of a PNG only then
    before = orientation_of(image) if image.format == "TIFF" else 1
    image.load()
    after = orientation_of(image)
    picture, bits = _to_rgb(image, data)
    upright = picture.transpose(_TURN[after]) if after in _TURN else picture
    return Examined(np.asarray(upright), image.format or "", before != 1 or after != 1, frames, bits)


class Shape(NamedTuple):
    """Sides in pixels of the upright picture, and the EXIF orientation (1 to 8) that it is stored in."""

    width: int
    height: int
    orientation: int


_TAGS = (b"eXIf", b"exif", b"xmp")


def shape_of(data: bytes) -> Shape:
    """The shape that `decode` will give, from the head of the file alone. Raises ``UnreadableItem``."""
    with readable(), opened(data) as image:
        # a PNG must be decoded to its end before all its tags are known
        plain = image.format == "PNG" and not any(mark in data for mark in _TAGS)
        orientation = 1 if plain else orientation_of(image)
        width, height = stored_size(image)
    return Shape(height, width, orientation) if orientation in (5, 6, 7, 8) else Shape(width, height, orientation)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow picture as RGB, as it is stored: more than 8 bits scaled to 8, transparency laid on white."""
    return _to_rgb(image)[0]


def _to_rgb(image: Image.Image, data: bytes = b"") -> tuple[Image.Image, int]:
    """`to_rgb`, and the bits that its values were taken to have, where that is not what the file has room for."""
    if image.mode.startswith(("I", "F")):
        _, told = bits_of(image, data)
        grey, bits = _eight_bits(np.asarray(image), told)
        return Image.fromarray(grey).convert("RGB"), bits
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB"), 0
    picture = image.convert("RGB")
    if image.mode == "RGB" and image.format in ("PNG", "TIFF"):
        return _brightened(picture, image, data)
    return picture, 0


def _eight_bits(values: NDArray[Any], told: int | None) -> tuple[Picture, int]:
    """Numbers of any range as 0 to 255, and the bits that they were taken to have; 0 where that goes without saying.

    ``told`` is what the file says. Where it says nothing, whole numbers below 4096 are taken for 12 bits, as cameras
    and scanners give, those below 256 for 8; floats up to 1 for shares of white.
    """
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0)
        highest = float(values.max(initial=0.0))
        top, bits = next(((t, b) for t, b in ((1, 0), (255, 8), (65535, 16)) if highest <= t), (highest, 32))
    else:
        highest = int(values.max(initial=0))
        if told is not None and highest < 1 << told:
            top, bits = (1 << told) - 1, told if told < 16 else 0
        else:
            top, bits = next(((t, b) for t, b in ((255, 8), (4095, 12), (65535, 0)) if highest <= t), (highest, 32))
        if highest == 0:
            bits = 0
    return (values.astype(np.float64).clip(0, top) * (255 / top)).round().astype(np.uint8), bits


def _brightened(picture: Image.Image, image: Image.Image, data: bytes) -> tuple[Image.Image, int]:
    """A colour picture of 16 bits a value, of which Pillow keeps the upper 8: where only 12 are used, those are 0 to
    15, and it is scaled to what they mean.
    """
    highest = max(high for _, high in picture.getextrema())  # type: ignore[misc]
    if not 0 < highest < 16:
        return picture, 0
    size, told = bits_of(image, data)
    if size != 16 or told == 16:
        return picture, 0
    return picture.point(lambda v: min(255, round(v * 17))), 12


def from_array(picture: NDArray[Any]) -> Picture:
    """One picture, (h, w) or (h, w, 1 or 3), uint8 or float in 0..1 -> uint8 of the same shape."""
    if picture.dtype == np.uint8:
        return picture
    return (np.asarray(picture, np.float64) * 255).round().astype(np.uint8)


def fit(picture: Picture, spec: PreprocessSpec) -> Picture:
    """Uint8 (h, w) or (h, w, 3) -> uint8 (spec.height, spec.width, 1 or 3) in the colours of ``spec``."""
    channels = 1 if spec.colour == "grey" else 3
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    ready = spec.resize is None and picture.shape[:2] == (spec.height, spec.width)
    if ready and (picture.ndim == 2 or channels == 3):
        out = np.ascontiguousarray(picture)
    else:
        out = np.asarray(_scaled(Image.fromarray(picture), spec))
    if out.ndim == 2:
        out = np.repeat(out[:, :, None], channels, 2)
    return np.ascontiguousarray(out[:, :, ::-1]) if spec.colour == "bgr" else out


def _scaled(image: Image.Image, spec: PreprocessSpec) -> Image.Image:
    if spec.colour == "grey" and image.mode != "L":
        image = image.convert("L")
    resample = _RESAMPLING[spec.interpolation]
    if spec.resize is None:
        size = (spec.width, spec.height)
        return image if image.size == size else image.resize(size, resample)
    w, h = image.size
    side = spec.resize
    w, h = (side, int(side * h / w)) if w <= h else (int(side * w / h), side)
    image = image.resize((w, h), resample)
    left, top = round((w - spec.width) / 2), round((h - spec.height) / 2)
    return image.crop((left, top, left + spec.width, top + spec.height))


def pixel_digest(picture: Picture) -> bytes:
    """Eight bytes that name the pixels of a picture, whatever file they came from.

    ``picture`` is uint8, (h, w) or (h, w, 3); a colour picture whose channels are all equal counts as grey.
    """
    if picture.ndim == 3 and all((part == part[..., :1]).all() for part in (picture[0], picture)):  # most differ early
        picture = picture[:, :, 0]
    h = hashlib.blake2b(repr(picture.shape).encode(), digest_size=8)
    h.update(np.ascontiguousarray(picture).data)
    return h.digest()
