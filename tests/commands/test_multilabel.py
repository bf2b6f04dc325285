"""Several classes a picture, leaving items to a person, and weights for rare classes."""

import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import InputError, UnknownName
from regraft.metrics import classes as metrics
from regraft.pipelines.result import FitResult


def two_marks(folder: Path, n: int, seed: int = 0) -> Path:
    """Pictures with a red mark, a blue mark, both or none, and a table that says which."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    records = []
    for i in range(n):
        picture = rng.integers(0, 50, (40, 40, 3)).astype(np.uint8)
        labels = []
        for name, channel, share in (("blue", 2, 0.3), ("red", 0, 0.6)):
            if rng.random() < share:
                y, x = rng.integers(0, 28, 2)
                picture[y : y + 12, x : x + 12, channel] = 230
                labels.append(name)
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
        records.append({"image": f"{i:03d}.png", "marks": labels})
    (folder / "t.jsonl").write_text("\n".join(json.dumps(r) for r in records))
    return folder / "t.jsonl"


@pytest.fixture(scope="module")
def marks(tmp_path_factory) -> tuple[Path, FitResult]:
    table = two_marks(tmp_path_factory.mktemp("d") / "p", 160)
    return table, regraft.fit(str(table), out=str(table.parent / "r"), controls="majority,raw")


def test_multilabel_beats_the_prevalence(marks) -> None:
    _, result = marks
    assert result.task == "multilabel" and result.classes == ("blue", "red")
    val, base = result.metrics["val"], result.metrics["controls"]["majority"]
    assert val["map"] > 0.9 and val["micro_f1"] > 0.8
    assert base["map"] < 0.65, "a constant answer reaches the prevalence"
    assert result.gain["metric"] == "map" and result.gain["value"] == pytest.approx(
        val["map"] - max(m["map"] for m in result.metrics["controls"].values())
    )
    assert len(result.decision["thresholds"]) == 2


def test_multilabel_predicts_and_evaluates(marks) -> None:
    table, result = marks
    found = regraft.evaluate(result.run, str(table))
    assert found.metrics["map"] > 0.9
    row = regraft.predict(result.run, [str(table.parent / "000.png")]).predictions[0]
    thresholds = dict(zip(result.classes, result.decision["thresholds"], strict=True))
    assert row["labels"] == [c for c, p in row["probabilities"].items() if p >= thresholds[c]]
    assert row["label"] == "|".join(row["labels"])
    page = (Path(result.run) / "report.html").read_text()
    assert "Class by class" in page and "Confusion matrix" not in page


def test_thresholds_by_hand() -> None:
    y = np.array([[1, 0], [1, 0], [0, 0], [1, 0]])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.4]])
    # class 0: taking two gives F1 0.8, three 0.667, four 0.857: all; class 1 is never there
    assert metrics.best_thresholds(y, p).tolist() == [0.1, 0.5]
    assert metrics.best_thresholds(y[:3], p[:3]).tolist() == [0.75, 0.5]


def test_multilabel_figures_by_hand() -> None:
    y = np.array([[1, 0], [0, 0], [1, 0]])
    p = np.array([[0.9, 0.2], [0.8, 0.1], [0.7, 0.9]])
    found = metrics.multilabel(y, p, np.array([0.75, 0.5]))
    assert found["per_class"] == [pytest.approx((1 + 2 / 3) / 2), None] and found["map"] == pytest.approx(5 / 6)
    assert found["micro_f1"] == pytest.approx(2 * 1 / (2 * 1 + 3))
    constant = metrics.multilabel(y, np.full((3, 2), 0.4), np.array([0.5, 0.5]))
    assert constant["map"] == pytest.approx(2 / 3), "the prevalence"


def test_paired_map_gain() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((200, 3)) < 0.3).astype(int)
    good, bad = y + rng.normal(0, 0.5, y.shape), rng.random(y.shape)
    gain = metrics.paired_map_gain(y, good, bad, draws=50)
    assert 0 < gain["ci95"][0] < gain["value"] < gain["ci95"][1]


def test_abstention_by_hand() -> None:
    """What is shown is the lower end of the one-sided exact interval, here by scipy's own."""
    from scipy.stats import binomtest

    confidence = np.linspace(0.99, 0.5, 40)
    correct = np.array([1] * 36 + [0] * 4, float)
    found = metrics.abstention_threshold(confidence, correct, 0.9)
    # 29 right answers show 0.9 (0.95 = 0.9^29 or less); the next threshold, a quarter on, is 37: 36 right show 0.878
    assert metrics.answers_needed(0.9) == 29 and 0.9**29 <= 0.05 < 0.9**28
    shown = binomtest(29, 29, alternative="greater").proportion_ci(0.95).low
    assert found == {"wanted": 0.9, "threshold": confidence[28], "left": pytest.approx(11 / 40), "accuracy": 1.0,
                     "items": 29, "at_least": pytest.approx(shown), "sure": 0.95}  # fmt: skip
    assert binomtest(36, 37, alternative="greater").proportion_ci(0.95).low == pytest.approx(
        metrics.accuracy_at_least(36, 37)
    )
    assert metrics.abstention_threshold(confidence[:28], correct[:28], 0.9) is None, "28 are too few to show it"
    assert metrics.abstention_threshold(confidence, 1 - correct, 0.9) is None
    tied = metrics.abstention_threshold(np.full(40, 0.7), correct, 0.9)
    assert tied is None, "equal confidences cannot be parted"
    alike = np.arange(40) // 2
    assert metrics.abstention_threshold(confidence, np.ones(40), 0.9, alike) is None, "20 groups count as 20 answers"


