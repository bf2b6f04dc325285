"""How a frozen network is run. An engine takes fixed batches of prepared items and gives named arrays."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.registry import Registry


class Engine(Protocol):
    """Runs one frozen network on batches of ``batch`` items."""

    batch: int

    def describe(self) -> dict[str, Any]:
        """What the numbers depend on besides the network: goes into the key of every stored row."""
        ...

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        """Uint8 (B, height, width, channels), float (B, columns) or str (B,) -> ``{"pooled": (B, D)}``."""
        ...


class TorchEngine:
    """PyTorch in float32, channels last, no gradients."""

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        self.spec = spec = network.spec
        self.batch = 32 if spec.height * spec.width > 64 * 64 else 256
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


ENGINES = Registry("engine", {"torch": "regraft.features.engines.torch:TorchEngine"})


def make_engine(network: Pretrained, name: str = "auto", device: str = "cpu") -> Engine:
    """The engine called ``name``; ``auto`` takes the first there is. Networks on texts have an engine of their own."""
    if network.spec.modality == "text":
        from regraft.features.engines.torch_text import TextEngine

        return TextEngine(network, device)
    engine: Engine = ENGINES.get(next(iter(ENGINES)) if name == "auto" else name)(network, device)
    return engine
