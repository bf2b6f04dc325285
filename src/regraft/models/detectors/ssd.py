"""SSD as a `Detector`, by torchvision's modules: SSD300 on VGG-16, SSDLite, and SSDLite heads on any trunk.

Liu et al. 2016 (https://arxiv.org/abs/1512.02325); SSDLite after Sandler et al. 2018 (https://arxiv.org/abs/1801.04381).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead
from torchvision.ops import boxes as box_ops
from torchvision.ops.misc import Conv2dNormActivation

from regraft.models.detectors.backbone_maps import SideBySide, Trunk
from regraft.models.detectors.base import MOST, Batch, Block, Detector, InFrame, Maps
from regraft.models.detectors.rcnn import anchors_for, framed

EXTRA = (256, 256)
"""Channels of the maps behind the trunk's last, each of half its size."""


class Ssd(Detector):
    """``backbone`` gives maps of several strides, the head classes and boxes around every anchor.

    ``tools`` is a torchvision `SSD` with this head: it holds the anchors, matches them and decodes boxes.
    """

    kind = "ssd"

    def __init__(
        self, backbone: nn.Module, tools: SSD, classes: Sequence[str], frame: tuple[int, int], recipe: dict[str, Any]
    ) -> None:
        super().__init__(classes, frame, {"kind": self.kind, **recipe})
        self.backbone, self.head = backbone, tools.head
        self._known: dict[tuple[tuple[int, int], torch.device], Tensor] = {}
        self._tools = [tools]  # no module of the detector: its head would be there twice
        self.mean, self.std = tools.transform.image_mean, tools.transform.image_std
        self.overlap = 0.5

    def chain(self) -> list[Block]:
        backbone: Any = self.backbone
        if isinstance(backbone, nn.ModuleDict):
            trunk: Any = backbone["body"]
            found = trunk.chain()
        else:
            found = _torchvision_blocks(backbone, self.mean, self.std)
        extra: Any = backbone["extra"] if isinstance(backbone, nn.ModuleDict) else backbone.extra[1:]
        return [*found, *(Block(f"extra.{i}", e, partial(_further, e)) for i, e in enumerate(extra))]

    def learned(self, maps: Maps, batch: Batch) -> dict[str, Tensor]:
        tools, (outputs, anchors) = self._tools[0], self._outputs(maps, batch.frame)
        targets, matches = [], []
        for boxes, labels, places in zip(batch.boxes, batch.labels, anchors, strict=True):
            there = labels >= 0
            targets.append({"boxes": boxes[there], "labels": labels[there] + 1})
            if there.any():
                matches.append(tools.proposal_matcher(box_ops.box_iou(boxes[there], places)))
            else:
                matches.append(torch.full((len(places),), -1, dtype=torch.int64, device=places.device))
        found = tools.compute_loss(targets, outputs, anchors, matches)
        parts = {"boxes": found["bbox_regression"], "classes": found["classification"]}
        return {"loss": parts["boxes"] + parts["classes"], **parts}

    outputs = ("bbox_regression", "cls_logits")

    def raw_outputs(self, maps: Maps) -> list[Tensor]:
        found = self.head(maps)
        return [found[name] for name in self.outputs]

    def decoded(self, outputs: Sequence[Tensor], frame: tuple[int, int], floor: float) -> list[InFrame]:
        tools, named = self._tools[0], dict(zip(self.outputs, outputs, strict=True))
        tools.score_thresh, tools.nms_thresh, tools.detections_per_img = floor, self.overlap, MOST
        n = len(outputs[0])
        answers = tools.postprocess_detections(named, [self._anchors(frame)] * n, [frame] * n)
        return [InFrame(a["boxes"], a["scores"], a["labels"] - 1) for a in answers]

    def _outputs(self, maps: Maps, frame: tuple[int, int]) -> tuple[dict[str, Tensor], list[Tensor]]:
        """What the head says, in float32, and where."""
        outputs = {k: v.float() for k, v in self.head(maps).items()}
        floats = [m.float() for m in maps]
        return outputs, self._tools[0].anchor_generator(framed(floats[0], frame), floats)

    def _anchors(self, frame: tuple[int, int]) -> Tensor:
        """(A, 4) for a frame; which maps it has is found by one pass."""
        device = next(self.parameters()).device
        if (frame, device) not in self._known:
            with torch.inference_mode(False), torch.no_grad():  # what is kept may be copied later
                maps = self.through([torch.zeros((1, 3, *frame), dtype=torch.uint8, device=device)])
                found = self._tools[0].anchor_generator(framed(maps[0], frame), [m.float() for m in maps])
            self._known[frame, device] = found[0]
        return self._known[frame, device]

    def rows(self, kept: dict[int, int], classes: int) -> None:
        of_classes: Any = self.head.get_submodule("classification_head")
        before = of_classes.num_columns
        rows = {0: 0} | {to + 1: of + 1 for to, of in kept.items()}
        for block in of_classes.module_list:
            old: Any = block if isinstance(block, nn.Conv2d) else block[-1]
            new = nn.Conv2d(old.in_channels, old.out_channels // before * (classes + 1), old.kernel_size,
                            padding=old.padding).to(old.weight.device)  # fmt: skip
            with torch.no_grad():
                for name in ("weight", "bias"):
                    theirs = getattr(old, name)
                    ours = theirs.new_zeros(len(theirs) // before, classes + 1, *theirs.shape[1:])
                    split = theirs.view(len(theirs) // before, before, *theirs.shape[1:])
                    for to, of in rows.items():
                        ours[:, to] = split[:, of]
                    getattr(new, name).copy_(ours.flatten(0, 1))
            if isinstance(block, nn.Conv2d):
                place = list(of_classes.module_list).index(block)
                of_classes.module_list[place] = new
            else:
                block[-1] = new
        of_classes.num_columns = classes + 1


def _further(extra: nn.Module, maps: Maps) -> Maps:
    return [*maps, extra(maps[-1])]


def on_trunk(
    trunk: Trunk | SideBySide, classes: Sequence[str], frame: tuple[int, int], recipe: dict[str, Any], seed: int = 0
) -> Ssd:
    """Two more maps behind those of ``trunk``, and an untrained head of depthwise convolutions on all of them."""
    norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)
    mean, std = (trunk.kept.mean, trunk.kept.std) if isinstance(trunk, SideBySide) else (trunk.mean, trunk.std)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        extra, inside = nn.ModuleList(), trunk.channels[-1]
        for width in EXTRA:
            act: Any = {"norm_layer": norm, "activation_layer": nn.ReLU6}
            half = width // 2
            extra.append(nn.Sequential(
                Conv2dNormActivation(inside, half, 1, **act),
                Conv2dNormActivation(half, half, 3, 2, groups=half, **act),
                Conv2dNormActivation(half, width, 1, **act),
            ))  # fmt: skip
            inside = width
        levels = [*trunk.levels, *(trunk.levels[-1] + 1 + i for i in range(len(EXTRA)))]
        anchors: Any = anchors_for(levels)
        head = SSDLiteHead([*trunk.channels, *EXTRA], anchors.num_anchors_per_location(), len(classes) + 1, norm)
        tools = SSD(nn.Identity(), anchors, frame, len(classes) + 1, list(mean), list(std), head)
        return Ssd(nn.ModuleDict({"body": trunk, "extra": extra}), tools, classes, frame, recipe)


def of_torchvision(name: str, classes: Sequence[str]) -> Ssd:
    """torchvision's own model called ``name``, untrained."""
    from torchvision.models import get_model

    net: Any = get_model(name, weights=None, weights_backbone=None, num_classes=len(classes) + 1)
    side = net.transform.min_size[0]
    made = Ssd(net.backbone, net, classes, (side, side), {"torchvision": name})
    made.own_frame = made.stretches = True
    return made


def _torchvision_blocks(backbone: Any, mean: Sequence[float], std: Sequence[float]) -> list[Block]:
    """The blocks of torchvision's SSD300 (VGG-16, a block ends where the stride doubles) and SSDLite, up to the map
    that the extra ones start from.
    """
    scale = getattr(backbone, "scale_weight", None)
    layers = [(f"features.{i}", m) for i, m in enumerate(backbone.features)]
    stages: list[list[nn.Module]] = [[]]
    if scale is None:
        taps = {sum(len(m) for _, m in layers[: i + 1]) - 1 for i in range(len(layers))}
        stages = [[m] for _, part in layers for m in part]
    else:
        for _, layer in layers:
            stages[-1].append(layer)
            if isinstance(layer, nn.MaxPool2d):
                stages.append([])
        taps = {len(stages) - 1}
    modules = [nn.Sequential(*stage) for stage in stages]
    trunk = Trunk([(f"stage{i}", m) for i, m in enumerate(modules)], sorted(taps), [], [], mean, std)
    blocks, first = trunk.chain(), backbone.extra[0]
    if scale is None:
        return [*blocks, Block("extra.first", first, partial(_further, first))]
    last = nn.ModuleList([first, nn.ParameterList([scale])])

    def conv5(maps: Maps) -> Maps:
        rescaled = scale.view(1, -1, 1, 1) * nn.functional.normalize(maps[-1])
        return [rescaled, first(maps[-1])]

    return [*blocks, Block("extra.first", last, conv5)]
