"""What a detector does wrong, by kind: Bolya et al. 2020 (TIDE, https://arxiv.org/abs/2008.08115)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Boxes, Found, iou
from regraft.metrics.detection import MISSED, map50, matched

HIT, TOUCH = 0.5, 0.1
RIGHT, CLASS, PLACE, BOTH, DUPLICATE, BACKGROUND, CROWD = range(7)
KINDS = {
    "class": "a box in the right place, of another class",
    "place": f"the right class, but an overlap (IoU) of {TOUCH} to {HIT} only",
    "class and place": f"another class, and an overlap of {TOUCH} to {HIT} only",
    "duplicate": "an object that another box has found already",
    "background": "a box where no object is",
    "missed": "an object that no box comes near",
}
_CODES = {"class": CLASS, "place": PLACE, "class and place": BOTH, "duplicate": DUPLICATE, "background": BACKGROUND}


@dataclass(frozen=True)
class Judged:
    """One picture: ``kind`` (k,) of each found box, one of the codes above; ``at`` (k,) the true box that it means, or
    -1; ``missed`` (m,) marks true boxes that no found box comes near.
    """

    kind: NDArray[np.int64]
    at: NDArray[np.int64]
    missed: NDArray[np.bool_]


def judge(truth: Boxes, found: Found) -> Judged:
    """Sorts what was found in a picture by kind of error."""
    hit = matched(truth, found, HIT)
    kind = np.where(hit >= 0, RIGHT, np.where(hit == MISSED, BACKGROUND, CROWD)).astype(np.int64)
    at = np.maximum(hit, MISSED)
    missed = ~truth.crowd
    missed[hit[hit >= 0]] = False
    wrong = np.flatnonzero(hit == MISSED)
    if len(truth) and len(wrong):
        overlap = iou(found.xyxy[wrong], truth.xyxy)
        overlap[:, truth.crowd] = 0.0
        same = found.labels[wrong, None] == truth.labels[None]
        own, other = np.where(same, overlap, 0.0), np.where(same, 0.0, overlap)
        of_own, of_other = own.max(1), other.max(1)
        by_own = np.select([of_own >= HIT, of_own >= TOUCH], [DUPLICATE, PLACE], BACKGROUND)
        by_other = np.select([of_other >= HIT, of_other >= TOUCH], [CLASS, BOTH], BACKGROUND)
        # in this order: misplaced, of another class, found twice, both wrong
        takes_own = (by_own == PLACE) | ((by_own == DUPLICATE) & (by_other != CLASS))
        kind[wrong] = np.where(takes_own, by_own, by_other)
        at[wrong] = np.where(takes_own, own.argmax(1), other.argmax(1))
        at[kind == BACKGROUND] = MISSED
    missed[at[(kind == CLASS) | (kind == PLACE)]] = False
    return Judged(kind, at, missed)


def errors(
    truth: Sequence[Boxes], found: Sequence[Found], classes: Sequence[str], threshold: float
) -> dict[str, dict[str, Any]]:
    """Kind -> ``count`` among the boxes with a score of at least ``threshold``, ``cost``, ``meaning``.

    ``cost`` is what mAP50 would gain (in 0..1), over all boxes found, if errors of this kind were mended and no others:
    a wrong class or place put right (or dropped where its object is found anyway), duplicates and boxes on the
    background dropped, missed objects not asked for.
    """
    shown = [judge(t, f.above(threshold)) for t, f in zip(truth, found, strict=True)]
    whole = [judge(t, f) for t, f in zip(truth, found, strict=True)]
    before = map50(truth, found, classes)
    result = {}
    for name, meaning in KINDS.items():
        if name == "missed":
            count = sum(int(j.missed.sum()) for j in shown)
            asked = [t.take(~j.missed) for t, j in zip(truth, whole, strict=True)]
            after = map50(asked, found, classes)
        else:
            code = _CODES[name]
            count = sum(int((j.kind == code).sum()) for j in shown)
            mended = [_mended(t, f, j, code) for t, f, j in zip(truth, found, whole, strict=True)]
            after = map50(truth, mended, classes)
        cost = 0.0 if before is None or after is None else after - before
        result[name] = {"count": count, "cost": cost, "meaning": meaning}
    return result


def _mended(truth: Boxes, found: Found, judged: Judged, code: int) -> Found:
    """What was found, with the errors of one kind put right or dropped."""
    bad = judged.kind == code
    xyxy, labels, keep = found.xyxy.copy(), found.labels.copy(), ~bad
    if code in (CLASS, PLACE):
        taken = set(judged.at[judged.kind == RIGHT].tolist())
        for i in np.flatnonzero(bad):
            j = int(judged.at[i])
            if j not in taken:
                taken.add(j)
                keep[i] = True
                labels[i] = truth.labels[j]
                xyxy[i] = truth.xyxy[j] if code == PLACE else xyxy[i]
    return replace(found, xyxy=xyxy, labels=labels).take(keep)


def picture_quality(truth: Boxes, found: Found, threshold: float) -> float:
    """F1 in 0..1 of one picture at ``threshold`` and IoU 0.5; 1 where nothing is there and nothing was found."""
    one = found.above(threshold)
    hit = matched(truth, one, HIT)
    right, said = int((hit >= 0).sum()), int((hit >= MISSED).sum())
    wanted = int((~truth.crowd).sum())
    return 1.0 if said + wanted == 0 else 2 * right / (said + wanted)
