"""Rows and columns of arrays and sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]


def subsample(n: int, most: int) -> Ints:
    """At most ``most`` of the positions 0..n-1, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) if n else np.zeros(0, int)


def stack_columns(blocks: list[Any]) -> Any:
    """Blocks of columns (n, d_i) as one: an array, or a sparse matrix where one of them is sparse."""
    if not any(scipy.sparse.issparse(b) for b in blocks):
        kind = np.result_type(*blocks)
        return np.concatenate([b.astype(kind, copy=False) for b in blocks], 1)
    return scipy.sparse.hstack(
        [b if scipy.sparse.issparse(b) else _full(b) for b in blocks], format="csr", dtype=np.float32
    )


def stack_rows(blocks: list[Any]) -> Any:
    """Blocks of rows (n_i, d) as one."""
    if not any(scipy.sparse.issparse(b) for b in blocks):
        return np.concatenate(blocks)
    from scipy.sparse import vstack

    return vstack(blocks, format="csr")


def _full(x: NDArray[Any]) -> Any:
    """An array as a sparse matrix without gaps: its zeros are values like others."""
    n, d = x.shape
    return scipy.sparse.csr_matrix((x.ravel(), np.tile(np.arange(d), n), np.arange(n + 1) * d), shape=(n, d))
