"""PyTorch as an engine on texts, in float32 and in bfloat16."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.backbones.base import Pretrained
from regraft.features.engines.texts import TextEngine


class TorchText(TextEngine):
    """PyTorch in float32, no gradients."""

    NEEDS: ClassVar[tuple[str, ...]] = ()
    INSTALL: ClassVar[str] = "torch"
    BF16: ClassVar[bool] = False
    CPU: ClassVar[bool] = False
    NAME, PRECISION = "torch", torch.float32

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        super().__init__(network, device)
        self.device = device
        self.body = copy.deepcopy(network.body).to(device).eval()
        for parameter in self.body.parameters():  # not the buffers: tables of positions need their digits
            parameter.data = parameter.data.to(self.PRECISION)

    def describe(self) -> dict[str, Any]:
        kind = torch.backends.cpu.get_cpu_capability() if self.device == "cpu" else self.device
        return {"engine": self.NAME, "version": torch.__version__, "on": kind,
                "precision": str(self.PRECISION).removeprefix("torch."), **self.made_by()}  # fmt: skip

    def forward(self, x: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            return self.body.features(x.to(self.device)).float().cpu().numpy()


class TorchTextBf16(TorchText):
    """The same with weights and activations in bfloat16; rows are float32."""

    NAME, PRECISION, BF16 = "torch-bf16", torch.bfloat16, True
