"""What texts are about: clusters of the model's own features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

DIMENSIONS = 50
FEWEST = 20
SEED = 0


def number_of_topics(texts: int) -> int:
    """2 for a few dozen texts, 7 for a thousand, 12 from three thousand on: as many as a person looks through."""
    return min(12, max(2, round(math.sqrt(texts / 20))))


def compact(rows: Any, widths: Sequence[int]) -> NDArray[np.float64]:
    """Features (n, D) -> (n, d) for clustering: each part's columns, less their mean, on its first 50 principal axes,
    at unit length, so that no part of a fusion counts for more than another; sparse ones without taking off the mean
    (latent semantic analysis).
    """
    from sklearn.decomposition import PCA, TruncatedSVD

    found, start = [], 0
    for width in widths:
        part = rows[:, start : start + width]
        start += width
        if issparse(part):  # a dense part beside a sparse one is stored with all its values
            part = part.toarray() if part.nnz == part.shape[0] * part.shape[1] else part
        most = min(DIMENSIONS, width, part.shape[0] - 1)
        with np.errstate(invalid="ignore"):  # shares of the variance, which nobody asks for, where there is none
            if issparse(part):
                small = TruncatedSVD(most, random_state=SEED).fit_transform(part) if most < width else part.toarray()
            else:
                small = PCA(most, random_state=SEED).fit_transform(np.asarray(part, np.float64))
        length = np.linalg.norm(small, axis=1, keepdims=True)
        found.append(small / np.where(length > 0, length, 1))
    return np.concatenate(found, 1)


def clusters(points: NDArray[np.float64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(n,) the cluster of each point, numbered by size from the largest, and its distance to the cluster's centre.

    k-means with a fixed seed; fewer than ``k`` where fewer points differ.
    """
    from sklearn.cluster import KMeans

    k = min(k, len(np.unique(points.round(6), axis=0)))
    means = KMeans(k, n_init=4, random_state=SEED).fit(points)
    order = np.argsort(-np.bincount(means.labels_, minlength=k), kind="stable")
    place = np.argsort(order)
    distance = np.linalg.norm(points - means.cluster_centers_[means.labels_], axis=1)
    return place[means.labels_].astype(np.int64), distance
