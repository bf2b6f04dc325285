"""Confident learning against recorded numbers of cleanlab 2.9.0, and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft.core.boxes import Boxes, Found
from regraft.metrics.label_errors import (
    confident_classes,
    label_errors,
    label_errors_of_several,
    normalised_margin,
    robust_z,
)
from regraft.pipelines.audit.boxes import doubts
from regraft.pipelines.audit.verdicts import verdicts
from regraft.tasks import TASKS


def confident_joint(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(K, K) how many items of a given class (row) are confidently of each."""
    likely, found = confident_classes(labels, p), np.zeros((p.shape[1],) * 2, int)
    np.add.at(found, (labels[likely >= 0], likely[likely >= 0]), 1)
    return found


@pytest.fixture
def recorded(shared: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    record = json.loads((shared / "reference/labels.json").read_text())
    return np.array(record["labels_given"]), np.array(record["pred_probs"]), record


def test_the_joint_is_the_recorded_one(recorded: tuple[np.ndarray, np.ndarray, dict[str, Any]]) -> None:
    y, p, record = recorded
    assert confident_joint(y, p).tolist() == record["confident_joint_uncalibrated"]
    off = confident_classes(y, p)
    assert np.flatnonzero((off >= 0) & (off != y)).tolist() == record["off_diagonal_indices_formula"]


def test_errors_and_their_order_are_the_recorded_ones(recorded: tuple[np.ndarray, np.ndarray, dict[str, Any]]) -> None:
    y, p, record = recorded
    found, wanted = label_errors(y, p), record["filter_by"]["low_self_confidence"]
    wrong = np.flatnonzero(found.wrong)
    assert wrong.tolist() == wanted["issue_indices"]
    for quality, key in ((normalised_margin(y, p), "normalized_margin"), (found.self_confidence, "self_confidence")):
        assert quality == pytest.approx(np.array(record[f"quality_{key}"]), rel=1e-8)
        assert wrong[np.argsort(quality[wrong], kind="stable")].tolist() == wanted[f"ranked_by_{key}"]


def sure(labels: np.ndarray, k: int, high: float = 0.9) -> np.ndarray:
    p = np.full((len(labels), k), (1 - high) / (k - 1))
    p[np.arange(len(labels)), labels] = high
    return p


def test_by_hand() -> None:
    y = np.repeat([0, 1], 10)
    p = sure(y, 2)
    p[3] = 0.05, 0.95  # given 0, surely 1
    p[4] = 0.45, 0.55  # given 0, rather 1, and not sure of it
    thresholds = p[:10, 0].mean(), p[10:, 1].mean()
    assert thresholds == pytest.approx((0.77, 0.9))
    assert confident_joint(y, p).tolist() == [[8, 1], [0, 10]]
    assert np.flatnonzero(label_errors(y, p).wrong).tolist() == [3]
    assert normalised_margin(y, p)[[0, 3]] == pytest.approx([0.9, 0.05])


def test_classes_of_few_and_of_none() -> None:
    y = np.array([0] * 20 + [2] * 5)
    p = sure(y, 3)
    p[22] = 0.98, 0.01, 0.01
    assert confident_joint(y, p).tolist() == [[20, 0, 0], [0, 0, 0], [1, 0, 4]]
    assert not label_errors(y, p).wrong.any()  # of five items nothing is known
    assert not label_errors(y, np.full((25, 3), 1 / 3)).wrong.any()


def test_equal_classes_give_equal_errors_in_any_order() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 300)
    y = np.where(rng.random(300) < 0.1, rng.integers(0, 4, 300), true)
    p = rng.dirichlet(np.ones(4), 300) * 0.3 + sure(true, 4) * 0.7
    order, names = rng.permutation(300), rng.permutation(4)
    q = np.empty_like(p)
    q[:, names] = p
    wrong = label_errors(y, p).wrong
    assert np.array_equal(label_errors(names[y][order], q[order]).wrong, wrong[order])
    assert wrong[y != true].mean() > 0.6 and not wrong[y == true].any()


def test_several_classes_are_judged_one_by_one() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, (60, 3))
    p = np.where(y == 1, 0.9, 0.1)
    given = y.copy()
    given[5, 2] ^= 1
    given[9, 0] ^= 1
    marks, sure_of = label_errors_of_several(given, p)
    assert np.argwhere(marks).tolist() == [[5, 2], [9, 0]]
    assert sure_of[5, 2] == pytest.approx(0.1)
    told = verdicts(TASKS["multilabel"], given, p, ("a", "b", "c"))
    assert np.flatnonzero(told.wrong).tolist() == [5, 9]
    assert told.suggested[5] == ("|".join(np.array(["a", "b", "c"])[y[5] == 1]) or "none")
    assert told.figures["probability"][5] == pytest.approx(0.9)


def test_robust_z() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    assert robust_z(x) == pytest.approx((x - 3) / 1.4826)
    assert robust_z(np.zeros(4)).tolist() == [0, 0, 0, 0]
    mostly = np.array([0.0] * 9 + [10.0])  # more than half are equal
    assert robust_z(mostly)[-1] == pytest.approx(10 / (1.0 * np.sqrt(np.pi / 2)))


def found(*boxes: tuple[list[float], float, int]) -> Found:
    return Found(
        np.array([b for b, _, _ in boxes]), np.array([s for _, s, _ in boxes]), np.array([k for *_, k in boxes])
    )


def test_what_of_boxes_is_doubted() -> None:
    truth = Boxes(np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10], [80, 0, 90, 10.0]]),
                  np.array([0, 0, 0, 0, 1]), difficult=np.array([False] * 5))  # fmt: skip
    said = found(
        ([0, 0, 10, 10], 0.9, 0),  # right
        ([20, 0, 30, 9], 0.8, 1),  # of another class
        ([45, 0, 55, 10], 0.7, 0),  # a third of the box
        ([0, 50, 10, 60], 0.6, 1),  # where nothing is
        ([60, 0, 70, 10], 0.2, 0),  # unsure, and near: the box is not doubtful
        ([3, 0, 13, 10], 0.5, 0),  # once more the first, which is found already
    )
    told = {(d["kind"], d["label"], d["suggested"]): d for d in doubts(truth, said, ("a", "b"), 0.4)}
    assert set(told) == {
        ("other-class", "a", "b"),
        ("badly-placed", "a", "a"),
        ("missing", "", "b"),
        ("doubtful", "b", ""),
    }
    assert told["badly-placed", "a", "a"]["overlap"] == pytest.approx(1 / 3)
    assert told["badly-placed", "a", "a"]["box"] == [40, 0, 50, 10]
    assert told["badly-placed", "a", "a"]["found"] == [45, 0, 55, 10]
    assert told["missing", "", "b"]["score"] == 0.6
    assert told["doubtful", "b", ""]["box"] == [80, 0, 90, 10]
    crowd = Boxes(truth.xyxy, truth.labels, crowd=np.array([True] * 5))
    assert {d["kind"] for d in doubts(crowd, Found.none(), ("a", "b"), 0.4)} == set()
    assert len(list(doubts(truth, Found.none(), ("a", "b"), 0.4))) == 5
