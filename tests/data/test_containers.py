"""Every container, way of standing and mode: head and decoded picture agree, and path, bytes and object are one."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features

from regraft.core.errors import UnreadableItem
from regraft.data.audit.facts import facts_of
from regraft.data.image.decoding import decode, examine, shape_of
from regraft.data.inputs import as_items
from regraft.data.items import PictureObjects
from tests.property.profile import examples

CONTAINERS = ["JPEG", "PNG", "WEBP", "TIFF", "MPO", "GIF", "BMP", "JPEG2000", "AVIF", "PNG-xmp", "TIFF-lzw", "PNG-late"]
CONTAINERS = [c for c in CONTAINERS if c != "AVIF" or features.check("avif")]
TAGGED = ["JPEG", "PNG", "WEBP", "TIFF", "MPO", "AVIF", "PNG-xmp", "TIFF-lzw", "PNG-late"]


def marked() -> Image.Image:
    """24 x 16, the upper left corner bright, the upper right one half so."""
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:6, :8] = 255
    pixels[:6, 16:] = 120
    return Image.fromarray(pixels)


def saved(image: Image.Image, container: str, tag: object = None) -> bytes:
    kind, _, way = container.partition("-")
    more: dict = {"compression": "tiff_lzw"} if way == "lzw" else {}
    if tag is not None and kind not in ("GIF", "BMP", "JPEG2000"):
        exif = Image.Exif()
        exif[0x0112] = tag
        more["exif"] = exif
    if way == "xmp":
        more = {"pnginfo": PngImagePlugin.PngInfo()}
        more["pnginfo"].add_itxt("XML:com.adobe.xmp", f'<x tiff:Orientation="{tag}"/>')
    if kind == "JPEG2000":
        more["irreversible"] = False
    buffer = io.BytesIO()
    image.save(buffer, kind, **more, **({"quality": 95} if kind in ("JPEG", "MPO", "WEBP", "AVIF") else {}))
    return late(buffer.getvalue()) if way == "late" else buffer.getvalue()


def late(png: bytes) -> bytes:
    """The eXIf chunk of a PNG behind its pixels, where the standard allows it too."""
    at = png.find(b"eXIf") - 4
    size = struct.unpack(">I", png[at : at + 4])[0] + 12
    return png[:at] + png[at + size : -12] + png[at : at + size] + png[-12:]


def turned(image: Image.Image, tag: int) -> np.ndarray:
    way = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(tag)
    return np.asarray(image if way is None else image.transpose(Image.Transpose(way)))


@pytest.mark.parametrize("container", TAGGED)
@pytest.mark.parametrize("tag", range(1, 9))
def test_a_tag_holds_in_every_container(container: str, tag: int) -> None:
    data = saved(marked(), container, tag)
    found = examine(data)
    wanted = turned(marked(), tag)
    assert found.picture.shape == wanted.shape and np.abs(found.picture.astype(int) - wanted).mean() < 6
    assert found.rotated == (tag != 1)
    shape = shape_of(data)
    assert (shape.height, shape.width) == found.picture.shape[:2]
    assert shape.orientation == tag


@pytest.mark.skipif("pillow_heif" not in sys.modules and not pytest.importorskip("pillow_heif"), reason="no HEIC")
@pytest.mark.parametrize("tag", [1, 3, 6, 8])
def test_heic_is_read_upright(tag: int, tmp_path: Path) -> None:
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = tag
    big = marked().resize((96, 64), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    pillow_heif.from_pillow(big).save(buffer, quality=95, exif=exif.tobytes())
    found, shape = decode(buffer.getvalue()), shape_of(buffer.getvalue())
    assert found.shape[:2] == (shape.height, shape.width)
    assert np.abs(found.astype(int) - turned(big, tag)).mean() < 8


def test_heic_without_its_reader_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    for look in (decode, shape_of):
        with pytest.raises(UnreadableItem, match=r"pip install 'regraft\[heic\]'"):
            look(head)


ODD_TAGS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65535, "sideways", (6, 6), 6.0, b"\x06"])


@examples(150)
@given(st.sampled_from(CONTAINERS), ODD_TAGS, st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_head_bytes_path_and_object_agree(container: str, tag: object, width: int, height: int, cut: bool) -> None:
    pixels = np.random.default_rng(width * 41 + height).integers(0, 255, (height, width, 3), dtype=np.uint8)
    try:
        data = saved(Image.fromarray(pixels), container, tag)
    except (struct.error, TypeError, ValueError, AttributeError, OSError, KeyError, RuntimeError):
        return  # Pillow writes no such tag there
    data = data[: len(data) // 2] if cut else data
    try:
        picture = decode(data)
    except UnreadableItem:
        assert cut, "only damage makes it unreadable"
        return
    shape = shape_of(data)
    assert (shape.height, shape.width) == picture.shape[:2]
    assert 1 <= shape.orientation <= 8
    assert (PictureObjects([Image.open(io.BytesIO(data))]).load(0) == picture).all()


def odd_files() -> dict[str, bytes]:
    """Modes and oddities that one route could treat in another way than the next."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    deep = rng.integers(0, 65535, (20, 30)).astype(np.uint16)
    frames = [Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)) for _ in range(3)]

    def file(image: Image.Image, kind: str, **more: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **more)
        return buffer.getvalue()

    palette = colour.quantize(16)
    return {
        "cmyk.jpg": file(colour.convert("CMYK"), "JPEG"), "bit.png": file(colour.convert("1"), "PNG"),
        "palette.png": file(palette, "PNG", transparency=3), "palette.gif": file(palette, "GIF", transparency=2),
        "alpha.png": file(Image.merge("LA", colour.split()[:2]), "PNG"),
        "alpha.webp": file(colour.convert("RGBA"), "WEBP", lossless=True),
        "key.png": file(colour, "PNG", transparency=tuple(int(v) for v in colour.getpixel((3, 3)))),
        "deep.png": file(Image.fromarray(deep), "PNG"), "deep.tif": file(Image.fromarray(deep), "TIFF"),
        "twelve.png": file(Image.fromarray(deep >> 4), "PNG"), "twelve.tif": file(Image.fromarray(deep >> 4), "TIFF"),
        "float.tif": file(Image.fromarray(rng.random((20, 30)).astype(np.float32)), "TIFF"),
        "int.tif": file(Image.fromarray(deep.astype(np.int32)), "TIFF"),
        "moving.gif": file(frames[0].quantize(8), "GIF", save_all=True, append_images=frames[1:]),
        "moving.webp": file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True),
        "moving.png": file(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "pages.tif": file(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
        "lab.tif": file(colour.convert("YCbCr"), "TIFF"), "grey.pgm": file(colour.convert("L"), "PPM"),
    }  # fmt: skip


@pytest.mark.parametrize("name", odd_files())
def test_path_bytes_and_object_are_the_same_picture(name: str, tmp_path: Path) -> None:
    data = odd_files()[name]
    path = tmp_path / name
    path.write_bytes(data)
    wanted = decode(data)
    assert wanted.std() > 10, "something is to be seen"
    for found in (as_items([str(path)]).load(0), as_items([Image.open(path)]).load(0),
                  as_items([Image.open(io.BytesIO(data))]).load(0)):  # fmt: skip
        assert (found == wanted).all()
    held = Image.open(path)
    held.load()
    assert (as_items([held]).load(0) == wanted).all(), "loaded already"


def sixteen_bits(values: np.ndarray, significant: int | None, colour: bool = False) -> bytes:
    """A PNG of 16 bits a value, perhaps with an sBIT chunk, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape[:2]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2 if colour else 0, 0, 0, 0))
    told = chunk(b"sBIT", bytes([significant] * (3 if colour else 1))) if significant else b""
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    return b"\x89PNG\r\n\x1a\n" + head + told + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("highest", "told", "white", "bits"),
    [(4095, None, 4095, 12), (4095, 12, 4095, 12), (1023, 10, 1023, 10), (65535, None, 65535, 0), (65520, 12, 65535, 0),
     (4095, 16, 65535, 0), (16383, 14, 16383, 14), (255, None, 255, 8)],
)  # fmt: skip
def test_bits_of_grey_values(highest: int, told: int | None, white: int, bits: int) -> None:
    values = np.linspace(0, highest, 200).astype(np.uint16).reshape(10, 20)
    found = examine(sixteen_bits(values, told))
    assert (found.picture[..., 0] == np.round(values * (255 / white)).astype(int)).all() and found.bits == bits


def test_twelve_bits_in_colours_and_in_a_tiff() -> None:
    values = np.linspace(0, 4095, 300).astype(np.uint16).reshape(10, 10, 3)
    found = examine(sixteen_bits(values, None, colour=True))
    assert found.bits == 12 and np.abs(found.picture - values * (255 / 4095)).max() < 17
    image, buffer = Image.fromarray(values[..., 0] // 4), io.BytesIO()
    image.save(buffer, "TIFF", tiffinfo={281: 1023})
    assert examine(buffer.getvalue()).bits == 10 and examine(buffer.getvalue()).picture.max() == 253


def test_the_audit_says_what_was_done(tmp_path: Path) -> None:
    import regraft

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(2):
            values = np.random.default_rng(i + ord(name)).integers(0, 4096, (20, 20)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / name / f"{i}.png")
    problems = [p for p in regraft.inspect(str(tmp_path)).problems if p.kind == "bit-depth"]
    assert len(problems) == 4 and "12 bits" in problems[0].message
    objects = as_items([Image.open(tmp_path / "a" / "0.png")])
    assert facts_of(objects, 0)["info"].tolist()[-1] == 12


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"), (bytes(128) + b"DICM", "DICOM"), (bytes(500), "zeros"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "made of lines"),
    ],
)  # fmt: skip
def test_what_is_no_picture_says_what_it_is(data: bytes, words: str) -> None:
    for look in (decode, shape_of):
        with pytest.raises(UnreadableItem, match=words):
            look(data)


def test_raw_files_are_not_read_by_their_preview() -> None:
    buffer = io.BytesIO()
    marked().save(buffer, "TIFF", tiffinfo={254: 1})
    with pytest.raises(UnreadableItem, match="raw file"):
        decode(buffer.getvalue())


def test_a_closed_or_damaged_object_is_unreadable_by_name(tmp_path: Path) -> None:
    marked().save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        pass
    noise = Image.effect_noise((90, 90), 60)
    (tmp_path / "y.jpg").write_bytes(saved(noise, "JPEG")[:2000])
    for held in (image, Image.open(tmp_path / "y.jpg")):
        with pytest.raises(UnreadableItem):
            as_items([held]).load(0)
