"""The network of YOLOX, written from the paper: CSPDarknet with focus, PAFPN, a decoupled head without anchors.

Ge et al. 2021 (https://arxiv.org/abs/2107.08430); CSP blocks after Wang et al. 2019 (https://arxiv.org/abs/1911.11929),
the path aggregation neck after Liu et al. 2018 (https://arxiv.org/abs/1803.01534). Tensors bear the names of the
publicly released weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
PRIOR = 0.01
"""What an untrained head gives as the probability that something is there."""


@dataclass(frozen=True)
class Size:
    """How deep (multiplies the number of bottlenecks) and wide (multiplies the channels) a member of the family is."""

    depth: float
    width: float
    depthwise: bool = False


SIZES = {
    "nano": Size(0.33, 0.25, depthwise=True), "tiny": Size(0.33, 0.375), "s": Size(0.33, 0.5), "m": Size(0.67, 0.75),
    "l": Size(1.0, 1.0), "x": Size(1.33, 1.25),
}  # fmt: skip


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class DepthwiseConv(nn.Module):
    """A convolution of each channel by itself, then one of 1 x 1 across them."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = Conv(inside, inside, kernel, stride, groups=inside)
        self.pconv = Conv(inside, outside)

    def forward(self, x: Tensor) -> Tensor:
        return self.pconv(self.dconv(x))


class Focus(nn.Module):
    """Every fourth pixel into channels of its own (N, 3, H, W) -> (N, 12, H/2, W/2), then a convolution."""

    def __init__(self, outside: int) -> None:
        super().__init__()
        self.conv = Conv(12, outside, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x[..., ::2], x[..., 1::2]
        return self.conv(torch.cat([left[..., ::2, :], left[..., 1::2, :], right[..., ::2, :], right[..., 1::2, :]], 1))


class Bottleneck(nn.Module):
    """Two convolutions, added to what comes in where ``shortcut`` says so."""

    def __init__(self, channels: int, shortcut: bool, wide: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv(channels, channels), wide(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class CSP(nn.Module):
    """Half of the channels go through ``n`` bottlenecks, the other half around them."""

    def __init__(self, inside: int, outside: int, n: int, shortcut: bool, wide: Callable[..., nn.Module]) -> None:
        super().__init__()
        half = outside // 2
        self.conv1, self.conv2, self.conv3 = Conv(inside, half), Conv(inside, half), Conv(2 * half, outside)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut, wide) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))


class SPP(nn.Module):
    """The largest of 5, 9 and 13 pixels around, beside the map itself (He et al. 2014, spatial pyramid pooling)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv(inside, inside // 2), Conv(inside * 2, outside)
        self.m = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))


class Darknet(nn.Module):
    """The stem and four stages, of which the last three give maps."""

    def __init__(self, base: int, n: int, wide: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.stem = Focus(base)
        self.dark2 = nn.Sequential(wide(base, 2 * base, 3, 2), CSP(2 * base, 2 * base, n, True, wide))
        self.dark3 = nn.Sequential(wide(2 * base, 4 * base, 3, 2), CSP(4 * base, 4 * base, 3 * n, True, wide))
        self.dark4 = nn.Sequential(wide(4 * base, 8 * base, 3, 2), CSP(8 * base, 8 * base, 3 * n, True, wide))
        last = (SPP(16 * base, 16 * base), CSP(16 * base, 16 * base, n, False, wide))
        self.dark5 = nn.Sequential(wide(8 * base, 16 * base, 3, 2), *last)


class PAFPN(nn.Module):
    """The Darknet and, behind it, a way down to the finest map and up again."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        wide: Callable[..., nn.Module] = DepthwiseConv if size.depthwise else Conv
        c3, c4, c5 = (int(c * size.width) for c in (256, 512, 1024))
        n = round(3 * size.depth)
        self.backbone = Darknet(int(64 * size.width), max(n, 1), wide)
        self.lateral_conv0, self.C3_p4 = Conv(c5, c4), CSP(2 * c4, c4, n, False, wide)
        self.reduce_conv1, self.C3_p3 = Conv(c4, c3), CSP(2 * c3, c3, n, False, wide)
        self.bu_conv2, self.C3_n3 = wide(c3, c3, 3, 2), CSP(2 * c3, c4, n, False, wide)
        self.bu_conv1, self.C3_n4 = wide(c4, c4, 3, 2), CSP(2 * c4, c5, n, False, wide)

    def top_down(self, c3: Tensor, c4: Tensor, c5: Tensor) -> list[Tensor]:
        """Maps of strides 8, 16, 32 -> the finest map of the neck, and two on the way to it."""
        coarse = self.lateral_conv0(c5)
        middle = self.reduce_conv1(self.C3_p4(torch.cat([_doubled(coarse), c4], 1)))
        return [self.C3_p3(torch.cat([_doubled(middle), c3], 1)), middle, coarse]

    def bottom_up(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        """What `top_down` gives -> the three maps that the head takes, finest first."""
        n3 = self.C3_n3(torch.cat([self.bu_conv2(fine), middle], 1))
        return [fine, n3, self.C3_n4(torch.cat([self.bu_conv1(n3), coarse], 1))]


def _doubled(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")


class Head(nn.Module):
    """Three maps -> (N, A, 4 + 1 + k) before any sigmoid: box, objectness and classes at every place of every map."""

    def __init__(self, inside: tuple[int, ...], hidden: int, classes: int, depthwise: bool) -> None:
        super().__init__()
        wide: Callable[..., nn.Module] = DepthwiseConv if depthwise else Conv

        def twice() -> nn.ModuleList:
            return nn.ModuleList(nn.Sequential(wide(hidden, hidden, 3), wide(hidden, hidden, 3)) for _ in inside)

        def last(outputs: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(hidden, outputs, 1) for _ in inside)

        self.stems = nn.ModuleList(Conv(c, hidden) for c in inside)
        self.cls_convs, self.reg_convs = twice(), twice()
        self.cls_preds, self.reg_preds, self.obj_preds = last(classes), last(4), last(1)
        for layer in (*self.cls_preds, *self.obj_preds):
            nn.init.constant_(layer.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> Tensor:
        found = []
        for i, x in enumerate(maps):
            x = self.stems[i](x)
            of_class, of_box = self.cls_convs[i](x), self.reg_convs[i](x)
            parts = [self.reg_preds[i](of_box), self.obj_preds[i](of_box), self.cls_preds[i](of_class)]
            found.append(torch.cat(parts, 1).flatten(2))
        return torch.cat(found, 2).transpose(1, 2)
