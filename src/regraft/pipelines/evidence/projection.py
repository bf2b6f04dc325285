"""Features of many columns in a plane, to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

Floats = NDArray[np.float64]

AXES, SPARSE_AXES, PERPLEXITY = 30, 50, 30.0
STEPS, PRESSED, EXAGGERATION = 1000, 250, 12.0
"""Of t-SNE's descent: steps in all, and how many of the first pull neighbours together by that factor."""


def plane(x: NDArray[Any]) -> Floats:
    """Features (n, D) -> places (n, 2) that keep neighbours together (t-SNE, van der Maaten and Hinton 2008).

    Always the same for the same features. With fewer than 10 rows, or features that do not vary, the first two
    principal components.
    """
    if issparse(x):
        if min(x.shape) <= 2:
            return np.zeros((x.shape[0], 2))
        x = _components((x @ x.T).toarray(), min(SPARSE_AXES, min(x.shape) - 1))
    x = np.asarray(x, np.float64)
    if len(x) < 3 or not (spread := x.std(0)).any():
        return np.zeros((len(x), 2))
    centred = (x - x.mean(0)) / spread.max()
    flat = _components(centred @ centred.T, min(AXES, *x.shape))
    if len(x) < 10 or flat.shape[1] < 2:
        return np.pad(flat, ((0, 0), (0, 2)))[:, :2]
    return descended(affinities(flat, min(PERPLEXITY, (len(x) - 1) / 3)), 1e-4 * flat[:, :2] / flat[:, 0].std())


def _components(products: Floats, k: int) -> Floats:
    """The products (n, n) of rows with each other -> the rows (n, k) along their axes of most variance."""
    squares, vectors = np.linalg.eigh(products)
    largest = vectors[:, ::-1][:, :k]
    signs = np.sign(largest[np.abs(largest).argmax(0), np.arange(k)])
    found: Floats = largest * signs * np.sqrt(np.maximum(squares[::-1][:k], 0))
    return found


def affinities(x: Floats, perplexity: float) -> Floats:
    """(n, n) how near rows are to each other, 1 in all: Gaussians whose width gives each row so many neighbours."""
    lengths = (x**2).sum(1)
    apart = np.maximum(lengths[:, None] + lengths - 2 * x @ x.T, 0)
    np.fill_diagonal(apart, np.inf)
    apart -= apart.min(1, keepdims=True)
    np.fill_diagonal(apart, 0)
    low, high, narrow = np.zeros(len(x)), np.full(len(x), np.inf), np.ones(len(x))
    wanted, near = np.log(perplexity), apart
    for _ in range(100):
        near = np.exp(-apart * narrow[:, None])
        np.fill_diagonal(near, 0)
        total = near.sum(1)
        entropy = np.log(total) + narrow * (apart * near).sum(1) / total
        if np.abs(entropy - wanted).max() < 1e-5:
            break
        wide = entropy > wanted
        low, high = np.where(wide, narrow, low), np.where(wide, high, narrow)
        narrow = np.where(np.isfinite(high), (low + high) / 2, 2 * narrow)
    near /= near.sum(1, keepdims=True)
    return (near + near.T) / (2 * len(x))


def descended(near: Floats, start: Floats) -> Floats:
    """Places (n, 2), from ``start``, whose nearness by Student's t comes closest to ``near`` (n, n): the gradient of
    the paper, with momentum and the rates of Jacobs 1988, as scikit-learn has them; exact, since n is small.
    """
    n, y = len(start), start.astype(np.float32)
    wanted = (EXAGGERATION * near).astype(np.float32)
    a, b = np.empty((n, n), np.float32), np.empty((n, n), np.float32)
    rate, moved, gains = max(n / EXAGGERATION / 4, 50.0), np.zeros_like(y), np.ones_like(y)
    for step in range(STEPS):
        if step == PRESSED:
            wanted, moved, gains = near.astype(np.float32), np.zeros_like(y), np.ones_like(y)
        lengths = (y**2).sum(1)
        np.matmul(-2 * y, y.T, out=a)
        a += lengths[:, None]
        a += lengths + 1
        np.reciprocal(a, out=a)
        np.fill_diagonal(a, 0)
        np.multiply(a, 1 / a.sum(dtype=np.float64), out=b, casting="same_kind")
        np.subtract(wanted, b, out=b)
        b *= a
        slope = 4 * (b.sum(1)[:, None] * y - b @ y)
        gains = np.maximum(np.where(moved * slope < 0, gains + 0.2, gains * 0.8), 0.01)
        moved = (0.5 if step < PRESSED else 0.8) * moved - rate * gains * slope
        y += moved
    return y.astype(np.float64)
