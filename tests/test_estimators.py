"""scikit-learn's own checks, and its tools around our estimators."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import regraft
from regraft import Classifier, FeatureExtractor, Regressor
from regraft.core.errors import DataError, DataWarning, InputError
from regraft.data.items import PictureObjects
from regraft.data.open import open_data


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


@pytest.fixture
def table() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": rng.normal(size=40) * 10, "c": rng.choice(["r", "g"], 40)})
    return frame, np.where(frame.a + (frame.c == "r") > 0.5, "u", "v")


def test_columns_are_read_by_name(table, tmp_path: Path) -> None:
    frame, y = table
    for fitted in (frame, frame[["a", "b"]]):
        model = Classifier("raw").fit(fitted, y)
        turned, expected = fitted[[*fitted.columns[::-1]]], model.predict(fitted)
        with pytest.raises(DataError, match="same order"):
            model.predict(turned)
        with pytest.raises(DataError, match="unseen at fit time"):
            model.predict(fitted.rename(columns={"a": "z"}))
        model.save(tmp_path / "m")
        loaded = regraft.load(tmp_path / "m")
        assert (loaded.predict(turned) == expected).all() and (loaded.predict(fitted.assign(z=1)) == expected).all()
        assert (loaded.predict(pa.Table.from_pandas(turned)) == expected).all()
        with pytest.raises(DataError, match="no column 'a'"):
            loaded.predict(fitted.drop(columns="a"))


def test_gaps_and_new_categories_are_filled_in_and_said(table, tmp_path: Path) -> None:
    frame, y = table
    model = Classifier("raw").fit(frame, y)
    model.save(tmp_path / "m")
    full = frame.tail(4).assign(b=frame.b.median(), c=frame.c.mode()[0])
    gaps = frame.tail(4).assign(b=np.nan, c=pd.Categorical(["purple"] * 4))
    for one in (model, regraft.load(tmp_path / "m")):
        with pytest.warns(DataWarning) as said:
            found = one.predict(gaps)
        assert (found == one.predict(full)).all()
        told = [str(w.message) for w in said]
        assert any("b has 4 missing" in t for t in told) and any(
            "c holds what training did not (purple in 4 rows)" in t for t in told
        )


def test_what_is_left_out_of_a_table_is_said(table) -> None:
    frame, y = table
    with pytest.warns(DataWarning) as said:
        model = Classifier("raw").fit(
            frame.assign(id=range(100, 140), day=pd.date_range("2024-01-01", periods=40), same=1, none=None), y
        )
    told = " ".join(str(w.message) for w in said)
    assert all(words in told for words in ("id holds ids", "day holds dates", "same holds 1 in every", "none holds no"))
    assert model.columns_ is not None and model.columns_.features == ("a", "b", "c")
    with pytest.raises(DataError, match="two columns of the same name"):
        Classifier("raw").fit(frame.set_axis(["a", "a", "c"], axis=1), y)
    with pytest.raises(DataError, match="row 0: 'a' is 'inf'"):
        Classifier("raw").fit(frame.assign(a=np.inf), y)


def test_columns_without_names_of_texts(table, tmp_path: Path) -> None:
    frame, y = table
    numbered = frame[["a", "b"]].set_axis([0, 1], axis=1)
    model = Classifier("raw").fit(numbered, y)
    assert (model.predict(numbered[[1, 0]]) == model.predict(numbered)).all(), "numbers are names too"
    levels = frame[["a", "b"]].set_axis(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")]), axis=1)
    assert Classifier("raw").fit(levels, y).columns_.features == ("x a", "x b")
    with pytest.raises(DataError, match="string names"):
        Classifier("raw").fit(frame.set_axis(["a", 1, "c"], axis=1), y)


def test_a_network_refuses_items_of_another_kind(digits, tmp_path: Path) -> None:
    x, y = digits
    pictures, texts = Classifier("regraft_tiny").fit(x, y), Classifier("tfidf").fit(["a b", "c d"] * 5, [0, 1] * 5)
    rows = Regressor("raw").fit(x[:, 0], y)
    rows.save(tmp_path / "rows")
    reviews, numbers = open_data("embedded:reviews").items, x[:, 0]
    for use in (lambda: pictures.predict(reviews), lambda: texts.predict(open_data("embedded:digits").items),
                lambda: texts.predict(x), lambda: pictures.predict(numbers), lambda: rows.predict(x),
                lambda: rows.predict(["a b"]), lambda: regraft.load(tmp_path / "rows").predict(reviews),
                lambda: FeatureExtractor("tfidf").fit(["a b", "c d"]).transform(x),
                lambda: Classifier("tfidf+regraft_tiny_text").fit(x, y)):  # fmt: skip
        with pytest.raises(InputError, match=r"takes|holds"):
            use()


def test_parameters_and_targets_that_cannot_be_meant(table) -> None:
    frame, y = table
    x = frame[["a", "b"]].to_numpy()
    for wrong in ({"seed": -1}, {"seed": "x"}, {"device": "nope"}, {"engine": "nope"}, {"class_weight": {"u": np.nan}}):
        with pytest.raises(InputError):
            Classifier("raw", **wrong).fit(x, y)
    for wrong in ({"alpha": np.nan}, {"alpha": "x"}, {"alpha": -1}, {"quantiles": ("a",)}):
        with pytest.raises(InputError):
            Regressor("raw", **wrong).fit(x, x[:, 0])
    model = Regressor("raw").fit(x, x[:, 0])
    for level in (0, 1, -1, np.nan, "x", None):
        with pytest.raises(InputError, match="level"):
            model.predict_interval(x, level)
    with pytest.raises(DataError, match="nothing to learn"):
        Regressor("raw").fit(x, np.ones(40))
    with pytest.raises(DataError, match="5 or more"):
        Regressor("raw").fit(x[:3], x[:3, 0])
    with pytest.warns(DataWarning, match="another label for each of its 40"):
        Classifier("raw").fit(x, [f"id{i}" for i in range(40)])
    with pytest.warns(DataWarning, match="differ by case"):
        Classifier("raw").fit(x, ["Cat", "cat"] * 20)
    with pytest.warns(DataWarning, match="1e"):
        Regressor("raw").fit(x, np.where(np.arange(40) == 3, 1e9, x[:, 0]))
    assert Classifier("raw").fit(x, pd.Series([1, 2] * 20, dtype="Int64")).predict(x).dtype == np.int64


def test_a_reader_that_fails_is_named(digits) -> None:
    class Broken(PictureObjects):
        def load(self, i: int) -> np.ndarray:
            raise AttributeError("no attribute 'size'")

        def digest(self, i: int) -> bytes:
            return bytes([i] * 16)

    with pytest.raises(DataError, match=r"X\[0\] cannot be used: it cannot be read: no attribute"):
        Classifier("regraft_tiny").fit(*digits).predict(Broken([Image.new("RGB", (5, 5))]))
