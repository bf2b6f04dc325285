"""Batches of rows of features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.training.feeds.base import ALL, order


@dataclass(frozen=True)
class RowBatches:
    """Activations at the border of the frozen blocks, one array (n, ...) a view; epochs take the views in turn."""

    views: Sequence[NDArray[Any]]
    seed: int

    def __len__(self) -> int:
        return len(self.views[0])

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        rows = self.views[number % len(self.views)]
        for positions in order(len(self), self.seed, number, size, share)[skip:]:
            yield torch.from_numpy(rows[positions]), positions
