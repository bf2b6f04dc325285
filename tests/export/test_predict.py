"""The stand-alone script reads pictures as regraft does, and says what a model's outputs mean in the same words."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from regraft.data.image.decoding import decode
from regraft.export import predict


def saved(image: Image.Image, form: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def wide_png(top: int, sbit: int | None = None, colour: bool = True) -> bytes:
    """A PNG of 16 bits a value whose values reach ``top``; ``sbit`` is what it says is used."""
    rng, channels = np.random.default_rng(0), 3 if colour else 1
    rows = rng.integers(0, top + 1, (9, 7 * channels)).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 7, 9, 16, 2 if colour else 0, 0, 0, 0)
    told = chunk(b"sBIT", bytes([sbit] * channels)) if sbit else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + told + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def files() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"jpeg {orientation}", saved(rgb, "JPEG", exif=exif)
        yield f"png {orientation}", saved(rgb, "PNG", exif=exif)
        yield f"tiff {orientation}", saved(rgb, "TIFF", exif=exif)
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK"):
        other = rgb.convert("RGBA").convert(mode) if mode in ("LA",) else rgb.convert(mode)
        if mode in ("RGBA", "LA"):
            other.putalpha(Image.fromarray(rng.integers(0, 256, (9, 7), dtype=np.uint8)))
        yield mode, saved(other, "TIFF" if mode == "CMYK" else "PNG")
    yield "P, one colour clear", saved(rgb.convert("P"), "PNG", transparency=3)
    yield "L, one level clear", saved(rgb.convert("L"), "PNG", transparency=200)
    yield "I;16", saved(Image.fromarray(rng.integers(0, 65536, (9, 7), dtype=np.uint16)), "PNG")
    yield "F, shares", saved(Image.fromarray(rng.random((9, 7), dtype=np.float32)), "TIFF")
    yield "F, levels", saved(Image.fromarray((255 * rng.random((9, 7))).astype(np.float32)), "TIFF")
    yield "I", saved(Image.fromarray(rng.integers(0, 4000, (9, 7), dtype=np.int32)), "TIFF")
    for top, sbit in ((65535, None), (4095, None), (4095, 12), (1023, 10), (4095, 16)):
        yield f"16 bits to {top}, {sbit}", wide_png(top, sbit)
        yield f"grey of 16 bits to {top}, {sbit}", wide_png(top, sbit, colour=False)


@pytest.mark.parametrize(("name", "data"), list(files()), ids=lambda v: v if isinstance(v, str) else "")
def test_files_are_read_alike(name: str, data: bytes) -> None:
    assert np.array_equal(predict.decode(data), decode(data))


def test_numbers_in_words() -> None:
    about = {"decision": {"sigma": 2.0, "quantiles": [0.1, 0.9], "interval": {"level": 0.9, "radius": 3.0}}}
    said = predict.answer(about, {"numbers": np.array([5.0, 1.0, 9.0], np.float32)})
    assert said == {"value": 5.0, "sigma": 2.0, "low": 2.0, "high": 8.0, "quantiles": {"0.1": 1.0, "0.9": 9.0}}
    about = {"decision": {"sigma": 2.0, "interval": {"level": 0.9, "by": "output"}}}
    said = predict.answer(about, {"numbers": np.array([5.0, 1.0, 9.0], np.float32)})
    assert said == {"value": 5.0, "sigma": 2.0, "low": 1.0, "high": 9.0}


def test_several_labels_and_the_unsure_in_words() -> None:
    about = {"classes": ["a", "b", "c"], "link": "sigmoid", "decision": {"thresholds": [0.5, 0.2, 0.9]}}
    said = predict.answer(about, {"probabilities": np.array([0.6, 0.2, 0.6])})
    assert (said["label"], said["labels"]) == ("a|b", ["a", "b"])
    about = {"classes": ["a", "b"], "link": "softmax", "decision": {"abstain_below": 0.8}}
    said = predict.answer(about, {"probabilities": np.array([0.25, 0.75])})
    assert said["label"] == "b" and said["abstain"] is True and said["entropy_bits"] == pytest.approx(0.811278)
