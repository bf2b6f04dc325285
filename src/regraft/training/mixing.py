"""MixUp, CutMix and mosaic: training on pictures between two, with targets between theirs."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

ALPHA = {"mixup": 0.2, "cutmix": 1.0}


def mixup(x: Tensor, targets: Tensor, partner: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """``share * a + (1 - share) * b`` of inputs and targets; b is a's ``partner`` (n,) in the batch.

    Zhang et al. 2018 (https://arxiv.org/abs/1710.09412), equation 1.
    """
    return share * x + (1 - share) * x[partner], share * targets + (1 - share) * targets[partner]


def cut_box(height: int, width: int, share: float, centre: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a box of ``1 - share`` of the area around ``centre`` (y, x), clipped."""
    h, w = int(height * math.sqrt(1 - share)), int(width * math.sqrt(1 - share))
    y, x = centre
    top, bottom = max(0, y - h // 2), min(height, y + h // 2)
    left, right = max(0, x - w // 2), min(width, x + w // 2)
    return top, bottom, left, right


def cutmix(x: Tensor, targets: Tensor, partner: Tensor, share: float, centre: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A box of each picture is its partner's; targets are shared by the area that remains.

    Yun et al. 2019 (https://arxiv.org/abs/1905.04899), equations 1 and 2. x is (N, C, H, W).
    """
    height, width = x.shape[2:]
    top, bottom, left, right = cut_box(height, width, share, centre)
    mixed = x.clone()
    mixed[:, :, top:bottom, left:right] = x[partner][:, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, kept * targets + (1 - kept) * targets[partner]


def mosaic(x: Tensor, targets: Tensor, partners: Tensor, centre: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Each picture and three ``partners`` (3, n), shrunk into the four fields around ``centre`` (y, x).

    Targets are shared by area. The joined picture of YOLOv4 (Bochkovskiy et al. 2020,
    https://arxiv.org/abs/2004.10934), for pictures with one label. x is (N, C, H, W).
    """
    height, width = x.shape[2:]
    cy, cx = centre
    joined, wanted = torch.empty_like(x), torch.zeros_like(targets)
    fields = [(slice(0, cy), slice(0, cx)), (slice(0, cy), slice(cx, width)),
              (slice(cy, height), slice(0, cx)), (slice(cy, height), slice(cx, width))]  # fmt: skip
    for (rows, columns), of in zip(fields, [torch.arange(len(x)), *partners], strict=True):
        size = (rows.stop - rows.start, columns.stop - columns.start)
        joined[:, :, rows, columns] = nn.functional.interpolate(x[of], size, mode="bilinear", antialias=True)
        wanted += targets[of] * (size[0] * size[1] / (height * width))
    return joined, wanted


def mix(kind: str, x: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mixes a batch by ``kind``, with shares and partners from ``rng``."""
    if kind == "none" or len(x) < 2:
        return x, targets
    if kind == "mosaic":
        centre = (_inside(x.shape[2], rng), _inside(x.shape[3], rng))
        return mosaic(x, targets, torch.from_numpy(np.stack([rng.permutation(len(x)) for _ in range(3)])), centre)
    partner = torch.from_numpy(rng.permutation(len(x)))
    share = float(rng.beta(ALPHA[kind], ALPHA[kind]))
    if kind == "mixup":
        return mixup(x, targets, partner, share)
    centre = (int(rng.integers(x.shape[2])), int(rng.integers(x.shape[3])))
    return cutmix(x, targets, partner, share, centre)


def _inside(side: int, rng: np.random.Generator) -> int:
    """A place in the middle half of a side, with a pixel at least on both ends."""
    return int(np.clip(rng.integers(side // 4, side - side // 4 + 1), 1, max(1, side - 1)))
