"""Faster R-CNN with a feature pyramid as a `Detector`, by torchvision's modules.

Ren et al. 2015 (https://arxiv.org/abs/1506.01497), Lin et al. 2017 (https://arxiv.org/abs/1612.03144).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from regraft.models.detectors.backbone_maps import SideBySide, Trunk
from regraft.models.detectors.base import MOST, Batch, Block, Detector, InFrame, Maps

PARTS = {"loss_objectness": "objectness", "loss_rpn_box_reg": "proposals", "loss_classifier": "classes",
         "loss_box_reg": "boxes"}  # fmt: skip
PYRAMID, HIDDEN, ROIS, POSITIVE = 128, 512, 256, 0.5
"""Channels of the pyramid and of the head; regions of a picture it learns from, and the share at most on boxes."""


class FasterRcnn(Detector):
    """``trunk``, feature pyramid, region proposals, and a head for the regions; all as torchvision names them."""

    kind = "fasterrcnn"

    def __init__(
        self,
        trunk: Trunk | SideBySide,
        fpn: nn.Module,
        rpn: nn.Module,
        roi_heads: nn.Module,
        classes: Sequence[str],
        frame: tuple[int, int],
        recipe: dict[str, Any],
    ) -> None:
        super().__init__(classes, frame, {"kind": self.kind, **recipe})
        self.backbone = nn.ModuleDict({"body": trunk, "fpn": fpn})
        self.rpn: Any = rpn
        self.roi_heads: Any = roi_heads
        self.overlap = 0.5

    @property
    def head(self) -> nn.Module:  # type: ignore[override]
        """Proposals and regions together."""
        return nn.ModuleList([self.rpn, self.roi_heads])

    def chain(self) -> list[Block]:
        trunk: Any = self.backbone["body"]
        return [*trunk.chain(), Block("fpn", self.backbone["fpn"], self._pyramid)]

    def _pyramid(self, maps: Maps) -> Maps:
        named = OrderedDict((str(i), m) for i, m in enumerate(maps))
        return list(self.backbone["fpn"](named).values())

    def learned(self, maps: Maps, batch: Batch) -> dict[str, Tensor]:
        boxes = [b[k >= 0] for b, k in zip(batch.boxes, batch.labels, strict=True)]
        labels = [k[k >= 0] + 1 for k in batch.labels]
        targets = [{"boxes": b, "labels": k} for b, k in zip(boxes, labels, strict=True)]
        found = self._run(maps, batch.frame, targets)[1]
        parts = {name: found[theirs] for theirs, name in PARTS.items()}
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The maps of the pyramid: proposals and regions, whose number the picture decides, are left to PyTorch."""
        return (*self.roi_heads.box_roi_pool.featmap_names, "pool")

    def raw_outputs(self, maps: Maps) -> list[Tensor]:
        return maps

    def decoded(self, outputs: Sequence[Tensor], frame: tuple[int, int], floor: float) -> list[InFrame]:
        self.roi_heads.score_thresh, self.roi_heads.nms_thresh = floor, self.overlap
        answers = self._run([*outputs], frame, None)[0]
        return [InFrame(a["boxes"], a["scores"], a["labels"] - 1) for a in answers]

    def _run(self, maps: Maps, frame: tuple[int, int], targets: list[dict[str, Tensor]] | None) -> Any:
        """Proposals and regions in float32: boxes of hundreds of pixels have no place in bfloat16."""
        with torch.autocast(maps[0].device.type, enabled=False):
            named = OrderedDict((str(i), m.float()) for i, m in enumerate(maps[:-1]))
            named["pool"] = maps[-1].float()
            images = framed(maps[0], frame)
            proposals, of_proposals = self.rpn(images, named, targets)
            answers, of_regions = self.roi_heads(named, proposals, images.image_sizes, targets)
        return answers, {**of_proposals, **of_regions}

    def rows(self, kept: dict[int, int], classes: int) -> None:
        old = self.roi_heads.box_predictor
        device = old.cls_score.weight.device
        new = FastRCNNPredictor(old.cls_score.in_features, classes + 1).to(device)
        rows = {0: 0} | {to + 1: of + 1 for to, of in kept.items()}
        with torch.no_grad():
            for layer in (new.cls_score, new.bbox_pred):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
            for to, of in rows.items():
                new.cls_score.weight[to], new.cls_score.bias[to] = old.cls_score.weight[of], old.cls_score.bias[of]
                ours, theirs = slice(4 * to, 4 * to + 4), slice(4 * of, 4 * of + 4)
                new.bbox_pred.weight[ours], new.bbox_pred.bias[ours] = (
                    old.bbox_pred.weight[theirs], old.bbox_pred.bias[theirs],
                )  # fmt: skip
        self.roi_heads.box_predictor = new


def framed(like: Tensor, frame: tuple[int, int]) -> ImageList:
    """What torchvision wants to know of the frames: their number and size."""
    n = len(like)
    return ImageList(like.new_empty(1, 1, 1, 1).expand(n, 3, *frame), [frame] * n)


def anchors_for(levels: Sequence[int]) -> AnchorGenerator:
    """Three shapes of two sizes, of three and five strides, at every place of every map."""
    sizes = tuple((3 << level, 5 << level) for level in levels)
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


def on_trunk(
    trunk: Trunk | SideBySide, classes: Sequence[str], frame: tuple[int, int], recipe: dict[str, Any], seed: int = 0
) -> FasterRcnn:
    """Untrained pyramid and heads on ``trunk``, small enough for CPUs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fpn = FeaturePyramidNetwork(trunk.channels, PYRAMID, LastLevelMaxPool())
        anchors = anchors_for([*trunk.levels, trunk.levels[-1] + 1])
        rpn = RegionProposalNetwork(
            anchors, RPNHead(PYRAMID, anchors.num_anchors_per_location()[0]), 0.7, 0.3, 256, 0.5,
            {"training": 1000, "testing": 500}, {"training": 500, "testing": 300}, 0.7,
        )  # fmt: skip
        names = [str(i) for i in range(len(trunk.levels))]
        roi_heads = RoIHeads(
            MultiScaleRoIAlign(names, 7, 2), TwoMLPHead(PYRAMID * 49, HIDDEN),
            FastRCNNPredictor(HIDDEN, len(classes) + 1), 0.5, 0.5, ROIS, POSITIVE, None, 0.05, 0.5, MOST,
        )  # fmt: skip
        return FasterRcnn(trunk, fpn, rpn, roi_heads, classes, frame, recipe)


def of_torchvision(name: str, classes: Sequence[str], frame: tuple[int, int]) -> FasterRcnn:
    """torchvision's own model called ``name``, untrained."""
    from torchvision.models import get_model

    net: Any = get_model(name, weights=None, weights_backbone=None, num_classes=len(classes) + 1)
    body = net.backbone.body
    children = list(body.items())
    taps = [i for i, (child, _) in enumerate(children) if child in body.return_layers]
    trunk = Trunk(children, taps, [], [], net.transform.image_mean, net.transform.image_std)
    net.roi_heads.detections_per_img = MOST
    return FasterRcnn(trunk, net.backbone.fpn, net.rpn, net.roi_heads, classes, frame, {"torchvision": name})
