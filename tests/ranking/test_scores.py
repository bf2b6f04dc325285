"""Scores against recorded reference numbers, and what each says of data whose answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import InputError
from regraft.core.types import LabelSpec
from regraft.selection.candidates import _scored
from regraft.selection.scores import SCORES
from regraft.selection.scores.base import Given, Gram, NotApplicable
from regraft.selection.scores.gbc import gbc
from regraft.selection.scores.h_score import h_score, ledoit_wolf
from regraft.selection.scores.knn import knn
from regraft.selection.scores.leep import leep
from regraft.selection.scores.logme import _Problem, evidence, logme
from regraft.selection.scores.nce import nce
from regraft.selection.scores.nleep import posterior
from regraft.selection.scores.parc import parc
from regraft.selection.scores.probe import ridge_r2
from regraft.selection.scores.ridge import ridge_evidence
from regraft.selection.scores.transrate import transrate
from regraft.tasks.classification import one_hot

SETS = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def reference() -> dict:
    from tests.conftest import SHARED

    folder = Path(SHARED) / "reference"
    if not (folder / "ranking.npz").exists():
        pytest.skip(f"the reference numbers are not at {folder}")
    arrays = np.load(folder / "ranking.npz")
    expected = json.loads((folder / "ranking.json").read_text())["sets"]
    return {s: ({k[2:]: arrays[k] for k in arrays if k.startswith(f"{s}_")}, expected[s]) for s in SETS}


def evidence_at(gram: Gram, target: np.ndarray, alpha: float, beta: float) -> float:
    """The log evidence a sample of one target (n,) at given precisions."""
    y = target[:, None]
    problem = _Problem(gram.tridiagonal, gram.n, gram.by_rows, gram.seen(y), (y**2).sum(0))
    _, size, error = problem.at(np.log([alpha / beta]))
    return float(problem.value(np.array([alpha]), np.array([beta]), size, error)[0])


@pytest.mark.parametrize("name", SETS)
def test_logme_is_exact(name: str, reference: dict) -> None:
    given, expected = reference[name]
    x, y, t = given["features"], given["labels"], given["targets"]
    assert logme(x, y) == pytest.approx(expected["logme_exact"], rel=1e-6)
    assert logme(x, t, regression=True) == pytest.approx(expected["logme_reg_exact"], rel=1e-6)
    found = evidence(Gram(x), one_hot(y))
    np.testing.assert_allclose(found.alpha, expected["logme_exact_alpha"], rtol=1e-6)
    np.testing.assert_allclose(found.beta, expected["logme_exact_beta"], rtol=1e-6)
    single = x.astype(np.float32)
    assert logme(single, y) == pytest.approx(expected["logme_exact"], rel=1e-3)
    assert logme(single, t, regression=True) == pytest.approx(expected["logme_reg_exact"], rel=1e-3)
    at = evidence_at(Gram(x), (y == 0).astype(float), 2.0, 3.0)
    assert at == pytest.approx(expected["evidence_class0_alpha2_beta3"], rel=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_the_other_scores(name: str, reference: dict) -> None:
    given, expected = reference[name]
    x, y, source = given["features"], given["labels"], given["source_probs"]
    found = {
        "hscore_regularised_formula": h_score(x, y),
        "ledoit_wolf_shrinkage": ledoit_wolf(Gram(x)),
        "leep_tllib": leep(source, y),
        "nce_tllib": nce(source.argmax(1), y),
        "transrate_weighted_eps1e-4": transrate(x, y),
        "transrate_weighted_eps1e-1": transrate(x, y, epsilon=0.1),
        "transrate_tllib_eps1e-4": transrate(x, y, equal=True),
        "transrate_official_rows_l2_normalised_eps1e-4": transrate(x, y, unit_rows=True),
        "gbc_spherical_with_d": gbc(x, y, spherical=True),
        "gbc_diagonal": gbc(x, y),
        "parc_exact_ties": parc(x, y),
    }
    for key, value in found.items():
        assert value == pytest.approx(expected[key], rel=1e-9), key
    if "nleep_posterior" in given:
        assert leep(given["nleep_posterior"], y) == pytest.approx(expected["nleep_gmm_seed0"], rel=1e-9)
        own = leep(posterior(x, expected["nleep_components"]), y)
        assert own == pytest.approx(expected["nleep_gmm_seed0"], abs=0.25)


def blobs(n: int = 120, d: int = 6, apart: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return rng.normal(size=(n, d)) + apart * rng.normal(size=(3, d))[y], y


@pytest.mark.parametrize("shape", [(80, 5), (12, 40), (30, 1), (1, 3)])
def test_evidence_is_the_density_of_the_targets(shape: tuple[int, int]) -> None:
    """By the definition: the targets are normal with the covariance XX'/alpha + I/beta."""
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(1)
    x, y = rng.normal(size=shape), rng.normal(size=shape[0])
    alpha, beta = 0.7, 2.5
    cov = x @ x.T / alpha + np.eye(len(x)) / beta
    expected = multivariate_normal(np.zeros(len(x)), cov).logpdf(y) / len(x)
    assert evidence_at(Gram(x), y, alpha, beta) == pytest.approx(expected, rel=1e-9)


