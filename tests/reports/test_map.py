"""The map of the features against scikit-learn's t-SNE, and where there is little to show."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

from regraft.pipelines.evidence.projection import affinities, plane


def divergence(near: np.ndarray, places: np.ndarray) -> float:
    """Kullback and Leibler's, of the nearness in the plane from that of the features: what t-SNE makes small."""
    q = 1 / (1 + ((places[:, None] - places) ** 2).sum(-1))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    return float((near[near > 0] * np.log(near[near > 0] / q[near > 0])).sum())


@pytest.mark.parametrize("n", [40, 150, 400])
def test_a_map_is_as_good_as_that_of_scikit_learn(n: int) -> None:
    x = load_digits().data[:n]
    flat = PCA(min(30, *x.shape), random_state=0).fit_transform(x / x.std(0).max())
    perplexity = min(30.0, (n - 1) / 3)
    theirs = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(flat).astype(float)
    ours, near = plane(x), affinities(flat, perplexity)
    assert np.isclose(near.sum(), 1) and np.allclose(near, near.T)
    assert divergence(near, ours) < divergence(near, theirs) + 0.06
    assert trustworthiness(x, ours, n_neighbors=5) > trustworthiness(x, theirs, n_neighbors=5) - 0.02
    assert np.array_equal(ours, plane(x)), "always the same"


def test_each_row_has_as_many_neighbours_as_were_asked_for() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    near = affinities(x, 10.0)
    assert near.diagonal().sum() == 0 and np.isclose(near.sum(), 1)
    copies = affinities(np.repeat(x[:10], 5, 0), 10.0)
    assert np.isfinite(copies).all() and np.isclose(copies.sum(), 1)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 9, 10, 25])
def test_maps_of_few_rows(rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(rows, 6))
    for some in (x, np.ones_like(x), x[:, :1], csr_matrix(x)):
        found = plane(some)
        assert found.shape == (rows, 2) and np.isfinite(found).all()


def test_words_that_are_counted_have_a_map() -> None:
    """A sparse matrix is shown as the same numbers without gaps are, by its first axes."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 300)) * (rng.random((60, 300)) < 0.05)
    x[:30, :40] += 1
    found = plane(csr_matrix(x))
    gap = np.linalg.norm(found[:30].mean(0) - found[30:].mean(0))
    assert gap > 2 * max(found[:30].std(), found[30:].std()) or gap > 5
