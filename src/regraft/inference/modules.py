"""Saved models as plain modules of PyTorch, preprocessing inside: what `to_torch` gives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.backbones.base import Pretrained
from regraft.core.boxes import Found
from regraft.core.errors import InputError
from regraft.data.image.decoding import fit, from_array
from regraft.features.encoders.base import Mapped
from regraft.features.engines.graphs import Prepared
from regraft.features.engines.torch_text import TorchText
from regraft.features.fusion import parts_of
from regraft.models.detectors.base import Detector
from regraft.models.model import Model

Pictures = Sequence[NDArray[Any]]
"""Decoded pictures of any size: (h, w) or (h, w, 1 or 3), uint8 or floats in 0..1, red first."""


class Answering(nn.Module):
    """Features (N, D) -> probabilities (N, K), or numbers with their quantiles in order, float32."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.head, self.link = copy.deepcopy(model.head).to("cpu").eval(), model.task.link
        self.class_names = tuple(map(str, model.target.classes))

    def of_rows(self, rows: Tensor) -> Tensor:
        """Features (N, D) -> see the class, summed in float64."""
        logits = self.head(rows.to(self.head.mean.dtype))  # type: ignore[arg-type]
        return self.said(logits.double()).float()

    def said(self, logits: Tensor) -> Tensor:
        """Outputs of the head (N, K) -> what is said of them, in their own precision."""
        if self.link == "softmax":
            return logits.softmax(1)
        if self.link == "sigmoid":
            return logits.sigmoid()
        return torch.cat([logits[:, :1], logits[:, 1:].sort(1).values], 1) if logits.shape[1] > 1 else logits


class PictureModule(Answering):
    """Pictures of the network's size -> probabilities of ``class_names``, or numbers.

    ``sizes`` are (height, width, channels) of what each of its networks takes: one, but where several stand side by
    side.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        networks = _networks(model)
        self.specs = tuple(n.spec for n in networks)
        self.sizes = tuple((s.height, s.width, 1 if s.colour == "grey" else 3) for s in self.specs)
        self.networks = nn.ModuleList(map(Prepared, networks)).requires_grad_(False)

    def forward(self, *pictures: Tensor) -> Tensor:
        """Uint8 (N, height, width, channels), one for each of ``sizes`` -> float32 (N, K)."""
        given = zip(self.networks, pictures, strict=True)
        return self.of_rows(torch.cat([network(x)[0].flatten(1) for network, x in given], 1))

    @torch.inference_mode()
    def answer(self, pictures: Pictures) -> Tensor:
        """Decoded pictures of any size -> float32 (N, K)."""
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        decoded = [from_array(np.asarray(p)) for p in pictures]
        return self(*(torch.from_numpy(np.stack([fit(p, s) for p in decoded])).to(device) for s in self.specs))


class TextModule(Answering):
    """Token numbers -> probabilities of ``class_names``, or numbers; `answer` takes texts."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.runners = [TorchText(n) for n in _networks(model)]
        self.bodies = nn.ModuleList(r.body for r in self.runners).requires_grad_(False)

    def forward(self, *tokens: Tensor) -> Tensor:
        """Int64 (N, 2, length), token numbers and mask, one for each network -> float32 (N, K)."""
        given = zip(self.bodies, tokens, strict=True)
        return self.of_rows(torch.cat([body.features(x).float() for body, x in given], 1))  # type: ignore[operator]

    @torch.inference_mode()
    def answer(self, texts: Sequence[str]) -> Tensor:
        """Texts -> float32 (N, K); long ones in windows, as `predict` reads them."""
        data = np.array([t.strip() for t in texts], object)
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        for runner in self.runners:
            runner.device = str(device)
        return self.of_rows(torch.cat([torch.from_numpy(r.run(data)["pooled"]).to(device) for r in self.runners], 1))


class BoxModule(nn.Module):
    """A detector that only predicts. Frames -> boxes, of ``class_names``; ``threshold`` is the least score that is told
    of, ``frame`` the (height, width) that it was trained in.
    """

    def __init__(self, detector: Detector, threshold: float) -> None:
        super().__init__()
        self.detector = copy.deepcopy(detector).to("cpu").eval().requires_grad_(False)
        self.class_names, self.frame, self.threshold = tuple(detector.classes), detector.frame, threshold

    def forward(self, frames: Tensor) -> list[dict[str, Tensor]]:
        """Uint8 (N, height, width, 3) -> for each ``boxes`` (k, 4), left, top, right and bottom in pixels of the frame,
        ``scores`` (k,), the best first, and ``labels`` (k,).
        """
        height, width = frames.shape[1:3]
        maps = self.detector.through([frames.permute(0, 3, 1, 2)])
        found = self.detector.found(maps, (height, width), self.threshold)
        return [{"boxes": one.xyxy, "scores": one.scores, "labels": one.labels} for one in found]

    def answer(self, pictures: Pictures) -> list[Found]:
        """Decoded pictures of any size -> what is found on each, in its own pixels."""
        return self.detector.detections([from_array(np.asarray(p)) for p in pictures], floor=self.threshold)


def _networks(model: Model) -> tuple[Pretrained, ...]:
    """The networks side by side; raises ``InputError`` where one is no network of PyTorch."""
    parts = parts_of(model.network)
    for part in parts:
        if isinstance(part, Mapped) or part.spec.modality == "table":
            raise InputError(f"{part.name} is no network of PyTorch: to_torch gives models whose features all come "
                             "from networks on pictures or texts.")  # fmt: skip
    return parts


def module_of(model: Model) -> PictureModule | TextModule:
    """The module of a model on pictures or texts."""
    return TextModule(model) if model.network.spec.modality == "text" else PictureModule(model)
