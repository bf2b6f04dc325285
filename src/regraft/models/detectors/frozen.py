"""The network of a detector as engines run it: from frames of one size to what its boxes are decoded from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regraft.core.types import PreprocessSpec
from regraft.models.detectors.base import BATCH, Detector


class _Body(nn.Module):
    """Blocks and head as far as they cost convolutions."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def features(self, x: Tensor) -> list[Tensor]:
        """Frames (N, 3, height, width) with values in 0..255 -> what `Detector.raw_outputs` gives."""
        return self.detector.raw_outputs(self.detector.through([x]))


class FrozenDetector:
    """A `regraft.features.engines.base.FrozenNetwork`: a detector that only predicts, in one ``frame`` (height, width).
    How values are scaled is a part of its first block.

    ``parity`` is for maps, which no mean over places smooths: OpenVINO in bfloat16 has 0.9988 with YOLOX-nano, at a map
    within 0.3 points of float32's. PyTorch's autocast hands the last maps on in bfloat16, and is left out.
    """

    batch, parity, unfit = BATCH, 0.9985, ("torch-bf16",)

    def __init__(self, detector: Detector, frame: tuple[int, int]) -> None:
        self.name = f"{detector.kind} at {frame[1]} x {frame[0]}"
        self.spec = PreprocessSpec(height=frame[0], width=frame[1], mean=(), std=())
        self.outputs, self.body = detector.outputs, _Body(detector)

    def digest(self) -> str:
        """Names graph, weights and frame."""
        h = hashlib.blake2b(f"{self.spec}{self.body}".encode(), digest_size=16)
        for key, value in sorted(self.body.state_dict().items()):
            h.update(f"{key}{tuple(value.shape)}".encode())
            h.update(value.detach().cpu().contiguous().numpy().tobytes())
        return h.hexdigest()

    def watched(self, layers: Sequence[nn.Module], look: Callable[[nn.Module, Any, Any], None]) -> None:
        """One pass of zeros; ``look`` is given each of ``layers`` with what it takes and gives."""
        hooks = [layer.register_forward_hook(look) for layer in layers]
        device = next(self.body.parameters()).device
        try:
            with torch.inference_mode():
                self.body.features(torch.zeros(1, 3, self.spec.height, self.spec.width, device=device))
        finally:
            for hook in hooks:
                hook.remove()
