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
from regraft import Classifier, FeatureExtractor
from regraft.data.sources import open_data
from regraft.errors import DataError


@parametrize_with_checks([Classifier(), Classifier("raw"), FeatureExtractor("raw")])
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
