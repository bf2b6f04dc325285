"""Figures of a detector, from the true boxes of each picture and what was found there.

``truth`` and ``found`` hold one entry a picture, in the same order; ``classes`` are the names that labels index.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Boxes, Found, areas, intersections, iou
from regraft.metrics.intervals import half_samples, mean_of_classes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECALLS = np.linspace(0.0, 1.0, 101)
SIZES = ("all", "small", "medium", "large")
MOST = (1, 10, 100)
HALVES = 100
MISSED, IGNORED = -1, -2


def evaluate(
    truth: Sequence[Boxes], found: Sequence[Found], classes: Sequence[str], groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """COCO's figures, all in 0..1, or None where there is no true box to be judged by.

    ``map`` is the mean of the average precisions at IoU 0.50 to 0.95, ``map50`` and ``map75`` those at one IoU, over
    the classes that have a true box; ``map_small``, ``map_medium`` and ``map_large`` by the area of the true box (up to
    32 x 32, up to 96 x 96 pixels, more); ``ar_1``, ``ar_10``, ``ar_100`` the mean recall with so many boxes a picture
    and ``ar_small`` ... by size; ``per_class`` maps a name to ``map``, ``map50``, ``map75``, ``ar_100`` and ``boxes``,
    the number of its true ones; ``map_ci95`` is the 95 % interval of ``map`` over pictures, or over ``groups`` (n,) of
    them, which counts in that few true boxes of a class make its average precision too high. Boxes marked as crowd
    count neither way. Lin et al. 2014 (https://arxiv.org/abs/1405.0312), as pycocotools measures.
    """
    precision, recall = _accumulated(truth, found, len(classes))
    figures: dict[str, Any] = {
        "map": _mean(precision[..., 0, -1]), "map50": _mean(precision[0, ..., 0, -1]),
        "map75": _mean(precision[5, ..., 0, -1]),
    }  # fmt: skip
    figures |= {f"map_{size}": _mean(precision[..., 1 + i, -1]) for i, size in enumerate(SIZES[1:])}
    figures |= {f"ar_{most}": _mean(recall[..., 0, i]) for i, most in enumerate(MOST)}
    figures |= {f"ar_{size}": _mean(recall[..., 1 + i, -1]) for i, size in enumerate(SIZES[1:])}
    figures["map_ci95"] = map_interval(truth, found, classes, groups=groups)
    counts = box_counts(truth, classes)
    figures["per_class"] = {
        name: {"map": _mean(precision[:, :, k, 0, -1]), "map50": _mean(precision[0, :, k, 0, -1]),
               "map75": _mean(precision[5, :, k, 0, -1]), "ar_100": _mean(recall[:, k, 0, -1]), "boxes": counts[name]}
        for k, name in enumerate(classes)
    }  # fmt: skip
    return figures


def precision_curves(
    truth: Sequence[Boxes], found: Sequence[Found], classes: Sequence[str]
) -> dict[str, list[float] | None]:
    """Class -> precision at each of the 101 ``RECALLS``, at IoU 0.5; None for a class without a true box."""
    precision, _ = _accumulated(truth, found, len(classes), [0.5])
    curves = precision[0, :, :, 0, -1]
    return {name: curves[:, k].tolist() if curves[0, k] >= 0 else None for k, name in enumerate(classes)}


def map50(truth: Sequence[Boxes], found: Sequence[Found], classes: Sequence[str]) -> float | None:
    """The mean average precision at IoU 0.5 alone: a tenth of the work of `evaluate`."""
    precision, _ = _accumulated(truth, found, len(classes), [0.5], sizes=1)
    return _mean(precision[..., 0, -1])


def mean_ap(truth: Sequence[Boxes], found: Sequence[Found], classes: Sequence[str]) -> float | None:
    """The mean average precision over IoUs of 0.5 to 0.95 alone."""
    precision, _ = _accumulated(truth, found, len(classes), sizes=1)
    return _mean(precision[..., 0, -1])


def box_counts(truth: Sequence[Boxes], classes: Sequence[str]) -> dict[str, int]:
    """Class -> its true boxes, those of crowds left out."""
    labels = np.concatenate([b.labels[~b.crowd] for b in truth] or [np.zeros(0, np.int64)])
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _accumulated(
    truth: Sequence[Boxes],
    found: Sequence[Found],
    classes: int,
    ious: Sequence[float] | None = None,
    sizes: int | None = None,
) -> tuple[Floats, Floats]:
    """Precision (IoUs, 101 recalls, classes, sizes, most) and recall (IoUs, classes, sizes, most); -1 for none.

    ``sizes``: how many ranges of box sizes are told apart, of which the first is all (by default all four).
    """
    judge = _judge(truth, found, classes, ious, sizes)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.accumulate()
    return judge.eval["precision"], judge.eval["recall"]


def _judge(
    truth: Sequence[Boxes], found: Sequence[Found], classes: int, ious: Sequence[float] | None, sizes: int | None
) -> Any:
    """pycocotools' own judge, after it has matched boxes."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if len(truth) != len(found):
        raise ValueError(f"{len(truth)} pictures have true boxes and {len(found)} were looked at.")

    class Judge(COCOeval):  # type: ignore[misc]
        """Takes a difficult object for a thing of its own size, not for a crowd that anything may lie in."""

        def computeIoU(self, image: int, category: int) -> Any:
            overlap, there = super().computeIoU(image, category), self._gts[image, category]
            marks = np.array([g["difficult"] for g in there], bool)
            if len(overlap) and marks.any():
                said = sorted(self._dts[image, category], key=lambda d: -d["score"])[: self.params.maxDets[-1]]
                found, true = (_corners([b["bbox"] for b in some]) for some in (said, there))
                own = _difficult(found, true, marks, np.array([g["iscrowd"] for g in there], bool))
                overlap[:, marks] = own[:, marks]
            return overlap

    there, said = _annotations(truth), _results(found)
    with contextlib.redirect_stdout(io.StringIO()):
        coco, answers = COCO(), COCO()
        for one, boxes in ((coco, there), (answers, said)):
            one.dataset = {
                "images": [{"id": i} for i in range(len(truth))],
                "categories": [{"id": k} for k in range(classes)],
                "annotations": boxes,
            }
            one.createIndex()
        judge = Judge(coco, answers, "bbox")
        if ious is not None:
            judge.params.iouThrs = np.asarray(ious)
        judge.params.areaRng = judge.params.areaRng[:sizes]
        judge.params.areaRngLbl = judge.params.areaRngLbl[:sizes]
        judge.evaluate()
    return judge


def weighted_precisions(
    truth: Sequence[Boxes], found: Sequence[Found], classes: int, times: NDArray[np.integer[Any]]
) -> Floats:
    """(d, classes) the average precision over IoUs of 0.5 to 0.95 where the n pictures count ``times`` (d, n); NaN
    where a class has no true box there. Boxes are matched once for all.
    """
    judge, n = _judge(truth, found, classes, None, 1), len(truth)
    values = np.full((len(times), classes), np.nan)
    for k in range(classes):
        there = [(i, e) for i, e in enumerate(judge.evalImgs[k * n : (k + 1) * n]) if e is not None]
        if not there:
            continue
        positives = np.zeros(n)
        positives[[i for i, _ in there]] = [np.sum(np.asarray(e["gtIgnore"]) == 0) for _, e in there]
        order = np.argsort(-np.concatenate([e["dtScores"] for _, e in there]), kind="stable")
        picture = np.repeat([i for i, _ in there], [len(e["dtScores"]) for _, e in there])[order]
        counts = ~np.concatenate([e["dtIgnore"] for _, e in there], 1)[:, order].astype(bool)
        hit = np.concatenate([e["dtMatches"] for _, e in there], 1)[:, order] > 0
        for d, weight in enumerate(times):
            if total := float(weight @ positives):
                values[d, k] = _precision(hit & counts, ~hit & counts, weight[picture], total)
    return values


def _precision(hits: NDArray[np.bool_], errors: NDArray[np.bool_], weight: Ints, total: float) -> float:
    """The average precision over the rows (IoUs) of found boxes (IoUs, k), best first, that count ``weight`` (k,)."""
    right, wrong = (hits * weight).cumsum(1), (errors * weight).cumsum(1)
    precision = right / np.maximum(right + wrong, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    padded = np.concatenate([envelope, np.zeros((len(envelope), 1))], 1)
    at = [np.searchsorted(row, RECALLS) for row in right / total]
    return float(np.mean([p[i].mean() for p, i in zip(padded, at, strict=True)]))


def units_with(truth: Sequence[Boxes], classes: int, groups: NDArray[Any] | None = None) -> Ints:
    """(classes,) how many pictures, or ``groups`` (n,) of them, hold a true box of each, those of crowds left out."""
    unit = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    holds = np.zeros((int(unit.max(initial=-1)) + 1, classes), bool)
    for of, boxes in zip(unit, truth, strict=True):
        holds[of, boxes.labels[~boxes.crowd]] = True
    return holds.sum(0)


def map_interval(
    truth: Sequence[Boxes], found: Sequence[Found], classes: Sequence[str], *, draws: int = HALVES, seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> list[float] | None:  # fmt: skip
    """The 95 % interval of ``map``, from ``draws`` halves of the pictures, or of their ``groups`` (n,)
    (`regraft.metrics.intervals.mean_of_classes`); None where there is no true box.
    """
    if not any((~t.crowd).any() for t in truth):
        return None
    whole, halves = _halved(truth, found, len(classes), draws, seed, groups)
    return mean_of_classes(whole, halves, units_with(truth, len(classes), groups), _count(truth, groups))


def _count(truth: Sequence[Boxes], groups: NDArray[Any] | None) -> int:
    return len(truth) if groups is None else len(np.unique(groups))


def _halved(
    truth: Sequence[Boxes], found: Sequence[Found], classes: int, draws: int, seed: int, groups: NDArray[Any] | None
) -> tuple[Floats, Floats]:
    """(classes,) average precisions on all pictures, and (draws, classes) on halves of them."""
    n = len(truth)
    taken = np.concatenate([np.ones((1, n), np.int64), half_samples(n, draws, seed, groups).astype(np.int64)])
    values = weighted_precisions(truth, found, classes, taken)
    return values[0], values[1:]


def map_gain(
    truth: Sequence[Boxes],
    ours: Sequence[Found],
    theirs: Sequence[Found],
    classes: Sequence[str],
    *,
    draws: int = HALVES,
    seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """``value``, the difference of two detectors' ``map`` on the same pictures, and ``ci95``, its 95 % interval, from
    the same halves of the pictures, or of their ``groups`` (n,), for both.
    """
    (a, a_halves), (b, b_halves) = (_halved(truth, one, len(classes), draws, seed, groups) for one in (ours, theirs))
    apart, halves = a - b, a_halves - b_halves
    if np.isnan(apart).all():
        return {"value": 0.0, "ci95": [0.0, 0.0]}
    if not np.nan_to_num(apart).any() and not np.nan_to_num(halves).any():
        return {"value": 0.0, "ci95": [0.0, 0.0]}  # they find the same
    ends = mean_of_classes(apart, halves, units_with(truth, len(classes), groups), _count(truth, groups), gain=True)
    return {"value": float(np.nanmean(apart)), "ci95": ends}


def _corners(boxes: Sequence[Sequence[float]]) -> Floats:
    """COCO's left, top, width, height as left, top, right, bottom."""
    xywh = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)


def _difficult(found: Floats, truth: Floats, difficult: NDArray[np.bool_], aside: NDArray[np.bool_]) -> Floats:
    """(k, m) the overlap (IoU) of each found box with those true ones that are ``difficult`` (m,) and that it overlaps
    most of all objects, else 0: as VOC's development kit asks, any number of boxes may lie on one. ``aside`` (m,) are
    these and crowds.
    """
    overlap = iou(found, truth)
    objects = np.where(difficult | ~aside, overlap, 0.0)
    return np.where(difficult & (overlap >= objects.max(1, initial=0.0)[:, None]), overlap, 0.0)


def _annotations(truth: Sequence[Boxes]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for i, boxes in enumerate(truth):
        sizes = np.concatenate([boxes.xyxy[:, :2], boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]], 1).tolist()
        marks = zip(boxes.labels.tolist(), boxes.crowd.tolist(), boxes.difficult.tolist(), strict=True)
        for box, area, (k, crowd, difficult) in zip(sizes, boxes.areas.tolist(), marks, strict=True):
            # pycocotools takes the number 0 for "not matched"
            rows.append({"id": len(rows) + 1, "image_id": i, "category_id": k, "bbox": box, "area": area,
                         "iscrowd": int(crowd), "difficult": difficult})  # fmt: skip
    return rows


def _results(found: Sequence[Found]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for i, one in enumerate(found):
        sizes = np.concatenate([one.xyxy[:, :2], one.xyxy[:, 2:] - one.xyxy[:, :2]], 1).tolist()
        for box, area, k, s in zip(sizes, areas(one.xyxy).tolist(), one.labels.tolist(), one.scores, strict=True):
            rows.append({"id": len(rows) + 1, "image_id": i, "category_id": k, "bbox": box, "area": area,
                         "score": float(s), "iscrowd": 0})  # fmt: skip
    return rows


def _mean(values: Floats) -> float | None:
    """The mean of those that are there (not -1)."""
    some = values[values > -1]
    return float(some.mean()) if len(some) else None


def matched(truth: Boxes, found: Found, least: float = 0.5) -> Ints:
    """(k,) the true box that each found one hits, ``MISSED`` for none, ``IGNORED`` inside a crowd or on a difficult
    one.

    As COCO matches: best first, each takes the free true box of its class that it overlaps most, with an IoU of at
    least ``least``; a crowd may be hit by many that lie in it, a difficult object by many that overlap it so much, and
    no other object more.
    """
    hit = np.full(len(found), MISSED, np.int64)
    if not len(truth) or not len(found):
        return hit
    overlap = np.where(found.labels[:, None] == truth.labels[None], iou(found.xyxy, truth.xyxy), 0.0)
    overlap[:, truth.crowd] = 0.0
    for i in range(len(found)):
        j = int(overlap[i].argmax())
        if overlap[i, j] >= least:
            hit[i] = j
            overlap[:, j] = 0.0
    hit[(hit == MISSED) & in_crowd(truth, found, least)] = IGNORED
    return hit


def in_crowd(truth: Boxes, found: Found, least: float = 0.5) -> NDArray[np.bool_]:
    """(k,) whether at least a share ``least`` of a found box lies in a crowd of its class, or it overlaps a difficult
    object of its class so much, and no other more.
    """
    if not truth.crowd.any() or not len(found):
        return np.zeros(len(found), np.bool_)
    shared = intersections(found.xyxy, truth.xyxy) / np.maximum(areas(found.xyxy), 1e-12)[:, None]
    same = found.labels[:, None] == truth.labels[None]
    inside = (shared >= least) & same & (truth.crowd & ~truth.difficult)
    for i in np.flatnonzero(same[:, truth.difficult].any(1)):
        mine = same[i]
        own = _difficult(found.xyxy[i : i + 1], truth.xyxy[mine], truth.difficult[mine], truth.crowd[mine])
        inside[i, mine] |= own[0] >= least
    found_inside: NDArray[np.bool_] = inside.any(1)
    return found_inside


def best_threshold(truth: Sequence[Boxes], found: Sequence[Found], least: float = 0.5) -> dict[str, float]:
    """The confidence from which boxes are to be shown: that of the best F1 over all classes together, at one IoU.

    ``threshold`` lies halfway to the next lower score; with it come its ``f1``, ``precision`` and ``recall``. Where
    nothing found is right, the threshold is 0.5 and the figures 0.
    """
    hits = [matched(t, f, least) for t, f in zip(truth, found, strict=True)]
    wanted = sum(int((~t.crowd).sum()) for t in truth)
    scores = np.concatenate([f.scores[h != IGNORED] for f, h in zip(found, hits, strict=True)] or [np.zeros(0)])
    right = np.concatenate([h[h != IGNORED] >= 0 for h in hits] or [np.zeros(0, np.bool_)])
    if not right.any():
        return {"threshold": 0.5, "f1": 0.0, "precision": 0.0, "recall": 0.0}
    order = np.argsort(-scores, kind="stable")
    scores, true = scores[order], np.cumsum(right[order])
    f1 = 2 * true / (np.arange(1, len(scores) + 1) + wanted)
    # boxes of the same score stand or fall together
    f1[:-1][scores[:-1] == scores[1:]] = 0.0
    at = int(f1.argmax())
    below = float(scores[at + 1]) if at + 1 < len(scores) else 0.0
    return {"threshold": (float(scores[at]) + below) / 2, "f1": float(f1[at]),
            "precision": float(true[at] / (at + 1)), "recall": float(true[at] / wanted)}  # fmt: skip


def confusion(
    truth: Sequence[Boxes], found: Sequence[Found], classes: int, threshold: float, least: float = 0.5
) -> Ints:
    """(classes + 1, classes + 1) counts: row the truth, column what was found; the last of each is the background.

    Boxes with a score of at least ``threshold`` are matched to true ones with an IoU of at least ``least``, those of
    the same class before others. A true box that nothing matches is found as background, a found one that matches
    nothing stands in the background's row.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for boxes, everything in zip(truth, found, strict=True):
        one = everything.above(threshold)
        hit = matched(boxes, one, least)
        free = np.ones(len(boxes), np.bool_)
        free[hit[hit >= 0]] = False
        free &= ~boxes.crowd
        np.add.at(counts, (boxes.labels[hit[hit >= 0]], one.labels[hit >= 0]), 1)
        overlap = np.where(free[None], iou(one.xyxy, boxes.xyxy), 0.0)
        for i in np.flatnonzero(hit == MISSED):
            j = int(overlap[i].argmax()) if len(boxes) else 0
            if len(boxes) and overlap[i, j] >= least:
                counts[boxes.labels[j], one.labels[i]] += 1
                overlap[:, j], free[j] = 0.0, False
            else:
                counts[classes, one.labels[i]] += 1
        np.add.at(counts, (boxes.labels[free], np.full(int(free.sum()), classes)), 1)
    return counts
