"""Opening the files of pictures: which they are, how they stand, how many bits they hold, why some cannot be read."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError

from regraft.core.errors import UnreadableItem

ENDINGS_OF = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"), "MPO": (".jpg", ".jpeg", ".mpo"), "PNG": (".png", ".apng"),
    "GIF": (".gif",), "BMP": (".bmp", ".dib"), "WEBP": (".webp",), "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"), "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c"), "HEIF": (".heic", ".heif", ".hif"),
}  # fmt: skip
SUFFIXES = frozenset(ending for endings in ENDINGS_OF.values() for ending in endings)
FOREIGN = frozenset((
    ".raw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".dng", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".srw",
    ".pef", ".psd", ".psb", ".xcf", ".svg", ".svgz", ".eps", ".ai", ".wmf", ".emf", ".jxl", ".jxr", ".exr", ".hdr",
    ".tga", ".ico", ".icns", ".pcx", ".dds", ".dcm", ".fits", ".qoi", ".djvu", ".bpg", ".flif", ".ras", ".xpm", ".xbm",
))  # fmt: skip
"""Endings of pictures that are not promised to be read: each is tried, and says why where it cannot be."""

_ORIENTATION, _MAX_SAMPLE, _BITS, _SUBFILE, _DNG = 0x0112, 281, 258, 254, 0xC612
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")

# what Pillow's readers are known to raise on damaged files
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, AttributeError, OverflowError,
          MemoryError, RuntimeError, AssertionError, struct.error, zlib.error)  # fmt: skip
# too large pictures are refused below, in a sentence
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_KINDS = (
    (b"<svg", "it is an SVG drawing, made of lines; save it as PNG"),
    (b"<!doctype html", "it is a web page, as servers send in place of a picture; fetch it again"),
    (b"<html", "it is a web page, as servers send in place of a picture; fetch it again"),
    (b"version https://git-lfs", "it is a pointer of Git LFS; 'git lfs pull' fetches the picture"),
    (b"%!PS", "it is a PostScript drawing, made of lines; save it as PNG"),
    (b"%PDF", "it is a PDF document; save its pages as PNG"),
    (b"\xff\x0a", "it is a JPEG XL picture, which Pillow does not read; save it as PNG or JPEG"),
    (b"\0\0\0\x0cJXL ", "it is a JPEG XL picture, which Pillow does not read; save it as PNG or JPEG"),
    (b"v/1\x01", "it is an OpenEXR picture, which Pillow does not read; save it as PNG"),
    (b"#?RADIANCE", "it is a Radiance picture, which Pillow does not read; save it as PNG"),
    (b"gimp xcf", "it is a GIMP project; export it as PNG"),
    (b"FUJIFILMCCD-RAW", "it is a camera's raw file; develop it to JPEG or PNG"),
)
_RAW = "it is a camera's raw file, of which only a preview could be read; develop it to JPEG or PNG"


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Turns whatever Pillow raises on a picture into one sentence."""
    try:
        yield
    except UnreadableItem:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableItem(f"the picture is too large to be safe: {error}") from error
    except UnidentifiedImageError as error:
        raise UnreadableItem("the content is no picture that Pillow knows") from error
    except DAMAGE as error:
        raise UnreadableItem(f"the picture is damaged: {error}") from error


def opened(data: bytes) -> Image.Image:
    """The picture of a file, not yet decoded; raises ``UnreadableItem``, or what `readable` turns into one."""
    if not data:
        raise UnreadableItem("the file is empty (0 bytes)")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC and b"avif" not in data[8:64]:
        _register_heif()
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise UnreadableItem(_why_unknown(data)) from None
    if image.format in ("EPS", "WMF", "EMF"):
        # another program would be run to draw it
        raise UnreadableItem("it is a drawing, made of lines; save it as PNG")
    if image.format == "TIFF" and _is_raw(image, data):
        raise UnreadableItem(_RAW)
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
        raise UnreadableItem(f"the picture is too large to be safe: {image.width} x {image.height} pixels")
    return image


