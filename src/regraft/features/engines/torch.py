"""PyTorch as an engine: eager, channels last, without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.features.engines.base import FrozenNetwork


class TorchEngine:
    """PyTorch in float32, channels last, no gradients."""

    NEEDS: ClassVar[tuple[str, ...]] = ()
    INSTALL: ClassVar[str] = "torch"
    BF16: ClassVar[bool] = False
    CPU: ClassVar[bool] = False

    def __init__(self, network: FrozenNetwork, device: str = "cpu") -> None:
        self.spec = spec = network.spec
        self.batch, self.outputs = network.batch, network.outputs
        self.device = device
        self.table = spec.modality == "table"
        self.body = network.body.to(device).eval()
        if not self.table:
            self.body = self.body.to(memory_format=torch.channels_last)
            self.mean, self.std = (
                torch.tensor(v, device=device).reshape(1, len(v), 1, 1) for v in (spec.mean, spec.std)
            )

    def describe(self) -> dict[str, Any]:
        kind = torch.backends.cpu.get_cpu_capability() if self.device == "cpu" else self.device
        precision = "float64" if self.table else "float32"
        return {"engine": "torch", "version": torch.__version__, "precision": precision, "on": kind,
                "batch": self.batch}  # fmt: skip

    def normalise(self, data: NDArray[Any]) -> torch.Tensor:
        """Uint8 (B, h, w, c) -> the float tensor (B, c, h, w) that the network takes."""
        x = torch.from_numpy(data).to(self.device)
        if self.table:
            return x
        x = x.permute(0, 3, 1, 2).float()
        return (x / 255 - self.mean) / self.std if self.spec.std else x

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        with torch.inference_mode():
            return self.named(self.body.features(self.normalise(data)))

    def named(self, found: Tensor | Sequence[Tensor]) -> dict[str, NDArray[np.floating[Any]]]:
        """What the network gives, by the names of its outputs."""
        each = (found,) if isinstance(found, Tensor) else found
        return {name: one.cpu().numpy() for name, one in zip(self.outputs, each, strict=True)}


class TorchBf16(TorchEngine):
    """The same, with what multiplies in bfloat16; rows are float32."""

    BF16 = True

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "engine": "torch-bf16", "precision": "bfloat16"}

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        x = self.normalise(data)
        with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], torch.bfloat16):
            found = self.body.features(x)
            return self.named(found.float() if isinstance(found, Tensor) else [one.float() for one in found])
