"""What every score is given, and the decompositions that several of them share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs, lapack
from scipy.sparse import issparse

from regraft.core.errors import InputError
from regraft.core.types import LabelSpec
from regraft.tasks import TASKS, Task

Array = NDArray[np.floating[Any]]
CLASSES, ALL = ("classification",), ("classification", "multilabel", "regression")
BLOCK = 1 << 14


class NotApplicable(InputError):
    """A score that says nothing about these features and labels; the message is the reason."""


@dataclass(frozen=True)
class Given:
    """Features ``x`` (n, d) and labels ``y``: class numbers (n,), 0 and 1 (n, k) for multilabel, numbers (n,) or (n, t)
    for regression. ``source`` (n, z) are the probabilities of the source task's classes where the network has its head;
    ``groups`` (n,) is what no fold may tear; ``blocks`` are the widths of a fusion's parts, whose features alone may be
    sparse.

    Raises ``InputError`` where the features are not finite, or are the same for every item.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    target: LabelSpec
    source: NDArray[Any] | None = None
    groups: NDArray[Any] | None = None
    seed: int = 0
    blocks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        values = self.x.data if issparse(self.x) else self.x
        if not np.isfinite(values).all():
            raise InputError("its features hold values that are no numbers")
        if not len(values) or not np.ptp(values, axis=0).any():
            raise InputError("its features are the same for every item: nothing can be told by them")

    @cached_property
    def gram(self) -> Gram:
        """Products of the features, made once."""
        return Gram(self.x)

    @property
    def kind(self) -> Task:
        """What differs by what the labels are."""
        return TASKS[self.target.task]

    @property
    def targets(self) -> Array:
        """(n, k): one column a class, or a number to be predicted."""
        return self.kind.columns(self.y)


def products(x: Array) -> Array:
    """``x.T @ x`` of (n, d) in float64; of float32 the products are float32 and their sums over blocks float64."""
    if x.dtype != np.float32:
        x = np.asarray(x, np.float64)
        return x.T @ x
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        total += block.T @ block
    return total


class Gram:
    """The inner products of x (n, d): of its columns where n >= d, else of its rows; and their tridiagonal form.

    Whatever a score asks of the spectrum of x it asks of this one small matrix. What is multiplied is centred first:
    in float32 the products of large means would leave nothing of small differences.
    """

    def __init__(self, x: NDArray[Any]) -> None:
        self.x = x if x.dtype == np.float32 else np.asarray(x, np.float64)
        self.n, self.d = x.shape
        self.by_rows = self.n < self.d

    @cached_property
    def mean(self) -> Array:
        """(d,) the mean of the features, in float64."""
        found: Array = self.x.mean(0, dtype=np.float64)
        return found

    @cached_property
    def z(self) -> Array:
        """(n, d) x less the means of its columns, in the precision of x."""
        found = np.empty_like(self.x)
        for start in range(0, self.n, BLOCK):
            found[start : start + BLOCK] = self.x[start : start + BLOCK] - self.mean
        return found

    def seen(self, targets: Array) -> Array:
        """What the decomposition sees of the targets (n, k): X'y (d, k) in float64, or y itself where rows were
        multiplied.
        """
        if self.by_rows:
            return targets
        found: Array = (self.z.T @ targets.astype(self.x.dtype)).astype(np.float64)
        return found + np.outer(self.mean, targets.sum(0))

    @cached_property
    def matrix(self) -> Array:
        """(m, m), m = min(n, d), not centred."""
        if self.by_rows:
            along = self.z @ self.mean
            found: Array = self.centred + along + along[:, None] + self.mean @ self.mean
            return found
        return self.centred + self.n * np.outer(self.mean, self.mean)

    @cached_property
    def centred(self) -> Array:
        """The same of the columns less their means."""
        return products(self.z.T if self.by_rows else self.z)

    @cached_property
    def tridiagonal(self) -> Tridiagonal:
        """The plain products in tridiagonal form; in float64 where the mean drowns the rest."""
        drowned = self.n * float(self.mean @ self.mean) > 10 * float(np.trace(self.centred))
        return Tridiagonal(self.matrix.astype(np.float64 if drowned else self.x.dtype, copy=False))

    @cached_property
    def centred_tridiagonal(self) -> Tridiagonal:
        """The products around the mean in tridiagonal form."""
        return Tridiagonal(self.centred.astype(self.x.dtype, copy=False))


class Tridiagonal:
    """A symmetric matrix A = Q T Q' with T tridiagonal: ``diagonal`` (m,), ``beside`` (m - 1,), and A's eigenvalues.

    Enough for every quadratic form of (A + l I)^-1, at a third of the price of A's eigenvectors. Found in A's own
    precision, used in float64.
    """

    def __init__(self, a: Array) -> None:
        reduce, room, self._turn = get_lapack_funcs(("sytrd", "sytrd_lwork", "ormqr"), (a,))
        self._reflectors, diagonal, beside, self._tau, _ = reduce(a, lower=1, lwork=int(room(len(a), lower=1)[0]))
        self.diagonal, self.beside = diagonal.astype(np.float64), beside.astype(np.float64)
        values = lapack.dsterf(self.diagonal, self.beside)[0] if len(a) > 1 else self.diagonal
        self.eigenvalues: Array = np.maximum(values, 0)

    def turned(self, b: Array) -> Array:
        """``Q.T @ b`` for b (m, k)."""
        b = np.array(b, self._reflectors.dtype, order="F")
        if len(b) > 1:
            vectors = np.asfortranarray(self._reflectors[1:, :-1])
            room = int(self._turn("L", "T", vectors, self._tau, b[1:], -1)[1][0])
            b[1:] = self._turn("L", "T", vectors, self._tau, b[1:], room)[0]
        return b.astype(np.float64)

    def solved(self, shift: float, b: Array) -> Array:
        """``(T + shift I)^-1 b`` for b (m,) and a shift above 0."""
        if len(self.diagonal) == 1:
            return b / (self.diagonal + shift)
        found: Array = lapack.dptsv(self.diagonal + shift, self.beside, b)[2]
        return found
