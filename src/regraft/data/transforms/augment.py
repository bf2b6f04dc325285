"""Augmentation: other pictures with the same meaning.

Each operation first draws its parameters, then applies them with torchvision's functions, which take pictures and boxes
alike; what nearly every training does to a picture (part, mirror, turn) goes to Pillow without that detour, in a
fraction of the time where pictures are small. All chance comes from a generator of the caller's, so that a view is
always the same for the same seed, view number and picture, in any thread, and a resumed run sees what an undisturbed
one saw.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import torch
from PIL import Image

from regraft.core.vision import torchvision
from regraft.data.transforms.policy import Operation, Rng

F = import_module("torchvision.transforms.v2.functional")  # once core.vision has imported torchvision in its way
_SMOOTH = torchvision.transforms.InterpolationMode.BILINEAR


def crop(least: float) -> Operation:
    """A random part of at least ``least`` of the area and of nearly the same shape, at the size of the whole.

    Szegedy et al. 2015 (https://arxiv.org/abs/1409.4842), section 6.
    """

    def apply(x: Any, rng: Rng) -> Any:
        height, width = x.size[::-1] if isinstance(x, Image.Image) else F.get_size(x)
        area, ratio = rng.uniform(least, 1.0), math.exp(rng.uniform(-0.22, 0.22))
        h = min(height, max(1, round(height * math.sqrt(area / ratio))))
        w = min(width, max(1, round(width * math.sqrt(area * ratio))))
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        if isinstance(x, Image.Image):
            return x.resize(x.size, Image.Resampling.BILINEAR, (left, top, left + w, top + h))
        return F.resized_crop(x, top, left, h, w, [height, width], _SMOOTH, antialias=True)

    return apply


def flip(x: Any, rng: Rng) -> Any:
    """Mirrored left to right, half of the time."""
    if rng.random() >= 0.5:
        return x
    return x.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if isinstance(x, Image.Image) else F.horizontal_flip(x)


def rotate(degrees: float) -> Operation:
    """Turns by up to so many degrees either way."""

    def apply(x: Any, rng: Rng) -> Any:
        angle = rng.uniform(-degrees, degrees)
        if isinstance(x, Image.Image):
            return x.rotate(angle, Image.Resampling.BILINEAR)
        return F.rotate(x, angle, _SMOOTH)

    return apply


def shear(degrees: float) -> Operation:
    """Shears by up to so many degrees along both axes."""

    def apply(x: Any, rng: Rng) -> Any:
        angles = [rng.uniform(-degrees, degrees), rng.uniform(-degrees, degrees)]
        return F.affine(x, 0.0, [0, 0], 1.0, angles, _SMOOTH)

    return apply


def shift(share: float) -> Operation:
    """Moves by up to this share of the side, both ways."""

    def apply(x: Any, rng: Rng) -> Any:
        height, width = F.get_size(x)
        by = [round(rng.uniform(-share, share) * width), round(rng.uniform(-share, share) * height)]
        return F.affine(x, 0.0, by, 1.0, [0.0, 0.0], _SMOOTH)

    return apply


def brightness(spread: float) -> Operation:
    """Multiplies the light by 1 - spread to 1 + spread."""
    return lambda x, rng: F.adjust_brightness(x, rng.uniform(1 - spread, 1 + spread))


def contrast(spread: float) -> Operation:
    """Multiplies the contrast by 1 - spread to 1 + spread."""
    return lambda x, rng: F.adjust_contrast(x, rng.uniform(1 - spread, 1 + spread))


def saturation(spread: float) -> Operation:
    """Multiplies the saturation by 1 - spread to 1 + spread."""
    return lambda x, rng: F.adjust_saturation(x, rng.uniform(1 - spread, 1 + spread))


def sharpness(spread: float) -> Operation:
    """Multiplies the sharpness by 1 - spread to 1 + spread."""
    return lambda x, rng: F.adjust_sharpness(x, rng.uniform(1 - spread, 1 + spread))


def blur(most: float) -> Operation:
    """A Gaussian whose width is at most ``most`` of the picture's."""

    def apply(x: Any, rng: Rng) -> Any:
        sigma = rng.uniform(0.1, max(0.2, most * F.get_size(x)[1]))
        return F.gaussian_blur(x, [2 * math.ceil(1.5 * sigma) + 1] * 2, [sigma])

    return apply


def erase(most: float) -> Operation:
    """A grey rectangle of up to ``most`` of the area, half of the time (Zhong et al. 2020, random erasing)."""

    def apply(x: Any, rng: Rng) -> Any:
        if rng.random() < 0.5:
            return x
        height, width = F.get_size(x)
        side = math.sqrt(rng.uniform(0.02, most))
        h, w = max(1, round(side * height)), max(1, round(side * width))
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        return F.erase(x, top, left, h, w, torch.full((1, 1, 1), 127, dtype=torch.uint8))

    return apply


def trivial(x: Any, rng: Rng) -> Any:
    """One operation, drawn evenly, at any strength (TrivialAugment, Müller and Hutter 2021)."""
    return TRIVIAL[int(rng.integers(len(TRIVIAL)))](x, rng)


def random_augment(operations: int = 2) -> Operation:
    """Some operations, each drawn evenly and at any strength, one after the other.

    RandAugment, Cubuk et al. 2020 (https://arxiv.org/abs/1909.13719), with the strength drawn in place of searched for.
    """

    def apply(x: Any, rng: Rng) -> Any:
        for _ in range(operations):
            x = trivial(x, rng)
        return x

    return apply


TRIVIAL: tuple[Operation, ...] = (
    lambda x, rng: x, rotate(30), shear(20), shift(0.2), brightness(0.8), contrast(0.8), saturation(0.9),
    sharpness(0.9),
    lambda x, rng: F.autocontrast(x), lambda x, rng: F.equalize(x),
    lambda x, rng: F.posterize(x, int(rng.integers(2, 8))), lambda x, rng: F.solarize(x, float(rng.integers(64, 256))),
)  # fmt: skip

OPERATIONS: dict[str, Operation] = {
    "crop": crop(0.5), "flip": flip, "rotate": rotate(12), "shear": shear(10), "shift": shift(0.1),
    "brightness": brightness(0.3), "contrast": contrast(0.3), "saturation": saturation(0.3),
    "sharpness": sharpness(0.5), "blur": blur(0.01), "erase": erase(0.2), "trivial": trivial,
    "rand": random_augment(),
}  # fmt: skip

# those that move pixels, and would move boxes alike
MOVING = frozenset([*(OPERATIONS[n] for n in ("crop", "flip", "rotate", "shear", "shift")), *TRIVIAL[1:4]])

POLICIES: dict[str, tuple[Operation, ...]] = {
    "none": (),
    "light": (crop(0.6), flip),
    "standard": (crop(0.35), flip, rotate(8), brightness(0.25), contrast(0.25), saturation(0.25)),
    "strong": (crop(0.25), flip, trivial, erase(0.25)),
}
