"""Features of many columns in a plane, to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.pipelines.evidence.tsne import LEAST, tsne

COMPONENTS = 30
"""Principal components that neighbours are told by."""


def plane(x: NDArray[Any]) -> NDArray[np.float64]:
    """Features (n, D), sparse ones too, of at most some thousand rows -> places (n, 2) that keep neighbours together
    (`tsne`).

    Always the same for the same features. With fewer than 10 rows, or features that do not vary, the first two
    principal components.
    """
    flat = principal(x)
    if len(flat) < LEAST or flat.shape[1] < 2:
        return np.pad(flat, ((0, 0), (0, 2)))[:, :2]
    return tsne(flat)


def principal(x: NDArray[Any]) -> NDArray[np.float64]:
    """Rows (n, D), sparse ones too -> their first principal components (n, k), k at most 30, those that do not vary
    left out; the longest side of the first is positive.

    By the centred products of the rows (n, n), so D may be large (Gower 1966, principal coordinates).
    """
    n = x.shape[0]
    if not n:
        return np.zeros((0, 0))
    rows: Any = x if issparse(x) else np.asarray(x, np.float64)
    products = rows @ rows.T
    gram = np.asarray(products.toarray() if issparse(x) else products, np.float64)
    middle = gram.mean(0)
    gram += gram.mean() - middle - middle[:, None]
    values, vectors = np.linalg.eigh(gram)
    kept = [i for i in range(n - 1, max(n - 1 - COMPONENTS, -1), -1) if values[i] > 1e-10 * max(values[-1], 1e-12)]
    places = vectors[:, kept] * np.sqrt(values[kept])
    turned: NDArray[np.float64] = places * np.sign(places[np.abs(places).argmax(0), np.arange(len(kept))])
    return turned
