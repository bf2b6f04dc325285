"""What a training loop is fed: the same batches for the same seed and epoch, whatever happened before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.core.errors import DataError
from regraft.core.types import PreprocessSpec
from regraft.data.items import Items
from regraft.data.transforms.augment import Augmented, Policy
from regraft.data.transforms.loaders import batches
from regraft.models.detectors.base import Batch

Inputs = Tensor | Batch
ALL = (0, 1)
NEIGHBOURS = 50


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
