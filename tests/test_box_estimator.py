"""`Detector` in scikit-learn's conventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import regraft
from regraft.errors import DataError, InputError

OPTIONS: dict[str, Any] = {"method": "scratch", "size": 64, "epochs": 2, "batch": 4}


def squares(n: int = 12) -> tuple[np.ndarray, list[dict[str, Any]]]:
    rng, y = np.random.default_rng(0), []
    x = rng.integers(100, 140, (n, 64, 64, 3)).astype(np.uint8)
    for i in range(n):
        left, top, side = (int(v) for v in (*rng.integers(2, 30, 2), rng.integers(16, 30)))
        x[i, top : top + side, left : left + side] = 240 if i % 2 else 10
        y.append({"boxes": [[left, top, left + side, top + side]], "labels": ["bright" if i % 2 else "dark"]})
    y[-1] = {"boxes": [], "labels": []}
    return x, y


def test_fit_predict_save(tmp_path: Path) -> None:
    x, y = squares()
    one = regraft.Detector(**OPTIONS, threshold=0.0).fit(x, y)
    assert one.classes_.tolist() == ["bright", "dark"] and one.threshold_ == 0.0
    found = one.predict(x[:3])
    assert len(found) == 3 and set(found[0]["labels"]) <= {"bright", "dark"}
    assert found[0]["boxes"].shape == (len(found[0]["scores"]), 4) and (np.diff(found[0]["scores"]) <= 0).all()
    assert 0 <= one.score(x, y) <= 1 and one.evaluate(x, y)["per_class"]["bright"]["boxes"] == 5
    again = regraft.load(one.save(tmp_path / "model")).predict(x[:3])
    for a, b in zip(found, again, strict=True):
        assert np.array_equal(a["boxes"], b.xyxy) and np.array_equal(a["scores"], b.scores)


def test_seeds_decide() -> None:
    x, y = squares()
    nets = [regraft.Detector(**OPTIONS, seed=s).fit(x, y).network_.state_dict() for s in (0, 0, 1)]
    bits = [b"".join(v.numpy().tobytes() for v in net.values()) for net in nets]
    assert bits[0] == bits[1] != bits[2]


def test_conventions() -> None:
    one = regraft.Detector(**OPTIONS)
    assert clone(one).get_params() == one.get_params()
    with pytest.raises(NotFittedError):
        one.predict(squares(1)[0])


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [({}, {"boxes": [[1, 2, 3]], "labels": ["a"]}, r"y\[0\] has boxes"), ({}, {"boxes": []}, r"y\[0\] must be a dict"),
     ({}, {"boxes": [[1, 2, float("nan"), 4]], "labels": ["a"]}, "finite"),
     ({"method": "lora"}, None, "not for detectors"), ({"mix": "cutmix"}, None, "--mix cutmix")],
)  # fmt: skip
def test_what_cannot_be_meant(options: dict[str, Any], change: dict[str, Any] | None, message: str) -> None:
    x, y = squares(4)
    y[0] = y[0] if change is None else change
    with pytest.raises((DataError, InputError), match=message):
        regraft.Detector(**OPTIONS | options).fit(x, y)


def test_nothing_to_learn_from() -> None:
    x, _ = squares(2)
    with pytest.raises(DataError, match="no box"):
        regraft.Detector(**OPTIONS).fit(x, [{"boxes": [], "labels": []}] * 2)
    with pytest.raises(DataError, match="2 pictures and y 1"):
        regraft.Detector(**OPTIONS).fit(x, [{"boxes": [], "labels": []}])
