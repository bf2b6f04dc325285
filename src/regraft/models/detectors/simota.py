"""What YOLOX learns from: which places answer for which box (SimOTA), and the losses there.

Ge et al. 2021 (https://arxiv.org/abs/2107.08430), section 2, after OTA (https://arxiv.org/abs/2103.14259). Boxes are
(cx, cy, w, h) in pixels of the network's input.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from regraft.models.detectors.yolox import STRIDES

RADIUS, CANDIDATES, PLACE_WEIGHT, BOX_WEIGHT = 1.5, 10, 3.0, 5.0
FAR, LOG_ZERO = 1e6, 100.0


class Grid(NamedTuple):
    """The places a head speaks of: (A, 2) x and y in cells of their map, and (A,) strides in pixels."""

    cells: Tensor
    strides: Tensor


class Assigned(NamedTuple):
    """Places (p,) that answer for a box, which one (p,), and the IoU of their guess with it (p,)."""

    places: Tensor
    boxes: Tensor
    ious: Tensor


def grid(height: int, width: int, device: torch.device | str = "cpu") -> Grid:
    """The places for an input of ``height`` x ``width`` pixels, finest map first, row by row."""
    cells, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        cells.append(torch.stack([x, y], 2).reshape(-1, 2))
        strides.append(torch.full((x.numel(),), stride))
    return Grid(torch.cat(cells).float().to(device), torch.cat(strides).float().to(device))


def decode(raw: Tensor, at: Grid) -> Tensor:
    """(..., A, 4) as the head gives them -> (cx, cy, w, h) in pixels."""
    strides = at.strides[:, None]
    return torch.cat([(raw[..., :2] + at.cells) * strides, raw[..., 2:4].exp() * strides], -1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes (..., 4) given as (cx, cy, w, h), as the shapes broadcast."""
    low = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared + 1e-16)


def iou_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - IoU**2 of boxes (..., 4) given as (cx, cy, w, h)."""
    return 1 - iou(a, b) ** 2


@torch.no_grad()
def assign(boxes: Tensor, labels: Tensor, guessed: Tensor, objectness: Tensor, classes: Tensor, at: Grid) -> Assigned:
    """SimOTA for one picture: true ``boxes`` (g, 4) with ``labels`` (g,), guesses (A, 4), logits (A,) and (A, k).

    Only places within 1.5 strides of a box's centre are asked. A box takes as many as the sum of the ten best IoUs,
    those of the least cost (class and place); a place that two boxes want goes to the one it costs less.
    """
    centres = (at.cells + 0.5) * at.strides[:, None]
    near = (centres - boxes[:, None, :2]).abs().amax(2) < RADIUS * at.strides
    asked = near.any(0).nonzero()[:, 0]
    if not len(asked):
        return Assigned(asked, asked, boxes.new_zeros(0))
    near, overlap = near[:, asked], iou(boxes[:, None], guessed[asked])
    p = (classes[asked].float().sigmoid() * objectness[asked, None].float().sigmoid()).sqrt()
    yes, no = -p.log().clamp(min=-LOG_ZERO), -(1 - p).log().clamp(min=-LOG_ZERO)
    of_class = (yes - no).T[labels] + no.sum(1)
    cost = of_class - PLACE_WEIGHT * (overlap + 1e-8).log() + FAR * ~near
    most = min(CANDIDATES, len(asked))
    wanted = overlap.topk(most, 1).values.sum(1).int().clamp(min=1)
    cheapest = cost.topk(most, 1, largest=False).indices
    taken = torch.zeros_like(near).scatter_(1, cheapest, torch.arange(most, device=cost.device) < wanted[:, None])
    torn = taken.sum(0) > 1
    taken[:, torn] = False
    taken[cost[:, torn].argmin(0), torn.nonzero()[:, 0]] = True
    chosen = taken.any(0).nonzero()[:, 0]
    of_box = taken[:, chosen].int().argmax(0)
    return Assigned(asked[chosen], of_box, overlap[of_box, chosen])


def losses(raw: Tensor, boxes: Tensor, labels: Tensor, at: Grid, *, l1: bool = False) -> dict[str, Tensor]:
    """The losses of a batch: ``raw`` (N, A, 5 + k) from the head; ``boxes`` (N, g, 4), ``labels`` (N, g), -1 for none.

    ``loss`` is the sum of ``iou`` (times 5), ``objectness``, ``classes`` and, where asked for, ``l1`` of the raw
    boxes, each a sum over places divided by the number of places that answer for a box (``places``).
    """
    raw = raw.float()
    guessed, k = decode(raw[..., :4], at), raw.shape[2] - 5
    of: list[Assigned] = []
    for i in range(len(raw)):
        there = labels[i] >= 0
        of.append(assign(boxes[i, there], labels[i, there], guessed[i], raw[i, :, 4], raw[i, :, 5:], at))
    picture = torch.cat([torch.full_like(a.places, i) for i, a in enumerate(of)])
    place, ious = torch.cat([a.places for a in of]), torch.cat([a.ious for a in of])
    truth = torch.cat([boxes[i, labels[i] >= 0][a.boxes] for i, a in enumerate(of)])
    label = torch.cat([labels[i, labels[i] >= 0][a.boxes] for i, a in enumerate(of)])
    n = max(len(place), 1)
    there = raw.new_zeros(raw.shape[:2])
    there[picture, place] = 1.0
    wanted = torch.nn.functional.one_hot(label, k) * ious[:, None]
    found = {
        "iou": BOX_WEIGHT * iou_loss(guessed[picture, place], truth).sum() / n,
        "objectness": binary_cross_entropy_with_logits(raw[..., 4], there, reduction="sum") / n,
        "classes": binary_cross_entropy_with_logits(raw[picture, place, 5:], wanted, reduction="sum") / n,
    }
    if l1:
        strides = at.strides[place, None]
        exact = torch.cat([truth[:, :2] / strides - at.cells[place], (truth[:, 2:] / strides + 1e-8).log()], 1)
        found["l1"] = (raw[picture, place, :4] - exact).abs().sum() / n
    return {"loss": torch.stack(list(found.values())).sum(), **found, "places": raw.new_tensor(float(len(place)))}