def test_evidence_is_at_its_maximum() -> None:
    x, y = blobs(apart=1.0)
    target = one_hot(y)[:, 0]
    found = evidence(Gram(x), target[:, None])
    value, alpha, beta = (float(v[0]) for v in found)
    assert evidence_at(Gram(x), target, alpha, beta) == pytest.approx(value)
    for a, b in ((1.02, 1), (0.98, 1), (1, 1.02), (1, 0.98)):
        assert evidence_at(Gram(x), target, alpha * a, beta * b) < value


def test_ridge_evidence_knows_neither_unit_nor_origin() -> None:
    rng = np.random.default_rng(0)
    for shape in ((60, 8), (20, 50)):
        x = rng.normal(size=shape)
        y = x[:, 0] + 0.1 * rng.normal(size=len(x))
        base = ridge_evidence(x, y)
        assert ridge_evidence(x + 5, 100 * y - 7) == pytest.approx(base, rel=1e-6)
        assert shape[0] < shape[1] or ridge_evidence(x, rng.permutation(y)) < base


def test_ridge_r2_leaves_each_item_out() -> None:
    """The closed form against fits that really leave an item out, at the same penalty."""
    from sklearn.linear_model import Ridge

    from regraft.selection.scores.logme import maximised

    rng = np.random.default_rng(3)
    for n, d in ((25, 4), (12, 30)):
        x = rng.normal(size=(n, d))
        y = x[:, 0] + 0.5 * rng.normal(size=n)
        gram, centred = Gram(x), y - y.mean()
        seen = centred[:, None] if gram.by_rows else x.T @ centred[:, None]
        found = maximised(gram.centred_tridiagonal, n - 1, gram.by_rows, seen, (centred[:, None] ** 2).sum(0))
        penalty = float(found.alpha[0] / found.beta[0])
        wrong = []
        for i in range(n):
            rest = np.arange(n) != i
            model = Ridge(penalty).fit(x[rest], y[rest])
            wrong.append(y[i] - model.predict(x[i : i + 1])[0])
        expected = 1 - np.square(wrong).sum() / np.square(y - y.mean()).sum()
        assert ridge_r2(x, y) == pytest.approx(expected, rel=1e-5)


def test_neighbours_leave_the_item_out() -> None:
    x, y = blobs(apart=8.0)
    assert knn(x, y) == 1.0
    rng = np.random.default_rng(0)
    assert knn(rng.normal(size=(300, 4)), np.arange(300) % 3) < 0.5, "each item is its own nearest neighbour otherwise"


TASKS = {
    "classification": LabelSpec("classification", ("a", "b", "c")),
    "multilabel": LabelSpec("multilabel", ("a", "b")),
    "regression": LabelSpec("regression"),
}


