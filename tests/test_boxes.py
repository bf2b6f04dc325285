"""Boxes by their geometry."""

import numpy as np
import pytest

from regraft.core.boxes import Boxes, Found, clip, iou


def test_iou_by_hand() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 5]], float)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 0, 5]], float)
    assert iou(a, b) == pytest.approx(np.array([[1, 1 / 3, 0, 0], [0, 0, 0, 0]]))
    assert iou(np.zeros((0, 4)), b).shape == (0, 4)


def test_found_is_best_first_and_boxes_take() -> None:
    found = Found(np.arange(12).reshape(3, 4), [0.1, 0.9, 0.5], [0, 1, 2])
    assert found.labels.tolist() == [1, 2, 0] and found.xyxy[0].tolist() == [4, 5, 6, 7]
    assert found.above(0.5).labels.tolist() == [1, 2]
    boxes = Boxes([[0, 0, 1, 2], [1, 1, 4, 3]], [3, 4], [True, False])
    assert boxes.areas.tolist() == [2, 6]
    assert boxes.take(np.array([1, 0])).crowd.tolist() == [False, True]
    assert len(Boxes.none()) == len(Found.none()) == 0


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 boxes, 1 labels"):
        Boxes([[0, 0, 1, 1]] * 2, [0])
    with pytest.raises(ValueError, match="1 boxes, 2 scores"):
        Found([[0, 0, 1, 1]], [0.5, 0.6], [0])


def test_clip() -> None:
    assert clip(np.array([[-5.0, 2, 30, 40]]), 20, 10).tolist() == [[0, 2, 20, 10]]
