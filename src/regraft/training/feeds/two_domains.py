"""What a training on two domains is fed: a batch of the source with labels beside one of the target without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as numbers
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.core.errors import InputError
from regraft.training.feeds.base import ALL, Batches, count


@dataclass(frozen=True)
class Both:
    """Inputs of both domains for one step; ``source`` is None where the source is not used.

    ``places`` are the target's positions (m,), ``progress`` says how much of the training is over (0..1).
    """

    source: Tensor | None
    target: Tensor
    places: Tensor
    progress: float

    def __len__(self) -> int:
        return len(self.target) if self.source is None else min(len(self.source), len(self.target))

    @property
    def device(self) -> torch.device:
        """Where the items lie."""
        return self.target.device

    def to(self, device: Any) -> Both:
        """The same on another device."""
        source = None if self.source is None else self.source.to(device)
        return Both(source, self.target.to(device), self.places.to(device), self.progress)

    def tensor_split(self, parts: int) -> list[Both]:
        """``parts`` pieces of each domain."""
        targets, places = self.target.tensor_split(parts), self.places.tensor_split(parts)
        sources = [None] * parts if self.source is None else self.source.tensor_split(parts)
        return [Both(s, t, p, self.progress) for s, t, p in zip(sources, targets, places, strict=True)]


@dataclass(frozen=True)
class TwoDomains:
    """An epoch is a pass over the target; the source goes on through epochs of its own, however long they are.

    ``plain`` gives the target as it is, without augmentation, in the same positions. ``epochs`` is how many there will
    be.
    """

    source: Batches | None
    target: Batches
    plain: Batches
    epochs: int

    def __len__(self) -> int:
        return len(self.target)

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        """Yields (`Both`, the source's positions), or the target's where there is no source."""
        if share[1] > 1:
            raise InputError(f"--processes {share[1]}: adapting to another domain trains in one.")
        steps = count(len(self.target), size)
        source = None if self.source is None else endless(self.source, number * steps + skip, size)
        target: Iterator[tuple[Any, NDArray[np.int64]]] = self.target.epoch(number, size, skip)  # type: ignore[assignment]
        for step, (x, places) in enumerate(target, skip):
            progress = (number + step / steps) / max(self.epochs, 1)
            there = torch.from_numpy(places)
            if source is None:
                yield Both(None, x, there, progress), places
            else:
                inputs, positions = next(source)
                yield Both(inputs, x, there, progress), positions


def endless(data: Batches, step: int, size: int) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """The batches of epoch after epoch, from the ``step``-th of all on."""
    first, skip = divmod(step, count(len(data), size))
    for number in numbers(first):
        yield from data.epoch(number, size, skip)
        skip = 0
