"""The probe on many rows: the same minimum as scikit-learn and as the way of few rows, whatever the threads."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from regraft.core.types import LabelSpec
from regraft.methods.probes import descent, linear_probe, logistic, many_path
from regraft.methods.probes.linear_probe import fit_features, row_weights
from regraft.methods.probes.many_path import along_path, on_all
from regraft.methods.probes.many_rows import ManyRows

NEAR = 2e-3
"""By how much weights may differ from scikit-learn's, as a share of their norm."""

LOSS = 4e-3
"""By how much log losses out of fold may, as a share: these are small, and fits on the path end sooner."""


def target(k: int, task: str = "classification") -> LabelSpec:
    return LabelSpec(task, tuple(f"c{i}" for i in range(k)))  # type: ignore[arg-type]


def problem(n: int, d: int, k: int, seed: int = 0, rare: bool = False) -> tuple[Any, Any]:
    """Columns of which each knows of the others, of many sizes and far from 0, as a network's are."""
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=0.5 ** np.arange(k) / (0.5 ** np.arange(k)).sum()) if rare else rng.integers(0, k, n)
    z = rng.normal(size=(n, d)) + 0.6 * rng.normal(size=(k, d))[y]
    x = (z / np.arange(1, d + 1) ** 0.5) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return x * np.exp(rng.normal(size=d)) + 3, y


def several(n: int, d: int, k: int) -> tuple[Any, Any]:
    x, _ = problem(n, d, 2)
    rng = np.random.default_rng(5)
    z = (x - x.mean(0)) / x.std(0) @ rng.normal(size=(d, k)) / d**0.5
    return x, (z + rng.normal(size=(n, k)) > np.linspace(0, 2, k)).astype(np.int64)


def off(a: Any, b: Any) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def scikit(x: Any, y: Any, strength: float, weights: Any = None) -> Any:
    return LogisticRegression(C=1 / strength, tol=1e-8, max_iter=10000).fit(x, y, sample_weight=weights)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of many rows from the first row on."""
    monkeypatch.setattr(linear_probe, "MANY", 1)


@pytest.mark.parametrize("strength", [3.0, 0.1, 0.003])
@pytest.mark.parametrize(("k", "rare"), [(2, False), (5, False), (6, True)])
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_has_the_minimum_of_scikit_learn(strength: float, k: int, rare: bool, weighted: bool) -> None:
    x, y = problem(2000, 40, k, rare=rare)
    hot, stopped = np.eye(k)[y], list[str]()
    weights = row_weights(hot, "balanced") if weighted else None
    scaling, linear = on_all(
        ManyRows(x, hot, "softmax", weights, None, 1), {"scaling": "column"}, [40], strength, stopped
    )
    assert not stopped
    scaled = logistic.shrunken_scaling(x)
    assert np.allclose(scaling.scale, scaled.scale, rtol=1e-6) and np.allclose(scaling.mean, scaled.mean)
    theirs = scikit(scaled(x), y, strength if k > 2 else strength / 2, weights)
    weight = linear.weight if k > 2 else np.diff(linear.weight)
    assert off(weight, theirs.coef_.T) < NEAR
    ours = log_softmax(linear(scaled(x)), axis=1)
    assert np.abs(np.exp(ours) - theirs.predict_proba(scaled(x))).max() < NEAR


def test_sigmoid_has_the_minimum_of_scikit_learn() -> None:
    x, y = several(2000, 30, 4)
    _, linear = on_all(ManyRows(x, y, "sigmoid", None, None, 1), {"scaling": "common"}, [30], 0.1, [])
    for c in range(4):
        theirs = scikit(logistic.common_scaling(x)(x), y[:, c], 0.1)
        assert off(linear.weight[:, c], theirs.coef_[0]) < NEAR
        assert linear.bias[c] == pytest.approx(theirs.intercept_[0], abs=NEAR)


@pytest.mark.parametrize("name", ["common", "column", "standard"])
def test_out_of_fold_logits_are_those_of_scikit_learn(name: str) -> None:
    """Each fold's columns are scaled by the rows outside it, though none is copied for it."""
    x, y = problem(1500, 30, 3)
    fold = np.random.default_rng(0).integers(0, 4, 1500)
    path = along_path(ManyRows(x, np.eye(3)[y], "softmax", None, fold, 1), {"scaling": name}, [30])
    for strength in (3.0, 1.0, 0.3, 0.1):
        found = path(strength)
        for f in range(4):
            scaling = logistic.blockwise([name], [1.0], x[fold != f], [30], np.eye(3)[y[fold != f]])
            theirs = scikit(scaling(x[fold != f]), y[fold != f], strength)
            logits = theirs.decision_function(scaling(x[fold == f]))
            ours = found[fold == f] - found[fold == f].mean(1, keepdims=True)
            assert off(ours, logits) < 0.02, strength
            right = np.arange(len(logits)), y[fold == f]
            loss, wanted = (-log_softmax(z, axis=1)[right].mean() for z in (ours, logits))
            assert loss == pytest.approx(wanted, rel=LOSS)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    x, y = problem(1500, 30, 3)
    fold = np.random.default_rng(0).integers(0, 5, 1500)
    rows = ManyRows(x, np.eye(3)[y], "softmax", None, fold, 1)
    warm = along_path(rows, {"scaling": "common"}, [30])
    for strength in (10.0, 1.0, 0.1):
        cold = along_path(rows, {"scaling": "common"}, [30])(strength)
        assert off(warm(strength), cold) < 0.01


