"""Pictures as arrays: decoding bytes, fitting them to a network, digests of pixels."""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import warnings
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from regraft.errors import UnreadableItem
from regraft.types import PreprocessSpec

Picture = NDArray[np.uint8]

_ORIENTATION = 0x0112
ENDINGS_OF = {
    "JPEG": (".jpg", ".jpeg", ".jfif"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",), "GIF": (".gif",), "BMP": (".bmp",),
    "WEBP": (".webp",), "TIFF": (".tif", ".tiff"), "PPM": (".ppm", ".pgm", ".pbm"),
}  # fmt: skip

SUFFIXES = frozenset(ending for endings in ENDINGS_OF.values() for ending in endings)

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


# what Pillow's readers are known to raise on damaged files
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, AttributeError, OverflowError,
           MemoryError, RuntimeError, struct.error, zlib.error)  # fmt: skip
# too large pictures are refused below, in a sentence
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Examined(NamedTuple):
    """A decoded picture, uint8 (h, w, 3), upright; the format of its file, and what was noted on the way."""

    picture: Picture
    format: str
    rotated: bool
    frames: int


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
    if not data:
        raise UnreadableItem("the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                raise UnreadableItem(f"the picture is too large to be safe: {image.width} x {image.height} pixels")
            rotated = image.getexif().get(_ORIENTATION, 1) not in (0, 1)
            picture = np.asarray(to_rgb(ImageOps.exif_transpose(image)))
            return Examined(picture, image.format or "", rotated, int(getattr(image, "n_frames", 1)))
    except UnreadableItem:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableItem(f"the picture is too large to be safe: {error}") from error
    except UnidentifiedImageError as error:
        raise UnreadableItem("the content is no picture that Pillow knows") from error
    except _DAMAGE as error:
        raise UnreadableItem(f"the picture is damaged: {error}") from error


class Shape(NamedTuple):
    """Sides in pixels of the upright picture, and the EXIF orientation (1 to 8) that it is stored in."""

    width: int
    height: int
    orientation: int


_TAGS = (b"eXIf", b"exif", b"xmp")


def shape_of(data: bytes) -> Shape:
    """The shape that `decode` will give, from the head of the file alone. Raises ``UnreadableItem``."""
    if not data:
        raise UnreadableItem("the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            # a PNG must be decoded to its end before all its tags are known
            plain = image.format == "PNG" and not any(mark in data for mark in _TAGS)
            orientation = 1 if plain else int(image.getexif().get(_ORIENTATION, 1))
    except Image.DecompressionBombError as error:
        raise UnreadableItem(f"the picture is too large to be safe: {error}") from error
    except UnidentifiedImageError as error:
        raise UnreadableItem("the content is no picture that Pillow knows") from error
    except _DAMAGE as error:
        raise UnreadableItem(f"the picture is damaged: {error}") from error
    return Shape(height, width, orientation) if orientation in (5, 6, 7, 8) else Shape(width, height, orientation)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow picture as RGB: 16-bit grey scaled to 8 bits, transparency laid on white."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        top = 65535.0 if image.mode.startswith("I") else max(float(values.max()), 1e-12)
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


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
    if picture.ndim == 3 and (picture == picture[:, :, :1]).all():
        picture = picture[:, :, 0]
    h = hashlib.blake2b(repr(picture.shape).encode(), digest_size=8)
    h.update(picture.tobytes())
    return h.digest()
