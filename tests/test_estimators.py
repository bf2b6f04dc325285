"""scikit-learn's own checks, and its tools around our estimators."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import regraft
from regraft import Classifier, FeatureExtractor, Regressor
from regraft.data.sources import open_data
from regraft.errors import DataError


@parametrize_with_checks([Classifier(), Classifier("raw"), Regressor("raw"), FeatureExtractor("raw")])
def test_scikit_learn_conventions(estimator, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = open_data("embedded:digits")
    return np.stack([data.items.load(i) for i in range(200)]), data.y[:200]


def test_arrays_lists_paths_and_pillow_pictures_agree(shapes: Path) -> None:
    paths = sorted(str(p) for p in shapes.rglob("*.png"))
    images = [Image.open(p) for p in paths]
    arrays = np.stack([np.asarray(i) for i in images])
    extract = FeatureExtractor("regraft_tiny").fit(paths)
    rows = extract.transform(paths)
    assert rows.shape == (40, 320) and rows.dtype == np.float32
    assert (extract.transform(images) == rows).all()
    assert (extract.transform(arrays) == rows).all()
    assert (extract.transform(arrays.astype(float) / 255) == rows).all()
    assert len(extract.get_feature_names_out()) == 320


def test_cross_validation_and_pipeline(digits) -> None:
    x, y = digits
    assert cross_val_score(Classifier(), x, y, cv=3).mean() > 0.9
    pipe = make_pipeline(FeatureExtractor("regraft_tiny"), LogisticRegression(max_iter=500))
    assert cross_val_score(pipe, x, y, cv=3).mean() > 0.9


def test_classifier_keeps_labels_as_given_and_saves(digits, tmp_path: Path) -> None:
    x, y = digits
    names = np.array([f"digit {v}" for v in y])
    model = clone(Classifier("regraft_tiny", seed=3)).fit(x, names)
    assert model.predict(x[:5]).tolist() == names[:5].tolist()
    assert model.score(x, names) > 0.95
    p = model.predict_proba(x)
    assert np.allclose(p.sum(1), 1) and p.shape == (200, 10)
    model.save(tmp_path / "m")
    assert (regraft.load(tmp_path / "m").predict_proba(x) == p).all()


def test_mistakes_are_named(digits, tmp_path: Path) -> None:
    x, y = digits
    with pytest.raises(DataError, match="each item takes one label"):
        Classifier().fit(x, y[:-1])
    with pytest.raises(DataError, match="one class"):
        Classifier().fit(x, np.zeros(200))
    with pytest.raises(DataError, match="no such file"):
        Classifier().fit(["a.png", "b.png"], [0, 1])
    (tmp_path / "a.png").write_text("no")
    Image.new("RGB", (5, 5)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"a\.png cannot be used"):
        FeatureExtractor("regraft_tiny").fit_transform([str(tmp_path / "a.png"), str(tmp_path / "b.png")])


def test_least_squares_on_the_diabetes_table() -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression

    x, y = load_diabetes(return_X_y=True)
    ours, theirs = Regressor("raw", alpha=0).fit(x, y), LinearRegression().fit(x, y)
    assert np.abs(ours.predict(x) - theirs.predict(x)).max() < 1e-8
    assert ours.coef_ == pytest.approx(theirs.coef_, abs=1e-8) and ours.intercept_ == pytest.approx(theirs.intercept_)
    wide = x[:8]
    assert Regressor("raw", alpha=0).fit(wide, y[:8]).predict(x[:20]) == pytest.approx(
        LinearRegression().fit(wide, y[:8]).predict(x[:20]), abs=1e-6
    ), "the shortest of many solutions"


def test_sigma_intervals_and_quantiles_hold_on_new_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 5))
    y = x @ [3.0, -1, 0, 0, 2] + 5 + rng.normal(0, 2, 1200)
    model = Regressor("raw", quantiles=(0.1, 0.9)).fit(x[:300], y[:300])
    assert model.sigma_ == pytest.approx(2, abs=0.2) and model.score(x[300:], y[300:]) > 0.7
    values, sigma = model.predict(x[300:], return_std=True)
    assert np.mean(np.abs(values - y[300:]) < 1.645 * sigma) == pytest.approx(0.9, abs=0.03)
    low, high = model.predict_interval(x[300:], 0.9).T
    assert np.mean((low <= y[300:]) & (y[300:] <= high)) == pytest.approx(0.9, abs=0.03)
    assert (y[300:, None] <= model.predict_quantiles(x[300:])).mean(0) == pytest.approx([0.1, 0.9], abs=0.04)
    model.save(tmp_path / "m")
    assert (regraft.load(tmp_path / "m").predict(x) == model.predict(x)).all()
    with pytest.raises(DataError, match="y 7 numbers"):
        Regressor("raw").fit(x, y[:7])


def test_frames_with_gaps_and_categories() -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"area": rng.uniform(40, 200, 80), "district": rng.choice(["north", "south"], 80)})
    y = 2 * frame["area"] + 50 * (frame["district"] == "north") + rng.normal(0, 3, 80)
    frame.loc[[3, 5], "area"] = np.nan
    model = Regressor("raw", alpha=0).fit(frame, y)
    assert [c["name"] for c in model.record_["coefficients"]] == ["area", "district=" + _rarer(frame), "(constant)"]
    assert model.score(frame.drop([3, 5]), y.drop([3, 5])) > 0.9
    kinds = Classifier("raw").fit(frame.assign(price=y), frame["district"])
    assert kinds.score(frame.assign(price=y), frame["district"]) == 1


def _rarer(frame) -> str:
    return str(frame["district"].value_counts().index[-1])