@pytest.mark.parametrize(("n", "wanted"), [(100, 0.9), (300, 0.95), (1000, 0.95)])
def test_a_promised_accuracy_is_kept_in_nineteen_of_twenty(n: int, wanted: float) -> None:
    """A model that is right just as often as it says; without a bound the promise is broken in most draws."""
    rng = np.random.default_rng(0)
    confidence = rng.beta(3, 1, 200_000) * 0.7 + 0.3
    correct = rng.random(200_000) < confidence
    order = np.argsort(-confidence)
    true, broken, chosen = np.cumsum(correct[order]) / np.arange(1, 200_001), 0, 0
    for _ in range(300):
        drawn = rng.integers(0, 200_000, n)
        found = metrics.abstention_threshold(confidence[drawn], correct[drawn].astype(float), wanted)
        if found:
            chosen += 1
            broken += true[np.searchsorted(-confidence[order], -found["threshold"], "right") - 1] < wanted
    assert broken / 300 <= 0.05
    assert chosen > n // 10, "and it is not kept by promising nothing"


def test_a_wanted_accuracy_is_kept_on_the_judged_items(tmp_path: Path) -> None:
    result = regraft.fit("embedded:digits", out=str(tmp_path / "r"), backbone="raw", accuracy=0.99, controls="none")
    kept = result.metrics["abstaining"]
    assert kept["left"] > 0 and kept["accuracy"] > result.metrics["val"]["accuracy"]
    assert kept["accuracy_ci95"][0] <= 0.99 <= kept["accuracy_ci95"][1] or kept["accuracy"] > 0.99
    assert result.decision["cross_validated"]["accuracy"] >= 0.99
    page = (tmp_path / "r/report.html").read_text()
    assert "are left, and the rest is right" in page


@pytest.mark.slow
def test_a_trained_model_abstains_by_its_own_held_out_items(shapes: Path, tmp_path: Path) -> None:
    from tests.conftest import write_shapes

    folder = write_shapes(tmp_path / "d", 70)
    result = regraft.fit(
        str(folder), method="mlp-probe", accuracy=0.6, epochs=6, controls="none", out=str(tmp_path / "r")
    )
    assert (
        result.decision["abstain_below"] > 0 and "abstain" in regraft.predict(result.run, [str(shapes)]).predictions[0]
    )
    few = regraft.fit(str(shapes), method="mlp-probe", accuracy=0.9, epochs=1, controls="none", out=str(tmp_path / "f"))
    assert few.decision == {} and "no-abstention" in [p["kind"] for p in few.problems]


def test_no_accuracy_for_multilabel(marks) -> None:
    with pytest.raises(InputError, match="one label an item"):
        regraft.fit(str(marks[0]), accuracy=0.9)


def test_wrong_options() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        regraft.fit("embedded:digits", accuracy=98)
    with pytest.raises(UnknownName, match="did you mean 'balanced'"):
        regraft.fit("embedded:digits", class_weight="balance")
