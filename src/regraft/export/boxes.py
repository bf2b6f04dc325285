"""Detectors as one graph: a decoded picture of any size in, boxes in its pixels out, doubles removed inside."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from regraft.core.errors import InputError, UnreadableItem
from regraft.data.items import Items
from regraft.data.transforms.loaders import load_item
from regraft.export.base import Arrays, Exportable, Port
from regraft.export.pictures import INPUT, three_channels
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor
from regraft.models.detectors import simota
from regraft.models.detectors.base import CANDIDATES, MOST, Detector
from regraft.models.detectors.letterbox import PAD
from regraft.models.detectors.ssd import Ssd
from regraft.models.detectors.yolo import Yolo

OUTPUTS = (Port("boxes", "float32", ("found", 4)), Port("scores", "float32", ("found",)),
           Port("labels", "int64", ("found",)))  # fmt: skip
ROUNDS = 32
"""How often doubles are looked for, see `without_doubles`."""


class Framed(nn.Module):
    """`regraft.models.detectors.letterbox.brought` in a graph: uint8 (h, w, 3) of any size -> float32 (1, 3, height,
    width) of whole numbers in 0..255, and by how much the edges of boxes are enlarged (4,).
    """

    def __init__(self, frame: tuple[int, int], stretch: bool) -> None:
        super().__init__()
        self.frame, self.stretch = frame, stretch

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        height, width = size_of(picture)
        rows, columns = self.frame
        down, across = torch.full_like(height, rows), torch.full_like(width, columns)
        if not self.stretch:
            down = torch.minimum(down, height * columns // width).clamp(min=1)
            across = torch.minimum(across, width * rows // height).clamp(min=1)
        x = between(picture.permute(2, 0, 1).float(), width, across, columns, 2)
        x = between(x, height, down, rows, 1).round()
        inside = (torch.arange(rows) < down)[:, None] & (torch.arange(columns) < across)[None, :]
        scale = torch.stack([columns / width.float(), rows / height.float()])
        scale = scale if self.stretch else scale.min().expand(2)
        return torch.where(inside, x, float(PAD))[None], torch.cat([scale, scale])


def between(x: Tensor, old: Tensor, new: Tensor, length: int, axis: int) -> Tensor:
    """``old`` pixels along an axis as ``new`` ones, linearly between the two that lie around each, in the first of
    ``length`` places.
    """
    place = ((torch.arange(length) + 0.5) * (old.float() / new.float()) - 0.5).clamp(min=0)
    first = torch.minimum(place.floor().int(), old - 1)
    second = torch.minimum(first + 1, old - 1)
    share = (place - first.float()).clamp(max=1).reshape([-1 if i == axis else 1 for i in range(3)])
    return x.index_select(axis, first) * (1 - share) + x.index_select(axis, second) * share


class YoloBoxes(nn.Module):
    """The raw outputs of YOLOX of one frame -> boxes (n, 4) in its pixels, scores (n,) and labels (n,) of the most
    promising places, the best first, doubles among them.
    """

    def __init__(self, detector: Yolo, frame: tuple[int, int]) -> None:
        super().__init__()
        at = simota.grid(*frame)
        self.register_buffer("cells", at.cells)
        self.register_buffer("strides", at.strides)

    def forward(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores, labels = (raw[0, :, 5:].sigmoid() * raw[0, :, 4:5].sigmoid()).max(1)
        scores, best = scores.topk(min(CANDIDATES, len(self.strides)))  # type: ignore[arg-type]
        at = simota.Grid(self.cells[best], self.strides[best])  # type: ignore[index]
        boxes = simota.decode(raw[0, :, :4].index_select(0, best), at)
        half = boxes[:, 2:] / 2
        return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1), scores, labels[best]


class SsdBoxes(nn.Module):
    """The raw outputs of SSD of one frame -> as `YoloBoxes`."""

    def __init__(self, detector: Ssd, frame: tuple[int, int]) -> None:
        super().__init__()
        (tools,) = detector._tools
        self.frame, self.coder, self.most = frame, tools.box_coder, tools.topk_candidates
        self.register_buffer("anchors", detector._anchors(frame).clone())

    def forward(self, regression: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        places: Tensor = self.anchors  # type: ignore[assignment]
        boxes = self.coder.decode_single(regression[0], places)
        height, width = self.frame
        boxes = torch.stack([boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)], 2).flatten(1)
        of_class = logits[0].softmax(1)[:, 1:].T
        scores, best = of_class.topk(min(self.most, len(places)), 1)
        labels = torch.arange(len(of_class))[:, None].expand_as(best).flatten()
        scores, order = scores.flatten().sort(descending=True)
        return boxes[best.flatten()[order]], scores, labels[order]


def without_doubles(boxes: Tensor, labels: Tensor, overlap: float) -> Tensor:
    """Boxes (n, 4) and labels (n,), the best first -> (n,) which stay: a box goes where a better one of its class that
    stays covers more than ``overlap`` of both.

    Greedy suppression without a loop over boxes: each round asks all boxes at once by what the one before let stay,
    which settles those behind one better box more. `ROUNDS` are enough but for a chain of as many boxes, each of which
    overlaps its neighbours alone.
    """
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    place = torch.ones_like(labels).cumsum(0)
    before = (place[None, :] < place[:, None]) & (labels[None, :] == labels[:, None])
    covers = (before & (shared > overlap * (area[:, None] + area[None, :] - shared))).float()
    stays = torch.ones_like(area)[:, None]
    for _ in range(ROUNDS):
        stays = (covers @ stays == 0).float()
    return stays[:, 0] > 0


class InFrame(nn.Module):
    """A picture as `BoxGraph` takes it -> what the detector says of it in one frame: boxes (n, 4) in pixels of the
    picture, scores (n,) and labels (n,), the best first, doubles among them; ``n`` where that is given, filled up with
    scores of -1.
    """

    def __init__(self, detector: Detector, frame: tuple[int, int]) -> None:
        super().__init__()
        self.detector, self.framed = detector, Framed(frame, detector.stretches)
        made: nn.Module
        if isinstance(detector, Yolo):
            made = YoloBoxes(detector, frame)
        else:
            assert isinstance(detector, Ssd)
            made = SsdBoxes(detector, frame)
        self.boxes = made

    def forward(self, picture: Tensor, n: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        frame, scale = self.framed(picture)
        raw = self.detector.raw_outputs(self.detector.through([frame]))
        boxes, scores, labels = self.boxes(*(one.float() for one in raw))
        more = 0 if n is None else n - len(scores)
        pad = nn.functional.pad
        return pad(boxes, (0, 0, 0, more)) / scale, pad(scores, (0, more), value=-1.0), pad(labels, (0, more))


class BoxGraph(nn.Module):
    """Uint8 (height, width, 3) of any size, red first -> boxes (k, 4), left, top, right and bottom in its pixels,
    scores (k,), the best first, and labels (k,). The frame is chosen in the graph as `Detector.frame_of` does it.
    """

    def __init__(self, detector: Detector, threshold: float) -> None:
        super().__init__()
        own = detector.copy().to("cpu").eval().requires_grad_(False)
        side = max(own.frame)
        self.frame, self.threshold, self.overlap = own.frame, threshold, own.overlap
        self.ways = nn.ModuleList([InFrame(own, frame) for frame in dict.fromkeys((own.frame, (side, side)))])
        example = torch.zeros(8, 8, 3, dtype=torch.uint8)
        with torch.no_grad():
            self.most = max(len(way(example)[1]) for way in self.ways)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        height, width = size_of(picture)
        if len(self.ways) == 1:
            boxes, scores, labels = self.ways[0](picture)
        else:
            longer, least = 10 * torch.maximum(height, width), 8 * max(self.frame)
            fits = (self.frame[0] * longer >= least * height) & (self.frame[1] * longer >= least * width)
            own, square = self.ways
            boxes, scores, labels = torch.cond(
                fits, lambda x: own(x, self.most), lambda x: square(x, self.most), (picture,)
            )
        there = (scores >= self.threshold).nonzero()[:, 0]
        boxes, scores, labels = boxes[there], scores[there], labels[there]
        single = without_doubles(boxes, labels, self.overlap)
        kept = (single & (single.int().cumsum(0) <= MOST)).nonzero()[:, 0]
        found = boxes[kept].clamp(min=0)
        across, down = found[:, 0::2].minimum(width.float()), found[:, 1::2].minimum(height.float())
        return torch.stack([across, down], 2).flatten(1), scores[kept], labels[kept]


def size_of(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Height and width of a picture (h, w, 3), known when the graph runs."""
    return torch.ones_like(picture[:, 0, 0]).int().sum(), torch.ones_like(picture[0, :, 0]).int().sum()


