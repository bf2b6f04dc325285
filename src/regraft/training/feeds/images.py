"""Batches of pictures: decoded, augmented, drawn near each other in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.core.errors import DataError
from regraft.core.types import PreprocessSpec
from regraft.data.items import Items
from regraft.data.transforms.loaders import batches
from regraft.data.transforms.policy import Augmented, Policy
from regraft.training.feeds.base import ALL, order

NEIGHBOURS = 50


@dataclass(frozen=True)
class PictureBatches:
    """Pictures decoded and augmented anew each epoch, as float inputs of the network."""

    items: Items
    spec: PreprocessSpec
    policy: Policy
    seed: int

    def __len__(self) -> int:
        return len(self.items)

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        view = Augmented(self.items, self.spec, self.policy, self.seed, number)
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.spec.mean, self.spec.std))
        for positions in _loaded(view, order(len(self), self.seed, number, size, share)[skip:], self.spec):
            data, kept = positions
            x = torch.from_numpy(data).permute(0, 3, 1, 2).float() / 255
            yield ((x - mean) / std).contiguous(memory_format=torch.channels_last), kept


def _loaded(
    view: Augmented, parts: Sequence[NDArray[np.int64]], spec: PreprocessSpec
) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
    """Each part as one array, decoded in threads ahead of its use."""
    flat = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    sizes = [len(p) for p in parts]
    chunk = max(sizes, default=1)
    ready = replace(spec, resize=None)  # views come at the network's size
    waiting: list[NDArray[Any]] = []
    for batch in batches(view, flat.tolist(), ready, chunk):
        for i, why in batch.failed.items():
            raise DataError(f"{view.name(i)} could be read before and cannot be now: {why}.")
        waiting += list(batch.data[: len(batch.positions)])
        while sizes and len(waiting) >= sizes[0]:
            n = sizes.pop(0)
            yield np.stack(waiting[:n]), flat[:n]
            waiting, flat = waiting[n:], flat[n:]