def _why_unknown(data: bytes) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    for sign, why in _KINDS:
        if head[: len(sign)].lower() == sign.lower():
            return why
    if head.startswith(b"<?xml") and b"<svg" in head:
        return _KINDS[0][1]
    if data[128:132] == b"DICM":
        return "it is a DICOM picture, which Pillow does not read; save it as PNG"
    if data[4:8] == b"ftyp" and data[8:12] == b"crx ":
        return "it is a camera's raw file; develop it to JPEG or PNG"
    if not data.strip(b"\0"):
        return "the file holds nothing but zeros, as after a broken copy"
    return "the content is no picture that Pillow knows"


def _is_raw(image: Any, data: bytes) -> bool:
    """Whether a TIFF is a camera's raw file: its first picture is a preview, or its head says so."""
    return data[8:10] == b"CR" or _DNG in image.tag_v2 or image.tag_v2.get(_SUBFILE) == 1


_lock = threading.Lock()


def _register_heif() -> None:
    """Teaches Pillow to read HEIC by pillow-heif, where that is installed."""
    with _lock:
        if "HEIF" in Image.OPEN:
            return
        try:
            from pillow_heif import register_heif_opener
        except ImportError as error:
            raise UnreadableItem("it is a HEIC picture: pip install 'regraft[heic]' brings what reads it") from error
        Image.init()
        register_heif_opener()


def orientation_of(image: Image.Image) -> int:
    """How a picture is stored, by its EXIF or XMP tag: 1 (upright) to 8; 1 where the tag is damaged or odd."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except DAMAGE:
        return 1
    return value if isinstance(value, int) and 2 <= value <= 8 else 1


def stored_size(image: Any) -> tuple[int, int]:
    """(width, height) as stored. Pillow gives the size of a TIFF as it will be once it is turned."""
    if image.format == "TIFF":
        return int(image.tag_v2[256]), int(image.tag_v2[257])
    return image.width, image.height


def bits_of(image: Any, data: bytes = b"") -> tuple[int, int | None]:
    """The bits that each value of a file takes, and how many of them the file says are used, None where it is silent.

    PNG says it in its sBIT chunk, TIFF by BitsPerSample and MaxSampleValue; Pillow scales JPEG 2000 and PPM itself.
    """
    if image.format == "PNG":
        data = data or _head(image)
        return (data[24], _significant(data)) if len(data) > 26 and data[24] == 16 else (8, None)
    if image.format == "TIFF" and hasattr(image, "tag_v2"):
        sizes, highest = image.tag_v2.get(_BITS, (1,)), image.tag_v2.get(_MAX_SAMPLE)
        size = max(sizes) if isinstance(sizes, tuple) else sizes
        highest = max(highest) if isinstance(highest, tuple) else highest
        used = highest.bit_length() if isinstance(highest, int) and highest > 0 else None
        return (16, used or (size if size < 16 else None)) if 8 < size <= 16 else (size, None)
    return (16, 16) if image.format in ("JPEG2000", "PPM") else (8, None)


def _significant(data: bytes) -> int | None:
    """The bits that a PNG's sBIT chunk names: the most of its channels."""
    at = 8
    while at + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IDAT":
            return None
        if kind == b"sBIT":
            return max(data[at + 8 : at + 8 + size], default=0) or None
        at += 12 + size
    return None


def _head(image: Any) -> bytes:
    """The first bytes of the file that a Pillow picture was opened from, b"" where it is out of reach."""
    try:
        if image.fp is not None:
            at = image.fp.tell()
            image.fp.seek(0)
            head = image.fp.read(1 << 16)
            image.fp.seek(at)
            return bytes(head)
        with open(image.filename, "rb") as file:
            return file.read(1 << 16)
    except (OSError, ValueError, AttributeError, TypeError):
        return b""