def exportable(predictor: AnyPredictor, model: str) -> Exportable:
    """What is to be written of a detector; raises ``InputError`` naming the part that cannot be."""
    assert isinstance(predictor, BoxPredictor)
    detector = predictor.detector
    if not isinstance(detector, Yolo | Ssd):
        raise InputError(f"{model} cannot be exported: the regions of {detector.kind}, whose number each picture "
                         "decides, are left to PyTorch; fit --detector yolo or ssd, or take "
                         "regraft.load(MODEL).to_torch().")  # fmt: skip

    def feeds(items: Items) -> Iterator[tuple[Arrays, Arrays]]:
        for i in range(len(items)):
            try:
                picture = three_channels(load_item(items, i))
            except UnreadableItem:
                continue
            (found,) = detector.detections([picture], floor=predictor.threshold)
            said = zip(OUTPUTS, (found.xyxy, found.scores, found.labels), strict=True)
            yield {INPUT.name: picture}, {port.name: one.astype(port.dtype) for port, one in said}

    target = predictor.manifest["target"]
    about = {"task": "detection", "target": target["name"], "classes": [*detector.classes],
             "decision": {"threshold": predictor.threshold}, "network": detector.kind, "link": None,
             "digests": predictor.manifest["files"], "created": predictor.manifest["created"],
             "units": {"boxes": max(detector.frame)},
             "preprocess": {"frame": [*detector.frame], "stretch": detector.stretches, "pad": PAD}}  # fmt: skip
    graph = BoxGraph(detector, predictor.threshold).eval()
    example = torch.zeros(61, 67, 3, dtype=torch.uint8)
    return Exportable("boxes", graph, (INPUT,), OUTPUTS, (example,), about, feeds)