def test_the_same_bits_whatever_the_threads(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = problem(9000, 60, 3)
    heads = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(linear_probe, "threads", lambda threads=threads: threads)
        with threadpool_limits(threads):
            heads.append(fit_features(x, y, target(3)))
    for other in heads[1:]:
        assert (other.head.linear.weight == heads[0].head.linear.weight).all()
        assert (other.logits == heads[0].logits).all() and other.record == heads[0].record


CASES: list[dict[str, Any]] = [
    {}, {"per_feature_scaling": True}, {"class_weight": "balanced"}, {"class_weight": [1.0, 2.0, 0.5]},
    {"groups": np.arange(900) // 7}, {"blocks": [5, 20, 15]}, {"blocks": [30, 10], "class_weight": "balanced"},
]  # fmt: skip


@pytest.mark.parametrize("options", CASES, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("kind", ["several classes", "two classes", "several labels"])
def test_every_option_means_what_it_means_for_few_rows(
    options: dict[str, Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "several labels":
        x, y = several(900, 40, 3)
    else:
        x, y = problem(900, 40, 3 if kind == "several classes" else 2)
    spec = target(3, "multilabel") if y.ndim == 2 else target(int(y.max()) + 1)
    if isinstance(options.get("class_weight"), list) and kind == "two classes":
        options = {"class_weight": [1.0, 2.0]}
    few = fit_features(x, y, spec, **options)
    monkeypatch.setattr(linear_probe, "MANY", 1)
    rows = fit_features(x, y, spec, **options)
    assert len(rows.record["tried"]) == len(few.record["tried"]) and "stopped_early" not in rows.record
    for ours, before in zip(rows.record["tried"], few.record["tried"], strict=True):
        assert ours["log_loss"] == pytest.approx(before["log_loss"], rel=LOSS)
        assert ours["strength"] == before["strength"]
    again = fit_features(x, y, spec, **options, record=few.record)
    before = few.head.linear.weight.numpy()
    assert off(again.head.linear.weight.numpy(), before) < 5e-3
    assert np.allclose(again.head.scale, few.head.scale, rtol=1e-5)
    same = fit_features(x, y, spec, **options, record=rows.record)
    assert (same.head.linear.weight == rows.head.linear.weight).all(), "a record repeats what it records"


def test_units_far_apart_lose_nothing(many: None) -> None:
    """Columns as of a table: far from 0 beside their spread, huge, tiny, of one value."""
    x, y = problem(1200, 6, 3)
    plain = fit_features(x, y, target(3), per_feature_scaling=True)
    odd = np.hstack([x * [1, 1e9, 1e-9, 1, 1, 1e200] + [0, 0, 0, 1e6, -1e4, 0], np.full((1200, 1), 0.1)])
    moved = fit_features(odd, y, target(3), per_feature_scaling=True)
    for a, b in zip(moved.record["tried"], plain.record["tried"], strict=True):
        assert a["log_loss"] == pytest.approx(b["log_loss"], rel=LOSS)


def test_what_stops_early_says_so(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = problem(600, 20, 3)
    monkeypatch.setattr(logistic, "STEPS", 2)
    said = fit_features(x, y, target(3)).record["stopped_early"]
    assert said == ["the logistic regression stopped after 2 steps, short of its minimum"]


def test_columns_alone_are_rows_of_their_own() -> None:
    x, y = problem(700, 20, 3)
    fold = np.arange(700) % 3
    part = ManyRows(x, np.eye(3)[y], "softmax", None, fold, 1).columns(5, 10)
    alone = ManyRows(x[:, 5:15], np.eye(3)[y], "softmax", None, fold, 1)
    a, b = (along_path(m, {"scaling": "column"}, [10])(1.0) for m in (part, alone))
    assert off(a, b) < 0.01


def test_few_rows_go_their_old_way(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = problem(300, 20, 3)
    before = fit_features(x, y, target(3)).head.linear.weight
    monkeypatch.setattr(linear_probe, "ManyRows", None)
    monkeypatch.setattr(many_path, "_solve", None)
    assert (fit_features(x, y, target(3)).head.linear.weight == before).all()


def test_no_fold_is_copied() -> None:
    """Beside the rows one copy in float32 and blocks of a size of their own: five folds on a path cost no more."""
    n, d, k = 40_000, 100, 3
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    y = (x[:, :k] + rng.standard_normal((n, k), dtype=np.float32)).argmax(1)
    hot, fold = np.eye(k)[y], np.arange(n) % 5
    tracemalloc.start()
    try:
        path = along_path(ManyRows(x, hot, "softmax", None, fold, 2), {"scaling": "column"}, [d])
        path(1.0), path(0.3)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1.0 * x.nbytes + 2 * hot.nbytes + 16e6


def test_descent_of_a_quadratic_form_with_its_own_metric_takes_one_step() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(8, 8))
    curved, goal = root.T @ root + np.eye(8), rng.normal(size=8)
    done = followed(
        np.zeros(8), lambda at: (1 + (at - goal) @ curved @ (at - goal) / 2, curved @ (at - goal), at - goal)
    )
    assert done.arrived and done.steps == 1 and np.allclose(done.at, goal)


def test_descent_with_a_poor_metric_finds_the_minimum_of_a_bent_valley() -> None:
    scales = np.array([1.0, 30.0, 900.0])

    def valley(at: Any) -> tuple[float, Any, Any]:
        return float((scales * np.cosh(at)).sum()), scales * np.sinh(at), scales * np.sinh(at) / 900

    done = followed(np.full(3, 2.0), valley)
    assert done.arrived and np.abs(done.at).max() < 1e-3


def followed(at: Any, valued: Any) -> Any:
    asking = descent.descend(at, 1e-12, 500)
    at = next(asking)
    with pytest.raises(StopIteration) as end:
        while True:
            at = asking.send(descent.Valued(*valued(at)))
    return end.value.value


@pytest.mark.parametrize("link", ["softmax", "sigmoid"])
def test_a_class_that_no_row_has_is_told_off_and_no_more(link: Any) -> None:
    x, y = problem(800, 15, 3)
    hot, stopped = np.eye(4)[y], list[str]()
    scaling, linear = on_all(ManyRows(x, hot, link, None, None, 1), {"scaling": "common"}, [15], 0.1, stopped)
    logits = linear(scaling(x))
    assert not stopped and np.isfinite(logits).all() and (logits[:, 3] < logits.max(1) - 3).all()


def test_rows_beyond_what_a_choice_gains_by_are_learned_from_at_the_end(
    many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = problem(3000, 10, 3)
    monkeypatch.setattr(linear_probe, "ROWS_A_COLUMN", 100)
    fitted = fit_features(x, y, target(3))
    assert fitted.rows is not None and len(np.unique(fitted.rows)) == 1000
    on_every = fit_features(x, y, target(3), record=fitted.record)
    assert (fitted.head.linear.weight == on_every.head.linear.weight).all()
    monkeypatch.setattr(linear_probe, "MOST_VALUES", 15_000)
    assert len(fit_features(x, y, target(3)).rows) == 500  # type: ignore[arg-type]


def test_columns_that_say_the_same_have_a_minimum_too() -> None:
    """Rounding leaves no positive curvature where one column says what two hundred others say."""
    x, y = problem(6000, 6, 3)
    copies = np.repeat(x, 50, 1)
    found = []
    for rows, strength in ((x, 1e-4 * 50), (copies, 1e-4 * 50)):
        many, stopped = ManyRows(rows, np.eye(3)[y], "softmax", None, None, 1), list[str]()
        scaling, linear = on_all(many, {"scaling": "standard"}, [rows.shape[1]], strength, stopped)
        assert not stopped
        found.append(linear(scaling(rows)))
    assert off(found[1], found[0]) < NEAR
