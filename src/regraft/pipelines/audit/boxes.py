"""The audit of boxes: where a detector and the boxes that were given do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from regraft.core.boxes import Boxes, Found, iou
from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.box_correction_rows import BAD_PLACE, DOUBTFUL, MISSING, OTHER_CLASS
from regraft.data.dataset import Dataset
from regraft.data.relabel import matched_classes
from regraft.features.fingerprints import fingerprints
from regraft.inference.detector import BoxPredictor
from regraft.metrics.detection_errors import BACKGROUND, CLASS, PLACE, RIGHT, TOUCH, judge
from regraft.models import artefact
from regraft.models.detectors.base import FLOOR
from regraft.pipelines.audit.result import BOX_KINDS, Audit, BoxFinding

UNSURE = 0.25
"""A box is doubtful where the detector finds none near it, not even with this share of its threshold."""


def audit_boxes(
    predictor: BoxPredictor, model: str, opened: Dataset, store: RowStore
) -> tuple[Audit, Dataset, list[Found]]:
    """What of the boxes of all parts is to be looked at; the pictures that can be read; and what was found on each."""
    classes = tuple(predictor.classes_.tolist())
    data, left = matched_classes(opened, classes)
    problems = [*opened.problems, *(Problem("class-unknown", name, f"{n} boxes of it are not looked at: the model has "
                                            "no such class") for name, n in left.items())]  # fmt: skip
    threshold = predictor.threshold
    answers = [one for some in predictor.stream(data.items, threshold=max(FLOOR, UNSURE * threshold))
               for one in some.values()]  # fmt: skip
    problems += [Problem("unreadable", one.name, f"{one.error}; it is set aside") for one in answers if one.error]
    read = np.array([i for i, one in enumerate(answers) if not one.error], np.int64)
    if not len(read):
        raise DataError(f"None of the pictures of {data.name} can be read.")
    data, found = data.take(read), [answers[i].found for i in read]
    known = artefact.learned_by(model)
    learned = None if known is None else known.among(data.items, fingerprints(data.items, None, store))
    findings: list[BoxFinding] = []
    for i, (truth, one) in enumerate(zip(data.y, found, strict=True)):
        about: dict[str, Any] = {"item": data.items.name(i), "part": str(data.parts[i]),
                 "learned": None if learned is None else bool(learned.either[i])}  # fmt: skip
        findings += [BoxFinding(**about, **each) for each in doubts(truth, one, classes, threshold)]
    rank = {kind: n for n, kind in enumerate(BOX_KINDS)}
    findings.sort(key=lambda f: (rank[f.kind], -(f.score or 0.0)))
    if learned is not None and learned.either.any():
        text = (f"the detector has learned the boxes of {int(learned.either.sum())} of these pictures: fewer faults "
                "are found there than there are")  # fmt: skip
        problems.append(Problem("trained-on-these-labels", model, text))
    return Audit(
        data=data.name, task=data.kind.name, modality=data.modality, backbone=_detector(predictor), items=len(data),
        judged=len(data), classes=classes, how="by the detector of MODEL", findings=findings,
        counts={kind: n for kind in BOX_KINDS if (n := sum(f.kind == kind for f in findings))}, problems=problems,
        model=model, learned=None if learned is None else learned.counts(), threshold=threshold,
    ), data, found  # fmt: skip


def doubts(truth: Boxes, found: Found, classes: tuple[str, ...], threshold: float) -> Iterator[dict[str, Any]]:
    """The fields of a `BoxFinding` for each box of one picture that is to be looked at. ``found`` holds unsure boxes
    too; those from ``threshold`` on are confident.
    """
    sure = found.above(threshold)
    judged = judge(truth, sure)
    right = set(judged.at[judged.kind == RIGHT].tolist())
    told: set[int] = set()
    for k, (kind, at) in enumerate(zip(judged.kind.tolist(), judged.at.tolist(), strict=True)):
        box, score, name = sure.xyxy[k], float(sure.scores[k]), classes[sure.labels[k]]
        if kind == BACKGROUND:
            yield {"kind": MISSING, "label": "", "suggested": name, "box": _places(box), "score": score}
        elif kind in (CLASS, PLACE) and at not in right | told:
            told.add(at)
            yield {"kind": OTHER_CLASS if kind == CLASS else BAD_PLACE, "label": classes[truth.labels[at]],
                   "suggested": name, "box": _places(truth.xyxy[at]), "found": _places(box), "score": score,
                   "overlap": float(iou(box[None], truth.xyxy[at][None])[0, 0])}  # fmt: skip
    near = iou(truth.xyxy, found.xyxy).max(1, initial=0.0) >= TOUCH
    for at in np.flatnonzero(~near & ~truth.crowd).tolist():
        yield {"kind": DOUBTFUL, "label": classes[truth.labels[at]], "suggested": "", "box": _places(truth.xyxy[at])}


def _detector(predictor: BoxPredictor) -> str:
    record = predictor.manifest["record"]
    return str(record.get("detector") or record.get("name") or "a detector")


def _places(box: Any) -> list[float]:
    return [round(float(v), 1) for v in box]
