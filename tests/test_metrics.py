"""Figures against recorded numbers: scikit-learn's, statsmodels' and torchmetrics' where they were recorded."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from regraft.metrics import classes as metrics
from regraft.metrics.intervals import paired_gain


@pytest.mark.parametrize(
    ("hits", "n", "interval"),
    [
        (0, 10, (0.0, 0.27753279986288926)),
        (1, 10, (0.017876213095072924, 0.40415002679523854)),
        (10, 10, (0.7224672001371106, 1.0)),
        (37, 50, (0.6044684273515116, 0.841284725064476)),
    ],
)
def test_wilson_interval(hits: int, n: int, interval: tuple[float, float]) -> None:
    """Recorded from statsmodels 0.15."""
    assert metrics.wilson(hits, n) == pytest.approx(interval, abs=1e-9)


def test_calibration_against_the_recorded_figures(shared) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())["calibration"]
    logits, labels = np.array(recorded["logits"]), np.array(recorded["labels"])
    p = softmax(logits, axis=1)
    correct = (p.argmax(1) == labels).astype(float)
    assert metrics.expected_calibration_error(p.max(1), correct) == pytest.approx(
        recorded["T1"]["ece_formula"], rel=1e-9
    )
    bins = metrics.calibration_bins(p.max(1), correct)
    rows = np.array(recorded["T1"]["bins_count_meanconf_acc"])
    assert np.allclose(np.stack([bins["count"], bins["confidence"], bins["accuracy"]], 1), rows, rtol=1e-9)
    assert metrics.log_loss(labels, p) == pytest.approx(recorded["T1"]["nll"], rel=1e-9)


def test_calibration_error_by_hand() -> None:
    # two items in the bin (0.8, 0.8667]: mean confidence 0.83, one right; one at 1.0, right
    confidence, correct = np.array([0.82, 0.84, 1.0]), np.array([1.0, 0.0, 1.0])
    assert metrics.expected_calibration_error(confidence, correct) == pytest.approx(2 / 3 * 0.33 + 0)
    bins = metrics.calibration_bins(confidence, correct)
    assert bins["count"][12] == 2 and bins["count"][14] == 1


def test_bins_are_closed_on_the_right() -> None:
    bins = metrics.calibration_bins(np.array([0.2, 0.2000001]), np.zeros(2), bins=5)
    assert bins["count"].tolist() == [1, 1, 0, 0, 0]


def test_entropy_in_bits() -> None:
    p = np.array([[0.5, 0.5, 0, 0], [0.25] * 4, [1, 0, 0, 0]])
    assert metrics.entropy_bits(p).tolist() == [1.0, 2.0, 0.0]


def test_classification_figures_against_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200)
    found = metrics.classification(y, p)
    guess = p.argmax(1)
    assert found["accuracy"] == accuracy_score(y, guess)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, guess))
    assert found["macro_f1"] == pytest.approx(f1_score(y, guess, average="macro"))
    assert found["log_loss"] == pytest.approx(log_loss(y, p), rel=1e-6)


def test_gain_is_paired() -> None:
    ours = np.array([1.0] * 90 + [0.0] * 10)
    theirs = np.array([1.0] * 80 + [0.0] * 20)
    gain = paired_gain(ours, theirs)
    assert gain["value"] == pytest.approx(0.1)
    # the two agree on 90 items: the paired interval is far narrower than two independent ones would give
    assert 0.04 <= gain["ci95"][0] < 0.1 < gain["ci95"][1] <= 0.18
    # what 100 items that agree say: as few as three of a hundred others may differ (the rule of three)
    assert paired_gain(ours, ours)["ci95"] == pytest.approx([-0.037, 0.037], abs=5e-4)


def test_confusion_matrix() -> None:
    assert metrics.confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist() == [[1, 1], [0, 1]]
