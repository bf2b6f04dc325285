"""Distances to the training data against recorded numbers, and what is flagged."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import regraft
from regraft.backbones import catalog
from regraft.data.folds import stratified_folds
from regraft.features.engines import auto
from regraft.models.outliers import Gaussian, OutlierDetector


def test_distances_against_the_recorded_figures(shared) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())["mahalanobis"]
    x, y, query = (np.array(recorded[k]) for k in ("train", "labels", "query"))
    tied, everything = Gaussian.of(x, y, shrinkage=0), Gaussian.of(x, 0 * y, shrinkage=0)
    assert tied.squares(query) == pytest.approx(np.array(recorded["sq_distance_to_class"]), rel=1e-8)
    least, background = tied.squares(query).min(1), everything.squares(query)[:, 0]
    assert least == pytest.approx(recorded["ood_score_min_sq_distance"], rel=1e-8)
    assert background == pytest.approx(recorded["background_sq_distance"], rel=1e-8)
    assert least - background == pytest.approx(recorded["relative_min_minus_background"], rel=1e-8)


def test_fewer_axes_than_columns_by_hand() -> None:
    # two rows: one axis of variance 1, all other directions at the shrunken rest
    x = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    g = Gaussian.of(x, np.zeros(2), shrinkage=0.3)
    # total variance 1 over 3 columns: 0.7 + 0.1 along the axis, 0.1 elsewhere
    assert g.squares(np.array([[2.0, 0, 0], [0, 3.0, 0]]))[:, 0] == pytest.approx([4 / 0.8, 9 / 0.1])


def test_many_axes_agree_with_the_inverse() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 600)) * np.linspace(3, 0.1, 600)
    g = Gaussian.of(x, np.zeros(900))
    assert g.axes.shape == (600, 256)
    query = rng.normal(size=(50, 600)) * np.linspace(3, 0.1, 600)
    from sklearn.covariance import LedoitWolf

    exact = LedoitWolf().fit(x).mahalanobis(query)
    assert np.corrcoef(g.squares(query)[:, 0], exact)[0, 1] > 0.9


def rows(n: int, d: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centres = np.random.default_rng(99).normal(size=(3, d)) * 2
    return (centres[y] + rng.normal(size=(n, d)) + 5).astype(np.float32), y


@pytest.mark.parametrize("classes", [True, False])
def test_what_is_like_training_is_not_flagged(classes: bool) -> None:
    x, y = rows(300)
    made = OutlierDetector.fitted(x, y if classes else None, np.arange(300) % 5)
    kept = OutlierDetector.read(json.loads(json.dumps(made.record())), made.tensors())
    new, strange = rows(2000, seed=1)[0], np.random.default_rng(2).normal(5, 3, (200, 40))
    for name, values in made.scores(new).items():
        assert kept.scores(new)[name] == pytest.approx(values, rel=1e-3, abs=1e-2)
        area = roc_auc_score(np.repeat([0, 1], [2000, 200]), np.append(values, made.scores(strange)[name]))
        assert area > (0.7 if name == "relative" else 0.9), "relative is for what is near"
    assert kept.unlike(kept.scores(new)).mean() < 0.03
    assert kept.unlike(kept.scores(strange)).mean() > 0.8
    assert set(kept.thresholds) == {"mahalanobis", "knn"} | ({"relative"} if classes else set())


def test_columns_with_units_of_their_own() -> None:
    rng = np.random.default_rng(0)
    table = np.stack([rng.normal(100, 20, 200), rng.normal(0.5, 0.01, 200)], 1)
    made = OutlierDetector.fitted(table, None, np.arange(200) % 5, per_feature_scaling=True)
    flags = made.unlike(made.scores(np.array([[100, 0.5], [100, 0.7], [400, 0.5]])))
    assert flags.tolist() == [False, True, True]


def test_a_fit_flags_what_it_has_not_seen(tmp_path, monkeypatch) -> None:
    from PIL import Image

    import regraft
    from tests.conftest import write_shapes

    monkeypatch.chdir(tmp_path)
    folder = write_shapes(tmp_path / "photos", 30)
    result = regraft.fit(str(folder), out="run", controls="none")
    found = result.metrics["unlike"]
    assert found["items"] == 60 and found["flagged"] <= 4 and found["expected"] == pytest.approx(1 / 49, rel=0.1)
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).save("noise.png")
    strange, *usual = regraft.predict("run", ["noise.png", str(folder)]).predictions
    assert strange["unlike"] and np.mean([r["unlike"] for r in usual]) <= 0.1
    assert set(strange["distances"]) == {"mahalanobis", "knn"}, "60 pictures, 320 features: relative tells nothing"
    assert "Unlike the training data" in (tmp_path / "run/report.html").read_text()
    regraft.predict("run", ["noise.png"], out="a.csv")
    assert "unlike" in (tmp_path / "a.csv").read_text().splitlines()[0]
    without = regraft.fit(str(folder), out="without", controls="none", outliers=False)
    assert "unlike" not in without.metrics and "unlike" not in regraft.predict("without", ["noise.png"]).predictions[0]


def test_counted_words_have_no_distances(tmp_path, monkeypatch) -> None:
    import regraft

    monkeypatch.chdir(tmp_path)
    result = regraft.fit("embedded:reviews", out="run", backbone="tfidf", controls="none")
    assert "no-outliers" in {p["kind"] for p in result.problems} and "unlike" not in result.metrics


def test_few_rows_flag_as_many_as_is_said() -> None:
    """Of 50 rows the highest is passed by 1 of 51 new ones, however many scores there are."""
    flagged = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = np.arange(50) % 2
        known = OutlierDetector.fitted(
            rng.lognormal(size=(50, 5)), y, stratified_folds(y, 5, rng), per_feature_scaling=True
        )
        assert known.expected == pytest.approx(1 / 51)
        flagged.append(known.unlike(known.scores(rng.lognormal(size=(2000, 5)))).mean())
    assert 0.85 / 51 < np.mean(flagged) < 1.15 / 51


def test_scores_hang_on_no_neighbours() -> None:
    """The same bits for a row alone, among others and elsewhere: a resumed prediction is that of a whole one."""
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(200, 96)).astype(np.float32), np.arange(200) % 3
    known = OutlierDetector.fitted(rows, y, np.arange(200) % 5)
    new = rng.normal(size=(150, 96)).astype(np.float32)
    together = known.scores(new)
    for some in (np.arange(150)[::-1], np.arange(37), np.array([149]), np.arange(50, 120)):
        for name, values in known.scores(new[some]).items():
            assert np.array_equal(values, together[name][some]), name


def test_a_single_row_costs_a_single_row(shapes, tmp_path, monkeypatch) -> None:
    run = regraft.fit(str(shapes), backbone="regraft_tiny", controls="none", out=str(tmp_path / "run")).run
    predictor = regraft.load(run)
    model, seen = predictor.model, list[int]()
    rows = np.random.default_rng(0).normal(size=(5, model.network.width)).astype(np.float32)
    together = model.logits(rows)
    model.head.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    for row, expected in zip(rows, together, strict=True):
        assert np.abs(model.logits(row[None])[0] - expected).max() <= 1e-5 * np.abs(together).max()
    assert seen == [1] * 5
    # names need no distances to the training data, records do
    monkeypatch.setattr(OutlierDetector, "scores", lambda *_: pytest.fail("reckoned for nothing"))
    file = next(shapes.rglob("*.png"))
    assert len(predictor.predict([str(file)])) == 1 and predictor.predict_proba([str(file)]).shape == (1, 2)
    with pytest.raises(pytest.fail.Exception):
        predictor.answer([str(file)])


def test_the_nominal_cost_is_counted_once(monkeypatch) -> None:
    network = catalog.load("regraft_tiny")
    first = auto.nominal_seconds(network)
    monkeypatch.setattr(network, "watched", lambda *_: pytest.fail("counted again"))
    assert auto.nominal_seconds(network) == first > 0
