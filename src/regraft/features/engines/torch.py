"""PyTorch as an engine: eager, channels last, without gradients."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.features.engines.base import full_batch


class TorchEngine:
    """PyTorch in float32, channels last, no gradients."""

    NEEDS: ClassVar[tuple[str, ...]] = ()
    INSTALL: ClassVar[str] = "torch"
    BF16: ClassVar[bool] = False
    CPU: ClassVar[bool] = False

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        self.spec = spec = network.spec
        self.batch = full_batch(spec)
        self.device = device
        self.table = spec.modality == "table"
        self.body = network.body.to(device).eval()
        if not self.table:
            self.body = self.body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.mean = torch.tensor(spec.mean, device=device).view(1, -1, 1, 1)
            self.std = torch.tensor(spec.std, device=device).view(1, -1, 1, 1)

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
        return (x.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        with torch.inference_mode():
            return {"pooled": self.body.features(self.normalise(data)).cpu().numpy()}


class TorchBf16(TorchEngine):
    """The same, with what multiplies in bfloat16; rows are float32."""

    BF16 = True

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "engine": "torch-bf16", "precision": "bfloat16"}

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        x = self.normalise(data)
        with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], torch.bfloat16):
            return {"pooled": self.body.features(x).float().cpu().numpy()}
