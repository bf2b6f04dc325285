"""COCO's figures against the recorded ones of pycocotools, and the rest by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft.core.boxes import Boxes, Found, iou
from regraft.metrics.detection import (
    IGNORED,
    MISSED,
    best_threshold,
    confusion,
    evaluate,
    map50,
    map_gain,
    matched,
    mean_ap,
    precision_curves,
    weighted_precisions,
)
from regraft.metrics.detection_errors import errors, judge, picture_quality


def xyxy(boxes: list[list[float]]) -> np.ndarray:
    a = np.array(boxes, float).reshape(-1, 4)
    return np.concatenate([a[:, :2], a[:, :2] + a[:, 2:]], 1)


def sets(truth: dict[str, Any], answers: list[dict[str, Any]]) -> tuple[list[Boxes], list[Found]]:
    there, said = [], []
    for image in truth["images"]:
        mine = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
        there.append(Boxes(xyxy([a["bbox"] for a in mine]), [a["category_id"] - 1 for a in mine],
                           [a["iscrowd"] for a in mine]))  # fmt: skip
        mine = [a for a in answers if a["image_id"] == image["id"]]
        boxes = xyxy([a["bbox"] for a in mine])
        said.append(Found(boxes, [a["score"] for a in mine], [a["category_id"] - 1 for a in mine]))
    return there, said


@pytest.fixture
def reference(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "reference" / "detection.json").read_text())


NAMES = {"mAP": "map", "mAP50": "map50", "mAP75": "map75", "mAP_small": "map_small", "mAP_medium": "map_medium",
         "mAP_large": "map_large", "AR_1": "ar_1", "AR_10": "ar_10", "AR_100": "ar_100", "AR_small": "ar_small",
         "AR_medium": "ar_medium", "AR_large": "ar_large"}  # fmt: skip


def agrees(figures: dict[str, Any], curves: dict[str, Any], expected: dict[str, Any]) -> None:
    for theirs, ours in NAMES.items():
        assert figures[ours] == pytest.approx(expected[theirs], abs=1e-6)
    for number, one in expected["per_class"].items():
        name = "abcd"[int(number) - 1]
        mine = figures["per_class"][name]
        for theirs, ours in (("AP", "map"), ("AP50", "map50"), ("AP75", "map75"), ("AR_100", "ar_100")):
            assert (-1 if mine[ours] is None else mine[ours]) == pytest.approx(one[theirs], abs=1e-6)
        curve = one["precision_at_101_recalls_iou50"]
        assert (curves[name] or [-1.0] * 101) == pytest.approx(curve, abs=1e-6)


def test_the_recorded_figures(reference, capsys) -> None:
    truth, found = sets(reference["ground_truth"], reference["detections"])
    agrees(evaluate(truth, found, "abc"), precision_curves(truth, found, "abc"), reference["expected"])
    assert map50(truth, found, "abc") == pytest.approx(reference["expected"]["mAP50"], abs=1e-6)
    assert capsys.readouterr().out == ""


def test_a_draw_of_pictures_has_the_figure_of_those_pictures(reference) -> None:
    """Weights in place of copies give what pycocotools gives for the copies, but for the points between two copies."""
    truth, found = sets(reference["ground_truth"], reference["detections"])
    n = len(truth)
    draws = np.array([np.arange(n), *np.random.default_rng(0).integers(0, n, (4, n)), np.full(n, n - 1)])
    copied = [mean_ap([truth[i] for i in row], [found[i] for i in row], "abc") for row in draws]
    times = np.stack([np.bincount(row, minlength=n) for row in draws])
    ours = np.nanmean(weighted_precisions(truth, found, 3, times), 1)
    assert ours == pytest.approx(copied, abs=5e-4) and ours[0] == pytest.approx(copied[0], abs=1e-6)
    low, high = evaluate(truth, found, "abc")["map_ci95"]
    assert low < reference["expected"]["mAP"] < high


def test_gain_over_a_worse_detector(reference) -> None:
    truth, found = sets(reference["ground_truth"], reference["detections"])
    worse = [Found(f.xyxy + 4, f.scores, f.labels) for f in found]
    gain = map_gain(truth, found, worse, "abc")
    assert gain["value"] == pytest.approx(mean_ap(truth, found, "abc") - mean_ap(truth, worse, "abc"))
    assert 0 < gain["ci95"][0] < gain["value"] < gain["ci95"][1]
    assert map_gain(truth, found, found, "abc") == {"value": 0.0, "ci95": [0.0, 0.0]}
    empty = [Boxes.none()] * 2
    assert map_gain(empty, [Found.none()] * 2, [Found.none()] * 2, "abc")["value"] == 0
    assert evaluate(empty, [Found.none()] * 2, "abc")["map_ci95"] is None


def test_a_class_without_answers_and_one_without_truth(reference) -> None:
    kept = [d for d in reference["detections"] if d["category_id"] != 3]
    kept.append({"image_id": 1, "category_id": 4, "bbox": [1, 1, 20, 20], "score": 0.9})
    truth, found = sets(reference["ground_truth"], kept)
    expected = reference["variant_class3_no_detections_class4_no_gt"]["expected"]
    figures = evaluate(truth, found, "abcd")
    agrees(figures, precision_curves(truth, found, "abcd"), expected)
    assert figures["per_class"]["c"]["map"] == 0 and figures["per_class"]["d"]["map"] is None


# one picture each: true boxes (x, y, w, h, crowd), found (x, y, w, h, score); pycocotools says
TINY = [
    ([(10, 10, 40, 40, 0)], [(10, 10, 40, 40, 0.5), (10, 10, 40, 40, 0.9)], 1.0, 1.0),
    ([(10, 10, 40, 40, 0), (60, 60, 20, 20, 0)], [(12, 10, 40, 40, 0.9), (0, 0, 5, 5, 0.95)],
     0.22722772277227724, 0.2524752475247525),
    ([(10, 10, 40, 40, 0), (50, 50, 40, 40, 1)], [(10, 10, 40, 40, 0.4), (52, 52, 10, 10, 0.9), (60, 60, 10, 10, 0.8)],
     1.0, 1.0),
    ([(10, 10, 40, 40, 0)], [(0, 0, 2, 2, 0.3)], 0.0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("there", "said", "whole", "half"), TINY)
def test_tiny_cases(there, said, whole, half) -> None:
    truth = Boxes(xyxy([b[:4] for b in there]), [0] * len(there), [b[4] for b in there])
    found = Found(xyxy([b[:4] for b in said]), [b[4] for b in said], [0] * len(said))
    figures = evaluate([truth], [found], ["a"])
    assert figures["map"] == pytest.approx(whole, abs=1e-6) and figures["map50"] == pytest.approx(half, abs=1e-6)


def test_nothing_there_and_nothing_said() -> None:
    figures = evaluate([Boxes.none()] * 2, [Found.none()] * 2, ["a", "b"])
    assert figures["map"] is None and figures["per_class"]["b"] == {
        "map": None, "map50": None, "map75": None, "ar_100": None, "boxes": 0
    }  # fmt: skip
    assert evaluate([], [], ["a"])["map50"] is None
    with pytest.raises(ValueError, match="1 pictures have true boxes and 0"):
        evaluate([Boxes.none()], [], ["a"])


TRUTH = Boxes([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 90, 30], [0, 50, 10, 60]],
              [0, 1, 0, 1, 0], [False, False, False, True, False])  # fmt: skip
FOUND = Found(
    [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [45, 0, 55, 10], [62, 2, 70, 9], [70, 70, 80, 80],
     [0, 55, 10, 65]],
    [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6],
    [0, 0, 0, 0, 1, 1, 1],
)  # fmt: skip


def test_matching_by_hand() -> None:
    assert matched(TRUTH, FOUND).tolist() == [0, MISSED, MISSED, MISSED, IGNORED, MISSED, MISSED]
    assert matched(Boxes.none(), FOUND).tolist() == [MISSED] * 7
    assert len(matched(TRUTH, Found.none())) == 0


def test_confusion_with_background() -> None:
    counts = confusion([TRUTH], [FOUND], 2, 0.65)
    # truth a: one found, two missed; truth b: one found as a; the background: two found as a, one as b
    assert counts.tolist() == [[1, 0, 2], [1, 0, 0], [2, 1, 0]]
    assert confusion([TRUTH], [FOUND], 2, 0.99).tolist() == [[0, 0, 3], [0, 0, 1], [0, 0, 0]]
    assert confusion([Boxes.none()], [FOUND], 2, 0.0).tolist() == [[0, 0, 0], [0, 0, 0], [4, 3, 0]]


def test_errors_by_kind() -> None:
    found = errors([TRUTH], [FOUND], ["a", "b"], 0.0)
    counts = {kind: one["count"] for kind, one in found.items()}
    assert counts == {"class": 1, "place": 1, "class and place": 1, "duplicate": 1, "background": 1, "missed": 1}
    judged = judge(TRUTH, FOUND)
    assert judged.at.tolist() == [0, 0, 1, 2, -1, -1, 4] and judged.missed.tolist() == [False] * 4 + [True]
    # the class put right finds the only b that counts: from 0 to 1 in that class of two
    assert found["class"]["cost"] == pytest.approx(0.5) and all(one["cost"] >= 0 for one in found.values())
    few = errors([TRUTH], [FOUND], ["a", "b"], 0.92)
    assert {k: v["count"] for k, v in few.items() if v["count"]} == {"missed": 3}


def test_best_threshold_is_that_of_the_best_f1() -> None:
    truth = [Boxes([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 0]), Boxes([[0, 0, 10, 10]], [0])]
    found = [Found([[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]], [0.9, 0.6, 0.2], [0, 0, 0]),
             Found([[40, 0, 50, 10]], [0.7], [0])]  # fmt: skip
    best = best_threshold(truth, found)
    assert best == pytest.approx({"threshold": 0.4, "f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3})
    by_hand = [2 * sum((matched(t, f.above(s)) >= 0).sum() for t, f in zip(truth, found, strict=True))
               / (3 + sum(len(f.above(s)) for f in found)) for s in (0.9, 0.7, 0.6, 0.2)]  # fmt: skip
    assert best["f1"] == pytest.approx(max(by_hand))
    assert best_threshold(truth, [Found.none()] * 2)["f1"] == 0 and best_threshold([], [])["threshold"] == 0.5


def test_boxes_of_one_score_stand_or_fall_together() -> None:
    truth = [Boxes([[0, 0, 10, 10]], [0])]
    found = [Found([[0, 0, 10, 10], [30, 0, 40, 10], [50, 0, 60, 10]], [0.5, 0.5, 0.5], [0, 0, 0])]
    assert best_threshold(truth, found) == pytest.approx(
        {"threshold": 0.25, "f1": 0.5, "precision": 1 / 3, "recall": 1.0}
    )


def test_quality_of_a_picture() -> None:
    assert picture_quality(Boxes.none(), Found.none(), 0.5) == 1
    assert picture_quality(Boxes.none(), FOUND, 0.5) == 0
    assert picture_quality(TRUTH, FOUND, 0.92) == pytest.approx(2 / 5)


def test_many_boxes_in_a_picture() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 1000, (2_000, 2))
    truth = Boxes(np.concatenate([corner, corner + 10], 1), rng.integers(0, 3, 2_000))
    found = Found(truth.xyxy[:300], rng.random(300), truth.labels[:300])
    assert evaluate([truth], [found], "abc")["map50"] < 0.2
    assert (matched(truth, found) >= 0).all()


def voc_ap(truth: list[Boxes], found: list[Found], least: float = 0.5) -> float:
    """The average precision of one class as the development kit of VOC 2010 counts it (VOCevaldet), by hand."""
    rows = [(s, i, b) for i, f in enumerate(found) for s, b in zip(f.scores, f.xyxy, strict=True)]
    taken, hits = set(), []
    for _, i, box in sorted(rows, key=lambda r: -r[0]):
        overlap = iou(box[None], truth[i].xyxy)[0] if len(truth[i]) else np.zeros(0)
        j = int(overlap.argmax()) if len(overlap) else -1
        if j < 0 or overlap[j] < least:
            hits.append(0)
        elif not truth[i].difficult[j]:
            hits.append(int((i, j) not in taken))
            taken.add((i, j))
    right = np.cumsum(hits)
    recall = right / sum(int((~t.difficult).sum()) for t in truth)
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * precision).sum())


def test_a_difficult_object_is_no_crowd() -> None:
    """As the issue that found it: a false box inside a large difficult one, more certain than the right one."""
    truth = [Boxes([[0, 0, 50, 50], [100, 100, 300, 300]], [0, 0], difficult=[False, True])]
    found = [Found([[120, 120, 160, 160], [0, 0, 50, 50]], [0.9, 0.8], [0, 0])]
    assert truth[0].crowd.tolist() == [False, True]
    assert matched(truth[0], found[0]).tolist() == [MISSED, 0]
    assert map50(truth, found, "a") == pytest.approx(0.5) == pytest.approx(voc_ap(truth, found))
    crowd = [Boxes([[0, 0, 50, 50], [100, 100, 300, 300]], [0, 0], [False, True])]
    assert map50(crowd, found, "a") == pytest.approx(1.0) and matched(crowd[0], found[0]).tolist() == [IGNORED, 0]


def test_difficult_objects_as_vocs_own_code_counts_them() -> None:
    rng = np.random.default_rng(0)
    truth, found = [], []
    for _ in range(40):
        corner = np.array([[x, y] for x in (0, 200, 400) for y in (0, 200)]) + rng.uniform(0, 20, (6, 2))
        boxes = np.hstack([corner, corner + rng.uniform(40, 140, (6, 2))])
        truth.append(Boxes(boxes, np.zeros(6), difficult=rng.random(6) < 0.4))
        near = np.repeat(boxes, 2, 0) + rng.normal(0, 12, (12, 4))  # also twice on one, and too far off
        inside = np.hstack([boxes[:, :2] + 2, boxes[:, :2] + 20])
        some = np.vstack([near, inside])[rng.random(18) < 0.7]
        found.append(Found(some, rng.random(len(some)), np.zeros(len(some))))
    ours = precision_curves(truth, found, "a")["a"]
    assert np.mean(ours) == pytest.approx(voc_ap(truth, found), abs=0.01), "101 recalls against all"
    plain = [Boxes(t.xyxy, t.labels, t.crowd) for t in truth]
    assert abs(np.mean(precision_curves(plain, found, "a")["a"]) - voc_ap(truth, found)) > 0.03
    hits = [matched(t, f) for t, f in zip(truth, found, strict=True)]
    on = [np.where(iou(f.xyxy, t.xyxy).max(1) >= 0.5, iou(f.xyxy, t.xyxy).argmax(1), -1)
          for t, f in zip(truth, found, strict=True)]  # fmt: skip
    for t, hit, at in zip(truth, hits, on, strict=True):
        assert ((hit == IGNORED) == ((at >= 0) & t.difficult[at])).all()
