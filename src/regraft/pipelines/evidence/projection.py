"""Features of many columns in a plane, to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse


def plane(x: NDArray[Any]) -> NDArray[np.float64]:
    """Features (n, D) -> places (n, 2) that keep neighbours together (t-SNE, van der Maaten and Hinton 2008).

    Always the same for the same features. With fewer than 10 rows, or features that do not vary, the first two
    principal components.
    """
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.manifold import TSNE

    if issparse(x) and min(x.shape) > 2:
        x = TruncatedSVD(min(50, min(x.shape) - 1), random_state=0).fit_transform(x)
    elif issparse(x):
        return np.zeros((x.shape[0], 2))
    x = np.asarray(x, np.float64)
    spread = x.std(0)
    if len(x) < 3 or not spread.any():
        return np.zeros((len(x), 2))
    flat = PCA(min(30, *x.shape), random_state=0).fit_transform(x / spread.max())
    if len(x) < 10 or flat.shape[1] < 2:
        return np.pad(flat, ((0, 0), (0, 2)))[:, :2]
    perplexity = min(30, (len(x) - 1) / 3)
    places: NDArray[np.float64] = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(flat)
    return places.astype(np.float64)
