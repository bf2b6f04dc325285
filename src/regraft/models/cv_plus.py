"""Intervals around predicted numbers that hold what they promise with few items: CV+.

Barber, Candès, Ramdas and Tibshirani 2021 (https://arxiv.org/abs/1905.02928), sections 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor

from regraft.core.arrays import subsample
from regraft.metrics.numbers import conformal_shares, weighted_rank

MOST, BLOCK = 2000, 256
PREFIX = "folds."


@dataclass(frozen=True)
class FoldHeads:
    """The heads of a cross-validation beside the one that answers: each with the rows that it had not seen.

    Features x (n, D) give ``(x - centre) @ weight + bias``, (n, K). ``fold`` (m,) is which head had not seen a row,
    ``missed`` (m,) by how much it was off there, ``share`` (m,) what the row counts, 1 in all with what is new.
    """

    centre: NDArray[Any]
    weight: NDArray[Any]
    bias: NDArray[Any]
    fold: NDArray[np.int64]
    missed: NDArray[Any]
    share: NDArray[Any]

    @classmethod
    def of(
        cls, heads: list[tuple[NDArray[Any], float]], centre: NDArray[Any], fold: NDArray[np.int64],
        residuals: NDArray[Any], groups: NDArray[Any] | None = None,
    ) -> Self:  # fmt: skip
        """From weights (D,) and a bias a fold, the fold (n,) of each row and its residual (n,) there; items of one of
        ``groups`` (n,) count as one together. Of more than 2,000 residuals as many are kept, evenly by size.
        """
        missed, share = np.abs(residuals), conformal_shares(len(residuals), groups)
        kept = np.lexsort((missed, fold))[subsample(len(missed), MOST)]
        share = share[kept] * share.sum() / share[kept].sum()
        return cls(centre, np.stack([w for w, _ in heads], 1), np.array([b for _, b in heads]), fold[kept],
                   missed[kept], share)  # fmt: skip

    def carries(self, level: float) -> bool:
        """Whether these rows are enough for intervals of that level."""
        return weighted_rank(self.missed, self.share, level) is not None

    def ends(self, rows: Any, level: float, values: NDArray[Any]) -> NDArray[np.float64]:
        """(n, 2) the ends of intervals that hold new numbers with probability ``level``, for features (n, D) and the
        ``values`` (n,) given for them, which always lie inside. Raises ``ValueError`` where the rows do not carry it.
        """
        if not self.carries(level):
            raise ValueError(f"{len(self.missed)} rows carry no interval of {level:g}")
        found = [self._block(rows[i : i + BLOCK], level) for i in range(0, rows.shape[0], BLOCK)]
        low, high = np.concatenate(found).T if found else np.zeros((2, 0))
        return np.stack([np.minimum(low, values), np.maximum(high, values)], 1)

    def _block(self, rows: Any, level: float) -> NDArray[np.float64]:
        """Of one size whatever the number of rows, so that no row depends on its neighbours."""
        padded = np.zeros((BLOCK, rows.shape[1]))
        padded[: rows.shape[0]] = rows.toarray() if issparse(rows) else rows
        each = ((padded - self.centre) @ self.weight + self.bias)[: rows.shape[0], self.fold]
        order = np.argsort(each + self.missed, 1), np.argsort(self.missed - each, 1)
        ends = []
        for way, along in zip((1, -1), order, strict=True):
            # the first of the sorted ends at which the rows so far count as much as the level
            place = (np.cumsum(self.share[along], 1) >= level - 1e-9).argmax(1)
            row = np.take_along_axis(along, place[:, None], 1)
            ends.append(np.take_along_axis(each, row, 1)[:, 0] + way * self.missed[row[:, 0]])
        return np.stack(ends[::-1], 1)

    def tensors(self) -> dict[str, Tensor]:
        return {PREFIX + k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in vars(self).items()}

    @classmethod
    def read(cls, tensors: dict[str, Tensor]) -> Self | None:
        """From what `tensors` gave, None where it is not among these."""
        found = {k.removeprefix(PREFIX): v.numpy() for k, v in tensors.items() if k.startswith(PREFIX)}
        return cls(**found) if found else None
