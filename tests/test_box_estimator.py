"""`Detector` in scikit-learn's conventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import regraft
from regraft.core.errors import DataError, DataWarning, InputError

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


@pytest.mark.parametrize(
    ("box", "says"),
    [([60, 60, 20, 20], "no area"), ([500, 500, 600, 600], "outside"), ([5, 5, 5, 20], "no area"),
     ([40, 40, 90, 60], "clipped")],
)  # fmt: skip
def test_boxes_that_cannot_be_are_told(box: list[float], says: str) -> None:
    x, y = squares(6)
    y[4] = {"boxes": [box], "labels": ["dark"]}
    with pytest.warns(DataWarning, match=rf"y\[4\]: a box of dark at .*{says}"):
        one = regraft.Detector(**OPTIONS | {"epochs": 1}).fit(x, y)
    assert [p.item for p in one.problems_] == ["y[4]"] and one.classes_.tolist() == ["bright", "dark"]
    y[0]["labels"] = ["blue"]
    with pytest.warns(DataWarning, match=r"y\[0\]: has boxes of blue"):
        figures = one.evaluate(x, y)
    assert figures["per_class"]["dark"]["boxes"] == 2 - (says != "clipped")
    with pytest.warns(DataWarning) as caught:
        one.score(x, y)
    assert caught[0].filename == __file__


def test_nothing_is_said_of_good_boxes(recwarn: pytest.WarningsRecorder) -> None:
    x, y = squares(4)
    assert regraft.Detector(**OPTIONS | {"epochs": 1}).fit(x, y).problems_ == []
    assert not [w for w in recwarn if issubclass(w.category, DataWarning)]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"boxes": [[1, 2, None, 4]], "labels": ["a"]}, r"y\[0\] has boxes or labels that make no array|finite"),
     ({"boxes": [[1, 2, 3, 4], [1, 2]], "labels": ["a", "b"]}, r"y\[0\] has boxes or labels that make no array"),
     ({"boxes": [[1, 2], [3, 4]], "labels": ["a"]}, r"y\[0\] has boxes of the shape \(2, 2\)"),
     ({"boxes": [[1, 2, 30, 40]], "labels": [None]}, r"y\[0\] has a label that is empty"),
     ({"boxes": [[1, 2, 30, 40]], "labels": ["a"], "size": 7}, r"y\[0\] has the size 7"),
     (None, r"y\[0\] must be a dict")],
)  # fmt: skip
def test_entries_that_cannot_be_are_named(change: Any, message: str) -> None:
    x, y = squares(4)
    with pytest.raises(DataError, match=message):
        regraft.Detector(**OPTIONS).fit(x, [change, *y[1:]])


@pytest.mark.parametrize("y", [None, 7, "boxes", {"boxes": [], "labels": []}])
def test_y_that_is_no_list(y: Any) -> None:
    with pytest.raises(DataError, match="each picture takes one dict"):
        regraft.Detector(**OPTIONS).fit(squares(1)[0], y)


def test_only_boxes_that_cannot_be() -> None:
    x, _ = squares(2)
    with pytest.raises(DataError, match=r"no box to learn from: y\[0\]: a box of a at \(60, 60, 20, 20\) has no area"):
        regraft.Detector(**OPTIONS).fit(x, [{"boxes": [[60, 60, 20, 20]], "labels": ["a"]}] * 2)


def test_boxes_drawn_on_a_picture_as_it_is_stored(tmp_path: Path) -> None:
    """A picture that EXIF turns: boxes whose ``size`` is that of the file are turned with it, as by the command."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(4):
        Image.fromarray(np.full((48, 64, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.jpg", exif=exif)
    paths = [str(tmp_path / f"{i}.jpg") for i in range(4)]
    y = [{"boxes": [[40, 10, 60, 30]], "labels": ["a"], "size": (64, 48)}] * 4
    one = regraft.Detector(**OPTIONS | {"epochs": 1}).fit(paths, y)
    assert one.problems_ == []
    with pytest.warns(DataWarning, match="reaches 12 pixels beyond"):
        regraft.Detector(**OPTIONS | {"epochs": 1}).fit(paths, [{k: v for k, v in e.items() if k != "size"} for e in y])
