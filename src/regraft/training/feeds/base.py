"""What a training loop is fed: the same batches for the same seed and epoch, whatever happened before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from regraft.models.detectors.base import Batch

Inputs = Tensor | Batch
ALL = (0, 1)


class Batches(Protocol):
    """n examples in batches."""

    def __len__(self) -> int: ...

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Inputs, NDArray[np.int64]]]:
        """Yields (inputs, positions) in the order of epoch ``number``, without its first ``skip`` batches.

        Of each batch only the share of process ``share[0]`` among ``share[1]``.
        """
        ...


def order(n: int, seed: int, number: int, size: int, share: tuple[int, int] = ALL) -> list[NDArray[np.int64]]:
    """Positions 0..n-1 in the order of one epoch, in batches of ``size``, of which every process takes its share.

    A last batch with less than two for a process joins the one before, since batch normalisation cannot learn from a
    single example.
    """
    return [p[share[0] :: share[1]] for p in whole_order(n, seed, number, size, share[1])]


def whole_order(n: int, seed: int, number: int, size: int, processes: int = 1) -> list[NDArray[np.int64]]:
    """The batches of `order` before they are shared out."""
    shuffled = np.random.default_rng([seed, number]).permutation(n)
    parts = [shuffled[i : i + size] for i in range(0, n, size)]
    if len(parts) > 1 and len(parts[-1]) < 2 * processes:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


def count(n: int, size: int, processes: int = 1) -> int:
    """How many batches `order` makes."""
    last = n % size or size
    return max(1, -(-n // size) - (last < 2 * processes and n > size))
