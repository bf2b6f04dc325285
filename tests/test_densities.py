"""Densities and regression figures against scipy, scikit-learn, recorded and worked numbers."""

import json
import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import rel_entr, softmax

from regraft.metrics import classes as metrics
from regraft.metrics import densities
from regraft.metrics import numbers as regression_metrics
from regraft.metrics.intervals import bootstrap_interval, percentiles

LOGITS = np.array([[-1.10905, 1.66426, -4.37709], [0.5, 0.25, 2.0], [3.0, -1.0, 0.0], [0.1, 0.2, 0.3]])
LABELS = np.array([1, 0, 0, 2])


def test_cross_entropy_by_hand() -> None:
    # -ln 0.5 and -ln 0.25: the sign is minus, the logarithm natural
    found = densities.cross_entropy([[1, 0], [0, 1]], [[0.5, 0.5], [0.75, 0.25]])
    assert found == pytest.approx([math.log(2), math.log(4)])
    assert densities.cross_entropy([[1.0, 0.0]], [[0.0, 1.0]])[0] > 700, "surely wrong is bad, not infinite"
    assert densities.binary_cross_entropy(1, 0.8) == pytest.approx(0.2231435513142097)
    assert densities.binary_cross_entropy(0, 0.8) == pytest.approx(1.6094379124341003)


def test_cross_entropy_is_the_log_loss_of_one_hot_targets() -> None:
    p = softmax(LOGITS, axis=1)
    assert densities.cross_entropy(np.eye(3)[LABELS], p).mean() == pytest.approx(metrics.log_loss(LABELS, p))


def test_losses_against_the_recorded_figures(shared) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())
    logits = np.array(recorded["calibration"]["logits"])[:6]
    hot = np.eye(10)[recorded["calibration"]["labels"][:6]]
    p, losses = softmax(logits, axis=1), recorded["losses"]
    assert densities.cross_entropy(hot, p).mean() == pytest.approx(losses["cross_entropy_torch"], rel=1e-9)
    smooth = densities.cross_entropy(densities.smoothed(hot, 0.1), p).mean()
    assert smooth == pytest.approx(losses["label_smoothing_0.1_torch"], rel=1e-9)
    each = densities.focal(hot, 1 / (1 + np.exp(-logits)))
    assert each.mean() == pytest.approx(losses["sigmoid_focal_mean_alpha0.25_gamma2_torchvision"], rel=1e-9)
    ood = recorded["ood_logit_scores"]
    assert metrics.entropy_bits(p) * math.log(2) == pytest.approx(ood["entropy"], rel=1e-9)


def test_brier_and_calibration_at_both_temperatures(shared) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())["calibration"]
    logits, labels = np.array(recorded["logits"]), np.array(recorded["labels"])
    for name, t in (("T1", 1.0), ("Topt", recorded["temperature_optimum"])):
        p = softmax(logits / t, axis=1)
        found = metrics.classification(labels, p)
        assert found["brier"] == pytest.approx(recorded[name]["brier_sum_over_classes"], rel=1e-9)
        assert found["ece"] == pytest.approx(recorded[name]["ece_formula"], rel=1e-9)
        assert found["accuracy"] == recorded[name]["accuracy"]


def test_focal_without_its_factors_is_the_cross_entropy() -> None:
    t, p = np.array([0, 1, 1]), np.array([0.2, 0.3, 0.9])
    assert densities.focal(t, p, gamma=0, alpha=None) == pytest.approx(densities.binary_cross_entropy(t, p))
    # p_t = 0.9: (0.1)^2 * -ln 0.9
    assert densities.focal(1, 0.9, alpha=None) == pytest.approx(0.01 * -math.log(0.9))


def test_smoothing_keeps_the_sum() -> None:
    assert densities.smoothed([[0, 0, 0, 1]], 0.1).tolist() == [[0.025, 0.025, 0.025, 0.925]]


