"""The architecture of ``regraft_tiny``: a residual network for pictures of 32 x 32 pixels.

Residual blocks after He et al. 2016 (https://arxiv.org/abs/1512.03385), and a 1 x 1 convolution before
pooling after Sandler et al. 2018 (https://arxiv.org/abs/1801.04381). 0.8 million parameters.
"""

from __future__ import annotations

import torch
from torch import nn


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, unless ``act`` is false, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, *, act: bool = True) -> None:
        layers = [
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        ]
        super().__init__(*layers, *([nn.ReLU()] if act else []))


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (a 1 x 1 convolution where the shape changes)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvNorm(c_in, c_out, 3, stride)
        self.second = ConvNorm(c_out, c_out, 3, act=False)
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else ConvNorm(c_in, c_out, 1, stride, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class TinyNet(nn.Module):
    """(N, 3, 32, 32) -> logits (N, classes); 320 pooled features before the last layer ``head``."""

    width = 320

    def __init__(self, num_classes: int = 16) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ConvNorm(3, 32),
            ConvNorm(32, 64, stride=2),
            Residual(64, 64),
            Residual(64, 128, stride=2),
            Residual(128, 160, stride=2),
            ConvNorm(160, self.width, 1),
        )
        self.head = nn.Linear(self.width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(x).mean((2, 3)))
