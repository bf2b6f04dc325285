"""Pictures to be looked at: small, and with boxes and maps drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from regraft.core.boxes import Boxes, Floats, Found
from regraft.data.image.decoding import Picture

COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#f032e6", "#808000", "#000075")
FOR, AGAINST, OPAQUE = (230.0, 60.0, 30.0), (40.0, 90.0, 220.0), 0.65
"""The colours of a map, and how much of the picture they cover where it is strongest."""


def small(picture: Picture, side: int) -> Image.Image:
    """The picture in colour, at most ``side`` pixels a side; a tiny one enlarged by whole pixels to half of that or
    more.
    """
    image = Image.fromarray(picture.squeeze(2) if picture.shape[2:] == (1,) else picture).convert("RGB")
    image.thumbnail((side, side))
    if max(image.size) < side // 2:
        scale = side // max(image.size)
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    return image


def thumbnail(picture: Picture, side: int, box: Sequence[float] | None = None) -> Image.Image:
    """A picture with its longer side ``side`` pixels, small ones enlarged without smoothing, and a box drawn."""
    plain = picture[:, :, 0] if picture.shape[2:] == (1,) else picture
    image = Image.fromarray(plain).convert("RGB")
    by = side / max(image.size)
    size = (max(1, round(image.width * by)), max(1, round(image.height * by)))
    image = image.resize(size, Image.Resampling.NEAREST if by > 2 else Image.Resampling.BILINEAR)
    if box is not None:
        ImageDraw.Draw(image).rectangle([v * by for v in box], outline=(255, 200, 0), width=2)
    return image


def draw_boxes(picture: Picture, boxes: Boxes, classes: Sequence[str], *, names: bool = True) -> Image.Image:
    """The true boxes, a colour a class; those of crowds, and difficult ones, say so."""
    marks = np.where(boxes.difficult, " (difficult)", np.where(boxes.crowd, " (crowd)", ""))
    texts = [f"{classes[k]}{mark}" for k, mark in zip(boxes.labels, marks, strict=True)]
    return draw(picture, boxes.xyxy, texts if names else [""] * len(texts), [_colour(int(k)) for k in boxes.labels])


def draw_found(picture: Picture, found: Found, classes: Sequence[str], *, names: bool = True) -> Image.Image:
    """What was found, with scores, the best on top."""
    worst_first = range(len(found) - 1, -1, -1)
    texts = [f"{classes[found.labels[i]]} {found.scores[i]:.2f}" if names else "" for i in worst_first]
    return draw(picture, found.xyxy[::-1], texts, [_colour(int(found.labels[i])) for i in worst_first])


def draw(picture: Picture, xyxy: Floats, texts: Sequence[str], colours: Sequence[str]) -> Image.Image:
    """Frames with a text each on uint8 (h, w, 3) or (h, w); lines and letters grow with the picture."""
    image = Image.fromarray(picture.squeeze(2) if picture.shape[2:] == (1,) else picture).convert("RGB")
    pen = ImageDraw.Draw(image)
    side = max(image.size)
    width = max(1, round(side / 300))
    font = ImageFont.load_default(size=max(9, min(40, side // 45)))
    for (left, top, right, bottom), text, colour in zip(xyxy.tolist(), texts, colours, strict=True):
        corners = (left, top, max(left, right - 1), max(top, bottom - 1))
        pen.rectangle(corners, outline=colour, width=width)
        if text:
            _, _, wide, high = pen.textbbox((0, 0), text, font=font)
            y = top - high - 2 if top - high - 2 >= 0 else top
            x = max(0.0, min(left, image.width - wide - 4))
            pen.rectangle((x, y, x + wide + 3, y + high + 2), fill=colour)
            pen.text((x + 2, y), text, fill="white", font=font)
    return image


def _colour(label: int) -> str:
    return COLOURS[label % len(COLOURS)]


def tinted(picture: Image.Image, strength: NDArray[np.floating[Any]]) -> Image.Image:
    """A picture in grey under a map (h, w) in -1..1 of any size: red where it is above 0, blue where it is below."""
    over = Image.fromarray(strength.astype(np.float32)).resize(picture.size, Image.Resampling.BILINEAR)
    part = np.asarray(over, np.float64).clip(-1, 1)[:, :, None]
    grey = np.asarray(picture.convert("L"), np.float64)[:, :, None]
    mixed = grey * (1 - OPAQUE * np.abs(part)) + OPAQUE * np.abs(part) * np.where(part > 0, FOR, AGAINST)
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))
