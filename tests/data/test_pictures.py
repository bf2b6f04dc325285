import io

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UnreadableItem
from regraft.core.types import PreprocessSpec
from regraft.data.image import decoding as pictures


def encode(image: Image.Image, kind: str = "PNG", **more) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"just text", "no picture"),
        (encode(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG")[:700], "damaged"),
        (encode(Image.effect_noise((64, 64), 50), "PNG")[:500], "damaged"),
    ],
)
def test_unreadable_bytes_say_why(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableItem, match=words):
        pictures.decode(data)


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableItem, match="too large"):
        pictures.decode(encode(Image.new("L", (40, 40))))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "LA", "I", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = {"CMYK": "JPEG", "F": "TIFF", "I": "TIFF"}.get(mode, "PNG")
    out = pictures.decode(encode(Image.new(mode, (7, 5)), kind))
    assert out.shape == (5, 7, 3) and out.dtype == np.uint8


def test_sixteen_bits_are_scaled() -> None:
    image = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    assert pictures.decode(encode(image))[0, :, 0].tolist() == [0, 128, 255]


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert pictures.decode(encode(Image.new("RGB", (20, 10)), "JPEG", exif=exif)).shape == (20, 10, 3)


def test_fit_equals_torchvisions_own_preprocessing() -> None:
    """Resize of the short side and centre crop, to the pixel."""
    from torchvision.transforms import CenterCrop, Resize

    rng = np.random.default_rng(0)
    for size in ((300, 200), (200, 301), (97, 250)):
        image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
        wanted = np.asarray(CenterCrop(64)(Resize(73)(image)))
        found = pictures.fit(np.asarray(image), PreprocessSpec(height=64, width=64, resize=73))
        assert (found == wanted).all()


def test_fit_colours() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 200
    assert pictures.fit(picture, PreprocessSpec(height=4, width=4, colour="bgr"))[0, 0].tolist() == [
        0,
        0,
        200,
    ]
    assert pictures.fit(picture, PreprocessSpec(height=4, width=4, colour="grey")).shape == (4, 4, 1)
    grey = pictures.fit(picture[..., 0], PreprocessSpec(height=8, width=8))
    assert grey.shape == (8, 8, 3) and (grey == 200).all()


def test_pixel_digest_sees_through_the_container() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (6, 6), dtype=np.uint8)
    as_png = pictures.decode(encode(Image.fromarray(grey)))
    assert pictures.pixel_digest(as_png) == pictures.pixel_digest(grey)
    assert pictures.pixel_digest(grey.reshape(4, 9)) != pictures.pixel_digest(grey)


def test_spec_survives_json() -> None:
    import json

    spec = PreprocessSpec(resize=256, colour="bgr")
    assert PreprocessSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("channels", [0, 1, 3])
def test_a_picture_of_the_right_size_passes_as_it_is(colour, channels: int) -> None:
    shape = (6, 6, channels) if channels else (6, 6)
    picture = np.rot90(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))  # seen through other strides
    found = pictures.fit(picture, PreprocessSpec(height=6, width=6, colour=colour))
    flat = picture[..., 0] if channels == 1 else picture
    image = Image.fromarray(np.ascontiguousarray(flat)).convert("L" if colour == "grey" else "RGB")
    wanted = np.asarray(image).reshape(6, 6, -1)
    assert found.flags.c_contiguous
    assert (found == (wanted[..., ::-1] if colour == "bgr" else wanted)).all()