@pytest.mark.parametrize("name", list(SCORES))
def test_every_score_prefers_features_that_tell(name: str) -> None:
    module = SCORES.get(name)
    assert module.SUMMARY and module.TASKS
    rng = np.random.default_rng(0)
    x, y = blobs(240, apart=2.0)
    labels = {"classification": y, "multilabel": np.stack([y == 0, y != 1], 1).astype(int), "regression": x[:, 0] + y}
    for task in module.TASKS:

        def given(x: np.ndarray, task: str = task) -> Given:
            return Given(x.astype(np.float32), labels[task], TASKS[task], np.exp(x) / np.exp(x).sum(1, keepdims=True))

        good, bad = module.score(given(x)), module.score(given(x[rng.permutation(len(x))]))
        assert np.isfinite([good, bad]).all() and good > bad, task
        assert module.score(given(x)) == good, "the same bits"


def test_the_number_of_features_may_exceed_that_of_items() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    x = np.hstack([rng.normal(size=(24, 60)), 4 * one_hot(y)])
    for name in ("logme", "h_score", "gbc", "parc", "knn", "probe"):
        module = SCORES.get(name)
        good = module.score(Given(x, y, TASKS["classification"]))
        bad = module.score(Given(rng.normal(size=x.shape), y, TASKS["classification"]))
        assert good > bad, name


def test_what_cannot_be_scored() -> None:
    y, target = np.arange(12) % 3, TASKS["classification"]
    with pytest.raises(InputError, match="the same for every item"):
        Given(np.ones((12, 4)), y, target)
    with pytest.raises(InputError, match="no numbers"):
        Given(np.full((12, 4), np.nan), y, target)
    given = Given(np.random.default_rng(0).normal(size=(12, 4)), y, target)
    for name in ("leep", "nce"):
        with pytest.raises(NotApplicable, match="no source head"):
            SCORES.get(name).score(given)
    with pytest.raises(NotApplicable, match="15 components needs 45 items"):
        SCORES.get("nleep").score(given)
    few = Given(given.x, np.arange(12), LabelSpec("classification", tuple("abcdefghijkl")))
    with pytest.raises(NotApplicable, match="too few examples"):
        SCORES.get("probe").score(few)
    for name in ("ridge_evidence", "probe"):
        with pytest.raises(NotApplicable, match="the same for every item"):
            SCORES.get(name).score(Given(given.x, np.ones(12), TASKS["regression"]))


@pytest.mark.parametrize("shape", [(200, 30), (40, 90)])
def test_large_means_drown_nothing_in_float32(shape: tuple[int, int]) -> None:
    """Scores of float32 features far from 0 beside those of the same values in float64."""
    rng = np.random.default_rng(0)
    x = (3000 + rng.normal(size=shape)).astype(np.float32)
    truth = x.astype(np.float64) @ rng.normal(size=shape[1])
    numbers = truth - truth.mean() + rng.normal(size=shape[0])
    labels = (numbers > 0).astype(int)
    gram = Gram(x)
    assert np.allclose(gram.centred, Gram(x.astype(np.float64)).centred, atol=1e-3)
    assert np.allclose(gram.matrix, Gram(x.astype(np.float64)).matrix, rtol=1e-9)
    for score, y in ((ridge_evidence, numbers), (ridge_r2, numbers), (h_score, labels)):
        assert score(x, y) == pytest.approx(score(x.astype(np.float64), y), rel=1e-3, abs=1e-3), score.__name__
    assert logme(x, labels) == pytest.approx(logme(x.astype(np.float64), labels), abs=2e-3)


def test_a_score_that_cannot_be_reckoned_costs_the_candidate_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(given: Given) -> float:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(SCORES.get("logme"), "score", fails)
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    given = Given(rng.normal(size=(40, 3)) + y[:, None], y, LabelSpec("classification", ("a", "b")), None)
    values, missing, _ = _scored(given, np.arange(40), ["logme", "knn"], {})
    assert list(values) == ["knn"] and "no solution on these rows (not positive definite)" in missing["logme"]
