"""A network of LeNet's size for pictures of 28 x 28 pixels, for work from scratch.

LeCun et al. 1998 (LeNet-5: two convolutions, and a third as wide as what is left of the picture), with batch
normalisation and rectifiers; the last map is a bottleneck of 256 features without a rectifier, as domain adaptation
likes it (Liang, Hu and Feng 2020). 0.2 million parameters.
"""

from __future__ import annotations

import torch
from torch import nn


class LeNet(nn.Module):
    """(N, 3, 28, 28) -> logits (N, classes); 256 features before the last layer ``head``."""

    width = 256

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 24, 5, bias=False), nn.BatchNorm2d(24), nn.ReLU()),
            nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(24, 48, 5, bias=False), nn.BatchNorm2d(48), nn.ReLU()),
            nn.Sequential(
                nn.MaxPool2d(2), nn.Dropout(0.3), nn.Conv2d(48, self.width, 4, bias=False), nn.BatchNorm2d(self.width)
            ),
        )
        self.head = nn.Linear(self.width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(x).mean((2, 3)))
