"""The probe's mathematics against scikit-learn's solver, closed forms and recorded numbers."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import regraft
from regraft import Classifier, FeatureExtractor, Regressor
from regraft.core.types import LabelSpec
from regraft.methods.probes import logistic, quantiles
from regraft.methods.probes.linear_probe import FEW_SHOT_STRENGTH, fit_features, row_weights, stratified_folds
from regraft.metrics.classes import classification


def target(k: int, task: str = "classification") -> LabelSpec:
    return LabelSpec(task, tuple(f"c{i}" for i in range(k)))  # type: ignore[arg-type]


def problem(n: int, d: int, k: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.normal(size=(n, d)) + 0.8 * rng.normal(size=(k, d))[y], y


@pytest.mark.parametrize(("n", "d", "k"), [(120, 10, 4), (30, 80, 3), (10, 40, 10)])
@pytest.mark.parametrize("strength", [0.1, 3.0])
def test_same_minimum_as_scikit_learn(n: int, d: int, k: int, strength: float) -> None:
    x, y = problem(n, d, k)
    ours = logistic.fit_logistic(x, np.eye(k)[y], strength)
    theirs = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=5000).fit(x, y)
    ours_p = np.exp(ours(x) - ours(x).max(1, keepdims=True))
    assert np.abs(ours_p / ours_p.sum(1, keepdims=True) - theirs.predict_proba(x)).max() < 2e-3

    def objective(w, b):
        z = x @ w + b
        return np.log(np.exp(z).sum(1)).sum() - z[np.arange(n), y].sum() + strength / 2 * (w**2).sum()

    assert objective(*ours) <= objective(theirs.coef_.T, theirs.intercept_) * (1 + 1e-5) + 1e-6


def test_weights_count_as_repetitions() -> None:
    x, y = problem(40, 5, 2)
    repeat = np.random.default_rng(0).integers(1, 4, 40)
    weighted = logistic.fit_logistic(x, np.eye(2)[y], 1.0, weights=repeat)
    repeated = logistic.fit_logistic(np.repeat(x, repeat, 0), np.eye(2)[np.repeat(y, repeat)], 1.0)
    assert np.allclose(weighted.weight, repeated.weight, atol=2e-4)


def test_common_scaling_gives_rows_of_mean_square_one() -> None:
    x = np.random.default_rng(0).normal(3, [1, 100, 0.1, 0], (50, 4))
    z = logistic.common_scaling(x)(x)
    assert (z**2).sum(1).mean() == pytest.approx(1)
    assert np.abs(z.mean(0)).max() < 1e-12
    assert len(np.unique(logistic.common_scaling(x).scale)) == 1


def test_shrunken_scaling_trusts_many_rows_and_not_two() -> None:
    rng = np.random.default_rng(0)
    true = np.exp(rng.normal(0, 1, 200))
    many = logistic.shrunken_scaling(rng.normal(0, true, (20000, 200))).scale / true
    assert many.std() / many.mean() < 0.02, "with many rows each column gets its own scale"
    two = logistic.shrunken_scaling(rng.normal(0, true, (2, 200))).scale
    assert two.std() / two.mean() < 1e-9, "with two rows a column's own variance is noise"
    true = np.exp(rng.normal(0, 0.15, 200))
    x = rng.normal(0, true, (10, 200))
    error = lambda s: np.std(np.log(s / true))
    assert error(logistic.shrunken_scaling(x).scale) < 0.8 * error(x.std(0)), "shrinking beats own estimates"


def test_scaling_survives_constant_columns_and_one_row() -> None:
    for x in (np.ones((5, 3)), np.array([[1.0, 2.0]])):
        for scale in (logistic.common_scaling, logistic.shrunken_scaling):
            assert np.isfinite(scale(x)(x)).all()


def test_optimal_temperature_against_the_recorded_one(shared) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())["calibration"]
    logits, labels = np.array(recorded["logits"]), np.array(recorded["labels"])
    hot = np.eye(logits.shape[1])[labels]
    assert logistic.optimal_temperature(logits, hot) == pytest.approx(recorded["temperature_optimum"], abs=1e-6)


def test_optimal_temperature_of_a_known_case() -> None:
    # two classes, logits +-a, right three times in four: p = 3/4 needs a / T = log(3) / 2
    logits = np.array([[2.0, -2.0]] * 4)
    hot = np.eye(2)[[0, 0, 0, 1]]
    assert logistic.optimal_temperature(logits, hot) == pytest.approx(4 / np.log(3), rel=1e-6)


def test_smoothed_targets_hold_one_example_of_doubt_in_all() -> None:
    t = logistic.smoothed_targets(np.eye(10)[np.arange(30) % 10])
    assert np.allclose(t.sum(1), 1) and t[0, 0] == pytest.approx(30.1 / 31) and t[0, 1] == pytest.approx(0.1 / 31)
    assert np.allclose(logistic.smoothed_targets(np.array([[1.0], [0], [0]]), "sigmoid"), [[7 / 8], [1 / 8], [1 / 8]])


def test_few_examples_take_the_stated_default() -> None:
    x, y = problem(6, 20, 3)
    record = fit_features(x, y, target(3)).record
    assert record["strength"] == FEW_SHOT_STRENGTH and record["chosen_by"].startswith("default")


def test_choice_by_cross_validation_beats_the_ends_of_the_path() -> None:
    x, y = problem(300, 30, 3)
    record = fit_features(x, y, target(3)).record
    assert record["log_loss"] == min(t["log_loss"] for t in record["tried"])
    assert record["log_loss"] < 1.0986, "better than guessing"


def test_same_seed_same_bits_another_seed_others() -> None:
    x, y = problem(90, 12, 3)
    a, b, c = (fit_features(x.astype(np.float32), y, target(3), seed=s).head.linear.weight for s in (0, 0, 1))
    assert (a == b).all()
    assert (a != c).any()


def test_folds_spread_every_class() -> None:
    y = np.repeat([0, 1, 2], [50, 25, 7])
    fold = stratified_folds(y, 5, np.random.default_rng(0))
    table = np.array([[((fold == f) & (y == c)).sum() for c in range(3)] for f in range(5)])
    assert (table.max(0) - table.min(0) <= 1).all()


def test_multilabel_equals_separate_binary_regressions() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 6))
    y = (x @ rng.normal(size=(6, 3)) + rng.normal(size=(150, 3)) > 0).astype(int)
    ours = logistic.fit_logistic(x, y.astype(float), 2.0, link="sigmoid")
    for c in range(3):
        theirs = LogisticRegression(C=1 / 2.0, tol=1e-10, max_iter=5000).fit(x, y[:, c])
        assert np.allclose(ours.weight[:, c], theirs.coef_[0], atol=2e-3)
        assert ours.bias[c] == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_balanced_weights() -> None:
    w = row_weights(np.eye(2)[[0, 0, 0, 1]], "balanced")
    assert w.mean() == pytest.approx(1) and w[:3].sum() == pytest.approx(w[3])
    assert np.isfinite(row_weights(np.array([[1, 1], [0, 0], [1, 0]]), "balanced")).all()


def test_balancing_helps_the_rare_class() -> None:
    rng = np.random.default_rng(0)
    y = np.array([0] * 190 + [1] * 10)
    x = (rng.normal(size=(200, 5)) + 1.2 * y[:, None]).astype(np.float32)
    recalls = []
    for weight in (None, "balanced"):
        head = fit_features(x, y, target(2), class_weight=weight).head
        recalls.append((head(torch.from_numpy(x)).argmax(1).numpy()[y == 1] == 1).mean())
    assert recalls[1] > recalls[0]


def test_out_of_fold_logits_are_calibrated_and_belong_to_their_rows() -> None:
    x, y = problem(200, 10, 4)
    fitted = fit_features(x.astype(np.float32), y, target(4))
    assert fitted.logits is not None and fitted.rows.tolist() == list(range(200))
    hits = (fitted.logits.argmax(1) == y[fitted.rows]).mean()
    assert hits > 0.5
    hot = logistic.smoothed_targets(np.eye(4)[y])
    assert logistic.optimal_temperature(fitted.logits, hot) == pytest.approx(1, abs=1e-4)


def test_log_count_ratios_by_hand() -> None:
    x = csr_matrix(np.array([[2.0, 0, 1], [0.5, 0, 0], [0, 3, 1]]))
    targets = np.array([[1.0, 0], [1, 0], [0, 1]])
    # one and the rows that hold it: (3, 1, 2) of 6 for the first class, (1, 2, 2) of 5 for the second
    by_hand = np.abs(np.log([3 / 6 / (1 / 5), 1 / 6 / (2 / 5), 2 / 6 / (2 / 5)]))
    assert np.allclose(logistic.log_count_ratio(x, targets), by_hand)
    scaling = logistic.blockwise(["column"], [1.0], x, [3], targets)
    scaled = scaling(x).toarray()
    assert np.isclose((scaled**2).sum(1).mean(), 1)
    assert np.isclose(scaled[0, 0] / scaled[0, 2], 2 * by_hand[0] / by_hand[2])


def test_a_factor_multiplies_a_block() -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(30, 5)), np.eye(2)[np.arange(30) % 2]
    scaled = logistic.blockwise(["common", "column"], [2.0, 0.5], x, [3, 2], targets)(x)
    assert np.isclose((scaled[:, :3] ** 2).sum(1).mean(), 4) and np.isclose((scaled[:, 3:] ** 2).sum(1).mean(), 0.25)


def test_each_part_of_a_fusion_may_have_its_own_strength() -> None:
    """Five telling columns beside four hundred faint ones, which alone would be given another strength."""
    rng = np.random.default_rng(3)
    y = np.arange(240) % 2
    rows = np.concatenate([rng.normal(size=(240, n)) + g * y[:, None] for n, g in ((5, 1.2), (400, 0.1))], 1)
    fitted = fit_features(rows, y, target(2), blocks=[5, 400])
    best: dict[str, float] = {}
    for tried in fitted.record["tried"]:
        best[tried["scaling"]] = min(best.get(tried["scaling"], np.inf), tried["log_loss"])
    assert fitted.record["scaling"] == "own" and best["own"] < min(best["common"], best["column"])
    own = rows.std(0)[:5].mean() / rows.std(0)[5:].mean()
    factors = [b["factor"] for b in fitted.record["blocks"]]
    sizes = fitted.head.scale.numpy()
    assert sizes[5:].mean() / sizes[:5].mean() == pytest.approx(
        factors[0] / factors[1] * np.sqrt(400 / 5) / own, rel=0.05
    )
    again = fit_features(rows, y, target(2), blocks=[5, 400], record=fitted.record)
    assert torch.equal(again.head.linear.weight, fitted.head.linear.weight)


@pytest.mark.parametrize(("per", "ece", "loss"), [(2, 0.06, 0.15), (3, 0.045, 0.12), (10, 0.03, 0.08)])
def test_probabilities_are_as_bold_as_they_may_be(per: int, ece: float, loss: float) -> None:
    """Digits by regraft_tiny, few labels a class, judged on all others. With a doubt for each class in place of one in
    all: ECE 0.23 and log loss 0.33 at three labels, 0.11 and 0.16 at ten.
    """
    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss

    digits = load_digits()
    y, x = digits.target, FeatureExtractor("regraft_tiny").fit_transform((digits.images * (255 / 16)).astype(np.uint8))
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        learn = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:per] for c in range(10)])
        rest = np.setdiff1d(np.arange(len(y)), learn)
        head = fit_features(x[learn], y[learn], target(10), seed=seed).head
        p = softmax(head(torch.from_numpy(x[rest])).double().numpy(), 1)
        figures = classification(y[rest], p)
        assert figures["log_loss"] == pytest.approx(log_loss(y[rest], p), rel=1e-6)
        found.append([figures["ece"], figures["log_loss"], figures["accuracy"]])
    assert (np.mean(found, 0) < [ece, loss, 1]).all() and np.mean(found, 0)[2] > 0.96


def test_two_examples_a_class_choose_a_temperature_and_one_does_not() -> None:
    x, y = problem(20, 40, 10)
    sharp = x + 20 * np.random.default_rng(1).normal(size=(10, 40))[y]
    assert fit_features(sharp, y, target(10)).record["temperature"] < 0.99, "each half knows the other"
    rng = np.random.default_rng(2)
    noise = fit_features(rng.normal(size=(20, 40)), y, target(10)).record
    assert 1.1 < noise["temperature"] < 20, "guesses are modest, but a few wrong ones do not ask for none"
    assert fit_features(sharp[:10], y[:10], target(10)).record["temperature"] == 1


def test_a_temperature_drawn_towards_one_by_its_closed_form() -> None:
    # sure and right in all of n answers: the loss falls without end, its slope against the pull of the prior
    logits, hot = np.array([[2.0, -2.0]] * 4), np.eye(2)[[0] * 4]
    found = np.log(logistic.optimal_temperature(logits, hot, spread=1.0))
    slope = 4 * np.exp(-found) / (1 + np.exp(4 * np.exp(-found)))
    assert found == pytest.approx(-4 * slope, rel=1e-5)
    assert logistic.optimal_temperature(logits, hot) < 0.1


def test_a_solver_that_stops_early_says_so(monkeypatch, tmp_path) -> None:
    x, y = problem(90, 12, 3)
    assert "stopped_early" not in fit_features(x, y, target(3)).record
    monkeypatch.setattr(logistic, "STEPS", 2)
    fitted = fit_features(x, y, target(3))
    said = "the logistic regression stopped after 2 steps, short of its minimum"
    assert fitted.record["stopped_early"] == [said]
    with pytest.warns(ConvergenceWarning, match=said):
        Classifier("raw").fit(x, y)
    pd.DataFrame(x).assign(y=[f"c{i}" for i in y]).to_csv(tmp_path / "d.csv", index=False)
    result = regraft.fit(str(tmp_path / "d.csv"), label="y", controls="none", out=str(tmp_path / "r"))
    assert said in [p["message"] for p in result.problems if p["kind"] == "stopped-early"]
    monkeypatch.setattr(quantiles, "STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="the quantile 0.5 was still moving after 1 steps"):
        Regressor("raw", quantiles=(0.5,)).fit(x, x[:, 0] ** 2)
