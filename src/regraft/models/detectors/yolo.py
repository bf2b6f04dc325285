"""YOLOX as a `Detector` (Ge et al. 2021, https://arxiv.org/abs/2107.08430)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from regraft.models.detectors import simota
from regraft.models.detectors.base import CANDIDATES, MOST, Batch, Block, Detector, InFrame, Maps
from regraft.models.detectors.coco_classes import COCO
from regraft.models.detectors.yolox import PAFPN, PRIOR, SIZES, Head


class Yolo(Detector):
    """The member ``size`` of the family (nano, tiny, s, m, l, x), of untrained weights."""

    kind = "yolo"

    def __init__(
        self, classes: Sequence[str] = COCO, size: str = "nano", frame: tuple[int, int] | None = None, seed: int = 0
    ) -> None:
        member = SIZES[size]
        side = 416 if member.width < 0.5 else 640
        super().__init__(classes, frame or (side, side), {"kind": self.kind, "size": size})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone = PAFPN(member)
            inside = tuple(int(c * member.width) for c in (256, 512, 1024))
            self.head: Head = Head(inside, inside[0], len(classes), member.depthwise)

    def chain(self) -> list[Block]:
        neck, dark = self.backbone, self.backbone.backbone
        down = nn.ModuleList([neck.lateral_conv0, neck.C3_p4, neck.reduce_conv1, neck.C3_p3])
        up = nn.ModuleList([neck.bu_conv2, neck.C3_n3, neck.bu_conv1, neck.C3_n4])
        return [
            Block("stem", dark.stem, lambda maps: [dark.stem(_prepared(maps[0]))]),
            Block("dark2", dark.dark2, lambda maps: [dark.dark2(maps[0])]),
            Block("dark3", dark.dark3, lambda maps: [dark.dark3(maps[0])]),
            Block("dark4", dark.dark4, lambda maps: [*maps, dark.dark4(maps[-1])]),
            Block("dark5", dark.dark5, lambda maps: [*maps, dark.dark5(maps[-1])]),
            Block("top_down", down, lambda maps: neck.top_down(*maps)),
            Block("bottom_up", up, lambda maps: neck.bottom_up(*maps)),
        ]

    def raw(self, frames: Tensor) -> Tensor:
        """Frames uint8 (N, 3, H, W) -> (N, A, 5 + k): box, objectness, classes before any sigmoid, as the head gives
        them.
        """
        raw: Tensor = self.head(self.through([frames]))
        return raw

    def learned(self, maps: Maps, batch: Batch) -> dict[str, Tensor]:
        raw = self.head(maps)
        low, high = batch.boxes[..., :2], batch.boxes[..., 2:]
        boxes = torch.cat([(low + high) / 2, high - low], -1)
        with torch.autocast(raw.device.type, enabled=False):
            return simota.losses(raw, boxes, batch.labels, simota.grid(*batch.frame, raw.device), l1=True)

    outputs = ("raw",)

    def raw_outputs(self, maps: Maps) -> list[Tensor]:
        return [self.head(maps)]

    def decoded(self, outputs: Sequence[Tensor], frame: tuple[int, int], floor: float) -> list[InFrame]:
        (raw,), at = outputs, simota.grid(*frame, outputs[0].device)
        objectness = raw[..., 4].sigmoid()
        return [self._kept(*one, at, floor) for one in zip(raw, objectness, strict=True)]

    def _kept(self, raw: Tensor, objectness: Tensor, at: simota.Grid, floor: float) -> InFrame:
        """Of the places of one picture; a score is at most the objectness, and most places go by that."""
        there = (objectness >= floor).nonzero()[:, 0]
        scores, labels = (raw[there, 5:].sigmoid() * objectness[there, None]).max(1)
        best = (scores >= floor).nonzero()[:, 0]
        best = best[scores[best].argsort(descending=True, stable=True)[:CANDIDATES]]
        scores, labels, places = scores[best], labels[best], there[best]
        boxes = simota.decode(raw[places, :4], simota.Grid(at.cells[places], at.strides[places]))
        xyxy = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
        kept = batched_nms(xyxy, scores, labels, self.overlap)[:MOST]
        return InFrame(xyxy[kept], scores[kept], labels[kept])

    def rows(self, kept: dict[int, int], classes: int) -> None:
        for i, old in enumerate(self.head.cls_preds):
            assert isinstance(old, nn.Conv2d) and old.bias is not None
            new = nn.Conv2d(old.in_channels, classes, 1).to(old.weight.device)
            nn.init.zeros_(new.weight)
            nn.init.constant_(new.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]
            with torch.no_grad():
                for to, of in kept.items():
                    new.weight[to], new.bias[to] = old.weight[of], old.bias[of]  # type: ignore[index]
            self.head.cls_preds[i] = new


def _prepared(frames: Tensor) -> Tensor:
    """Uint8 in RGB -> what the released weights were trained on: floats 0..255 in BGR."""
    return frames.flip(1).float().contiguous(memory_format=torch.channels_last)
