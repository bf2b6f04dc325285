"""`Model`: what outlives training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.types import TargetSpec

HEAD_BATCH = 256


@dataclass
class Model:
    """A frozen or adapted network, the head on its features, and what the head's outputs mean."""

    network: Pretrained
    head: nn.Module
    target_name: str
    target: TargetSpec

    def logits(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Features (n, D) -> logits (n, K), in blocks of fixed shape so that no row depends on its neighbours."""
        out = []
        for start in range(0, len(rows), HEAD_BATCH):
            block = rows[start : start + HEAD_BATCH]
            padded = np.zeros((HEAD_BATCH, rows.shape[1]), rows.dtype)
            padded[: len(block)] = block
            with torch.inference_mode():
                out.append(self.head(torch.from_numpy(padded)).numpy()[: len(block)])
        return np.concatenate(out) if out else np.zeros((0, len(self.target.classes)), np.float32)

    def probabilities(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Features (n, D) -> class probabilities (n, K) in float64; each row sums to 1."""
        z = self.logits(rows).astype(np.float64)
        p = np.exp(z - z.max(1, keepdims=True)) if len(z) else z
        probabilities: NDArray[np.float64] = p / p.sum(1, keepdims=True)
        return probabilities
