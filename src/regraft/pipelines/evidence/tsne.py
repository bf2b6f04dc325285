"""t-SNE for the few hundred points of a picture (van der Maaten and Hinton 2008, https://jmlr.org/papers/v9/).

Every pair is reckoned, which for so few is quick; scikit-learn has the method too, but importing it takes longer than
the map.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST, PERPLEXITY = 10, 30.0
"""Fewer rows have no neighbourhoods to speak of; and how many neighbours a row has, in effect."""
EARLY, ROUNDS, EXAGGERATION = 250, 1000, 12.0
"""Rounds in which attraction is exaggerated, rounds in all, and by how much (van der Maaten 2014, section 5)."""
STILL = 1e-4
"""Where no coordinate moves by more than this share of the map's size, it is done."""

Array = NDArray[np.floating[Any]]


def tsne(x: Array) -> NDArray[np.float64]:
    """Rows (n, D), their first columns the principal components -> places (n, 2); always the same for the same rows.

    The places begin at the first two columns. Needs at least 10 rows.
    """
    near = affinities(squared_distances(x), min(PERPLEXITY, (len(x) - 1) / 3)).astype(np.float32)
    places: Array = (x[:, :2] / max(float(x[:, 0].std()), 1e-12) * 1e-4).astype(np.float32)
    rate = max(len(x) / EXAGGERATION / 4, 50.0)  # Belkina et al. 2019, https://doi.org/10.1038/s41467-019-13055-y
    velocity: Array = np.zeros_like(places)
    gains: Array = np.ones_like(places)
    for turn in range(ROUNDS):
        early = turn < EARLY
        slope = gradient(places, near * EXAGGERATION if early else near)
        gains = np.where(slope * velocity < 0, gains + 0.2, np.maximum(gains * 0.8, 0.01))
        velocity = (0.5 if early else 0.8) * velocity - rate * gains * slope
        places = places + velocity
        if not early and np.abs(velocity).max() < STILL * np.ptp(places):
            break
    return (places - places.mean(0)).astype(np.float64)


def squared_distances(x: Array) -> Array:
    """(n, D) -> (n, n)."""
    squares = (x * x).sum(1)
    found: Array = x @ (-2 * x.T)
    found += squares
    found += squares[:, None]
    np.maximum(found, 0, out=found)
    np.fill_diagonal(found, 0)
    return found


def affinities(distances: Array, perplexity: float) -> Array:
    """Squared distances (n, n) -> how likely a pair is one of neighbours (n, n), of sum 1 (equations 1 and 2 of 2008).

    Each row's Gaussian is as wide as makes the entropy of its neighbours log(``perplexity``), found by bisection.
    """
    n = len(distances)
    itself = np.eye(n, dtype=bool)
    off = distances - np.where(itself, np.inf, distances).min(1, keepdims=True)
    off = np.where(itself, 0, off / max(float(off.mean()), 1e-12))
    low, high = np.full((n, 1), -30.0), np.full((n, 1), 30.0)
    for _ in range(60):
        middle = (low + high) / 2
        weight = np.exp(-off * np.exp(middle))
        np.fill_diagonal(weight, 0)
        total = weight.sum(1, keepdims=True)
        entropy = np.log(total) + np.exp(middle) * (weight * off).sum(1, keepdims=True) / total
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    rows = weight / total
    both: Array = (rows + rows.T) / (2 * n)
    return both


def gradient(places: Array, near: Array) -> Array:
    """The slope (n, 2) of the Kullback-Leibler divergence (equation 5 of 2008).

    In place, since most of the time goes into memory.
    """
    close = squared_distances(places)
    close += 1
    np.reciprocal(close, out=close)
    np.fill_diagonal(close, 0)
    pull = close / -close.sum()
    pull += near
    pull *= close
    slope: Array = 4 * (pull.sum(1)[:, None] * places - pull @ places)
    return slope
