"""Maps of features: neighbours stay together, as well as by scikit-learn's t-SNE."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

from regraft.pipelines.evidence.projection import plane, principal
from regraft.pipelines.evidence.tsne import affinities, gradient, squared_distances, tsne

DIGITS = load_digits().data[:300]


def divergence(places: np.ndarray, near: np.ndarray) -> float:
    close = 1 / (1 + squared_distances(places))
    np.fill_diagonal(close, 0)
    q = close / close.sum()
    some = near > 0
    return float((near[some] * np.log(near[some] / q[some])).sum())


def test_a_map_is_as_good_as_scikit_learns() -> None:
    flat = principal(DIGITS)
    ours = tsne(flat)
    theirs = TSNE(2, perplexity=30, init="pca", random_state=0).fit_transform(flat)
    near = affinities(squared_distances(flat), 30)
    assert divergence(ours, near) < 1.03 * divergence(theirs.astype(float), near)
    assert trustworthiness(flat, ours, n_neighbors=10) > trustworthiness(flat, theirs, n_neighbors=10) - 0.01


def test_the_gradient_is_that_of_the_divergence() -> None:
    rng = np.random.default_rng(0)
    near = affinities(squared_distances(rng.normal(size=(20, 5))), 5)
    places, turn = rng.normal(size=(20, 2)), 1e-6
    slope = gradient(places, near)
    for i, j in ((0, 0), (7, 1), (19, 0)):
        moved = places.copy()
        moved[i, j] += turn
        less = places.copy()
        less[i, j] -= turn
        by_steps = (divergence(moved, near) - divergence(less, near)) / (2 * turn)
        assert slope[i, j] == pytest.approx(by_steps, rel=1e-4)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_each_row_has_the_neighbours_asked_for_whatever_the_unit(unit: float) -> None:
    x = np.random.default_rng(1).normal(size=(60, 8))
    x[30:] *= 50
    near = affinities(squared_distances(unit * x), 15)
    assert near.sum() == pytest.approx(1)
    assert np.allclose(near, affinities(squared_distances(x), 15), atol=1e-9)
    assert (near.sum(1) > 1 / 121).all()  # no row is left out


def test_principal_components_are_scikit_learns() -> None:
    x = DIGITS[:80]
    theirs = PCA(10, random_state=0).fit_transform(x)
    assert np.allclose(np.abs(principal(x)[:, :10]), np.abs(theirs), atol=1e-6)
    assert np.allclose(principal(csr_matrix(x)), principal(x), atol=1e-6)


@pytest.mark.parametrize(
    "x", [np.zeros((0, 4)), np.ones((1, 4)), np.ones((40, 3)), np.eye(5), np.arange(60.0)[:, None], csr_matrix((6, 9)),
          np.repeat(np.eye(3), 20, 0)],
)  # fmt: skip
def test_anything_has_places_and_always_the_same(x: np.ndarray) -> None:
    places = plane(x)
    assert places.shape == (x.shape[0], 2) and np.isfinite(places).all()
    assert (plane(x) == places).all()
