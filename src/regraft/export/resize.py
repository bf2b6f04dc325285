"""Resizing and cutting out inside a graph, as Pillow does it outside.

Pillow (``src/libImaging/Resample.c``) scales in two passes: each new pixel is a weighted mean of the old ones around
its centre, the filter widened where a picture shrinks; weights are whole numbers of 22 bits, and after each pass values
are whole numbers in 0..255 again. Here a pass is a product of matrices whose weights (new, old) are worked out in the
graph from the size that the picture has. Positions are counted from the middle and weights cut into two parts, so that
float32 holds them exactly for all but huge pictures; with bicubic, and where a picture is huge, a mean that lies on the
edge between two grey levels may fall to the other side.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from regraft.core.errors import InputError
from regraft.core.types import PreprocessSpec

LUMA = (19595.0, 38470.0, 7471.0)
"""Shares of red, green and blue in grey, of 65536 (ITU-R 601-2, as Pillow rounds them)."""


def triangle(apart: Tensor, unit: Tensor) -> Tensor:
    """The filter called bilinear, of support 1, times ``unit``, which is 1 of the ways ``apart``: whole numbers."""
    return (unit - apart.abs()).clamp(min=0)


def cubic(apart: Tensor, unit: Tensor) -> Tensor:
    """The filter called bicubic, of support 2 (Keys 1981, a = -0.5)."""
    t = (apart / unit).abs().clamp(max=2)
    near, far = (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    return torch.where(t < 1, near, far)


FILTERS = {"bilinear": triangle, "bicubic": cubic}
HALF = 2048.0
"""Pillow's weights are whole numbers of 22 bits; here they are two of 11, whose products float32 adds up exactly."""


Weights = tuple[Tensor, Tensor]


def weights(old: int, new: Tensor, cut: int, interpolation: str) -> Weights:
    """(cut, old) twice: what each of the ``cut`` pixels in the middle of ``new`` takes from each of ``old``, in units
    of 2^-11 and 2^-22; nothing where the cut reaches beyond the picture.
    """
    count = sides(old)
    off_old = 2 * torch.arange(old) + 1 - count  # twice the way from the middle to the centre of each pixel
    place = 2 * (torch.round((new - cut) / 2).long() + torch.arange(cut)) + 1
    apart = off_old.float() * new.float() - (place - new)[:, None].float() * count.float()
    shares = FILTERS[interpolation](apart, 2 * torch.maximum(count, new).float())
    total, large = shares.sum(1, keepdim=True).clamp(min=1e-6), shares * HALF
    upper = (large / total).floor()
    rest = large - upper * total
    off = (rest >= total).float() - (rest < 0).float()  # where the division was rounded across a whole number
    lower = ((rest - off * total) * HALF / total + 0.5).floor()
    inside = (place > 0) & (place < 2 * new)
    kept = inside[:, None].float()
    return (upper + off) * kept, lower * kept


def grey_levels(upper: Tensor, lower: Tensor) -> Tensor:
    """Sums of levels times the two parts of their weights -> levels, whole numbers in 0..255; halves are rounded up."""
    carried = (lower / HALF).floor()
    return ((upper + carried + HALF / 2) / HALF).floor().clamp(0, 255)


def down(x: Tensor, shares: Weights) -> Tensor:
    """(c, h, w) -> (c, new, w) by `weights` (new, h)."""
    return grey_levels(shares[0] @ x, shares[1] @ x)


def across(x: Tensor, shares: Weights) -> Tensor:
    """(c, h, w) -> (c, h, new) by `weights` (new, w)."""
    return grey_levels(x @ shares[0].T, x @ shares[1].T)


def sides(*lengths: int) -> Tensor:
    """Lengths, of which some are known only when the graph runs, as a tensor of int64."""
    return torch.cat([torch.ones(n, dtype=torch.int64).sum(0, keepdim=True) for n in lengths])


@cache
def tall_first() -> bool:
    """Whether this Pillow goes down the columns first where a picture loses more than twice as much height as width,
    as it does from version 13 on.
    """
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 16), dtype=np.uint8)
    x, new = torch.from_numpy(picture).float()[None], torch.tensor([16])
    wide, tall = weights(16, new + 1, 17, "bicubic"), weights(64, new, 16, "bicubic")
    found = torch.from_numpy(np.array(Image.fromarray(picture).resize((17, 16), Image.Resampling.BICUBIC))).float()
    off = [(found - order).abs().mean() for order in (across(down(x, tall), wide), down(across(x, wide), tall))]
    return bool(off[0] < off[1])


class Fitted(nn.Module):
    """`regraft.data.image.decoding.fit` in a graph: uint8 (h, w, 3) of any size, red first -> float32 (1, height,
    width, 1 or 3) of whole numbers in 0..255, in the size and colours of ``spec``. Raises ``InputError`` for scaling
    to the nearest pixel, where Pillow adds up rounding errors on its way.
    """

    luma: Tensor

    def __init__(self, spec: PreprocessSpec) -> None:
        super().__init__()
        if spec.interpolation not in FILTERS:
            raise InputError(f"Pictures scaled by {spec.interpolation!r} cannot be scaled in a graph as they are here; "
                             f"{' and '.join(FILTERS)} can: regraft.load(MODEL).to_torch() takes pictures of the "
                             "network's own size.")  # fmt: skip
        self.spec, self.tall_first = spec, tall_first()
        self.register_buffer("luma", torch.tensor(LUMA).reshape(3, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        """See the class."""
        spec, (height, width) = self.spec, picture.shape[:2]
        x = picture.permute(2, 0, 1).float()
        if spec.colour == "grey":
            x = ((x * self.luma).sum(0, keepdim=True) / 65536 + 0.5).floor()
        old = sides(height, width)
        new = self.scaled(old)
        tall = weights(height, new[:1], spec.height, spec.interpolation)
        wide = weights(width, new[1:], spec.width, spec.interpolation)
        found = down(across(x, wide), tall)
        if self.tall_first:
            less = old - new
            first = (less[:1] > 0) & (less[:1] > 2 * less[1:])
            found = torch.where(first, across(down(x, tall), wide), found)
        return (found.flip(0) if spec.colour == "bgr" else found).permute(1, 2, 0)[None]

    def scaled(self, old: Tensor) -> Tensor:
        """(height, width) of a picture -> those it is brought to before its middle is cut out."""
        if self.spec.resize is None:
            return torch.tensor([self.spec.height, self.spec.width])
        return old * self.spec.resize // old.min()