def test_kl_against_scipy() -> None:
    p, q = softmax(LOGITS, axis=1), softmax(LOGITS[::-1], axis=1)
    assert densities.kl_divergence(p, q) == pytest.approx(rel_entr(p, q).sum(1))
    assert densities.kl_divergence(p, p) == pytest.approx(0)
    assert densities.kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2)), "0 ln 0 is 0"


def test_gaussian_against_scipy() -> None:
    y, sigma = np.linspace(-3, 5, 9), np.linspace(0.1, 4, 9)
    assert densities.gaussian_log_density(y, 1.0, sigma) == pytest.approx(stats.norm.logpdf(y, 1.0, sigma))
    assert densities.gaussian_density(y, 1.0, sigma) == pytest.approx(stats.norm.pdf(y, 1.0, sigma))
    assert densities.gaussian_density(0, 0, 0.1) == pytest.approx(3.989422804014327), "a density can be above 1"


def test_wilson_and_bootstrap_against_the_recorded_figures(shared) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())["intervals"]
    for row in recorded["proportions"]:
        assert metrics.wilson(row["successes"], row["n"]) == pytest.approx(row["wilson_95"], abs=1e-9)
        narrower = metrics.wilson(row["successes"], row["n"], 1.6448536269514722)
        assert narrower == pytest.approx(row["wilson_90"], abs=1e-9)
    boot = recorded["bootstrap"]
    x = np.array(boot["x"])
    means = x[np.array(boot["indices_50x40"])].mean(1)
    assert percentiles(means) == pytest.approx(boot["percentile_95_of_these_50_numpy_linear"], abs=1e-12)
    assert bootstrap_interval(x, draws=20000) == pytest.approx(boot["percentile_95_20000"], abs=0.03)


def test_regression_figures_against_scikit_learn_and_scipy() -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    rng = np.random.default_rng(0)
    y = rng.normal(10, 3, 400)
    guess = y + rng.normal(0, 2, 400)
    found = regression_metrics.regression(y, guess, 2.0)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(y, guess))
    assert found["mae"] == pytest.approx(mean_absolute_error(y, guess))
    assert found["r2"] == pytest.approx(r2_score(y, guess))
    assert found["nll"] == pytest.approx(-stats.norm.logpdf(y, guess, 2.0).mean())
    assert 0.86 < found["coverage90"] < 0.94
    low, high = found["rmse_ci95"]
    assert low < found["rmse"] < high and high - low < 0.6


def test_conformal_radius_by_hand_and_its_promise() -> None:
    # 9 residuals, level 0.8: the 8th smallest; level 0.95 would take a 10th
    residuals = np.array([1, -2, 3, -4, 5, -6, 7, -8, 9.0])
    assert regression_metrics.conformal_radius(residuals, 0.8) == 8
    assert regression_metrics.conformal_radius(residuals, 0.95) == math.inf
    rng = np.random.default_rng(0)
    inside = [abs(rng.laplace()) <= regression_metrics.conformal_radius(rng.laplace(size=19), 0.9) for _ in range(4000)]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015), "exactly 0.9 at n = 19, whatever the distribution"


def test_pinball_is_least_at_the_quantile() -> None:
    y = np.random.default_rng(0).exponential(size=4001)
    grid = np.linspace(0, 4, 401)
    best = grid[np.argmin([densities.pinball(y, v, 0.8).mean() for v in grid])]
    assert best == pytest.approx(np.quantile(y, 0.8), abs=0.011)
    found = regression_metrics.quantile_figures(y, np.full((4001, 1), np.quantile(y, 0.8)), [0.8])
    assert found["0.8"]["below"] == pytest.approx(0.8, abs=1e-3)


def test_rmse_gain_is_paired() -> None:
    rng = np.random.default_rng(0)
    y, noise = np.zeros(200), rng.normal(size=200)
    gain = regression_metrics.paired_rmse_gain(y, noise, 1.1 * noise)
    assert gain["value"] == pytest.approx(0.1 * np.sqrt((noise**2).mean()))
    assert 0.08 < gain["ci95"][0] < gain["ci95"][1] < 0.12, "the same items: far narrower than two intervals apart"
