"""Batches of texts as tokens, padded to the longest of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from regraft.training.feeds.base import ALL, whole_order
from regraft.training.feeds.images import NEIGHBOURS


@dataclass(frozen=True)
class TextBatches:
    """Texts as token numbers, those of about the same length together, padded to a multiple of 8.

    ``pack`` makes one tensor (n, 2, length), numbers and mask, of some texts.
    """

    tokens: Sequence[Sequence[int]]
    pack: Callable[[Sequence[Sequence[int]], int], Tensor]
    seed: int

    def __len__(self) -> int:
        return len(self.tokens)

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        parts = self._by_length(whole_order(len(self), self.seed, number, size, share[1]), number)
        for part in parts[skip:]:
            positions = part[share[0] :: share[1]]
            chosen = [self.tokens[i] for i in positions]
            yield self.pack(chosen, padded(max(map(len, chosen)))), positions

    def _by_length(self, parts: list[NDArray[np.int64]], number: int) -> list[NDArray[np.int64]]:
        """The same numbers of texts a batch; among every 50 batches the texts are dealt by length."""
        lengths = np.array([len(t) for t in self.tokens])
        rng, found = np.random.default_rng([self.seed, number, 1]), []
        for start in range(0, len(parts), NEIGHBOURS):
            some = parts[start : start + NEIGHBOURS]
            flat = np.concatenate(some)
            flat = flat[np.argsort(lengths[flat], kind="stable")]
            dealt = np.split(flat, np.cumsum([len(p) for p in some])[:-1])
            found += [dealt[i] for i in rng.permutation(len(dealt))]
        return found


def padded(length: int) -> int:
    """The next multiple of 8."""
    return -(-length // 8) * 8
