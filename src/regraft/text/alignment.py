"""Bringing the word vectors of two languages into one space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regraft.core.errors import InputError


def align(source: NDArray[Any], target: NDArray[Any], pairs: ArrayLike) -> NDArray[np.float64]:
    """The orthogonal W (D, D) for which ``source @ W`` lies nearest to ``target`` over the given pairs.

    ``source`` (n, D), ``target`` (m, D), ``pairs`` (k, 2) row numbers that mean the same. Rows are scaled to length 1
    (orthogonal Procrustes, Smith et al. 2017, https://arxiv.org/abs/1702.03859). Raises ``InputError`` where widths
    differ, or pairs are none or not there.
    """
    chosen = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise InputError(
            f"Vectors of the shapes {source.shape} and {target.shape} cannot be aligned: give (n, D), (m, D)."
        )
    if not len(chosen):
        raise InputError("To align word vectors, at least one pair of words that mean the same is needed.")
    if chosen.min() < 0 or (chosen.max(0) >= (len(source), len(target))).any():
        raise InputError(f"A pair names a row beyond the {len(source)} and {len(target)} vectors there are.")
    x, y = unit(source[chosen[:, 0]]), unit(target[chosen[:, 1]])
    u, _, v = np.linalg.svd(x.T @ y)
    rotation: NDArray[np.float64] = u @ v
    return rotation


def unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows (n, D) scaled to length 1; rows of zeros stay."""
    wide = rows.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
