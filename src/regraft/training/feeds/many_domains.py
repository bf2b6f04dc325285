"""What a training on several labelled domains is fed: in every step a batch of one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.core.errors import InputError
from regraft.training.feeds.base import ALL, Batches, count
from regraft.training.feeds.two_domains import endless


@dataclass(frozen=True)
class OfDomain:
    """Inputs, and the number of the domain they are of."""

    x: Tensor
    domain: int

    def __len__(self) -> int:
        return len(self.x)

    @property
    def device(self) -> torch.device:
        """Where the items lie."""
        return self.x.device

    def to(self, device: Any) -> OfDomain:
        """The same on another device."""
        return OfDomain(self.x.to(device), self.domain)

    def tensor_split(self, parts: int) -> list[OfDomain]:
        return [OfDomain(x, self.domain) for x in self.x.tensor_split(parts)]


@dataclass(frozen=True)
class ManyDomains:
    """Domains of n_i examples, drawn with probabilities proportional to ``n_i ** (1 / temperature)``.

    A temperature of 1 draws by size, a high one all alike (Arivazhagan et al. 2019, https://arxiv.org/abs/1907.05019,
    section 4.2). An epoch has as many steps as a pass over all domains would take. Positions count through the domains
    in their order.
    """

    domains: Sequence[Batches]
    seed: int
    temperature: float = 2.0

    def __len__(self) -> int:
        return sum(len(d) for d in self.domains)

    def turns(self, number: int, size: int) -> NDArray[np.int64]:
        """Whose turn it is in each step of an epoch."""
        shares = np.array([len(d) for d in self.domains], float) ** (1 / self.temperature)
        steps = count(len(self), size)
        turns: NDArray[np.int64] = np.random.default_rng([self.seed, number, 7]).choice(
            len(shares), steps, p=shares / shares.sum()
        )
        return turns

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        if share[1] > 1:
            raise InputError(f"--processes {share[1]}: training on several domains takes one.")
        turns = self.turns(number, size)
        before = np.concatenate([*(self.turns(n, size) for n in range(number)), turns[:skip]])
        streams = [endless(d, int((before == i).sum()), size) for i, d in enumerate(self.domains)]
        starts = np.cumsum([0, *(len(d) for d in self.domains)])
        for turn in turns[skip:]:
            x, positions = next(streams[turn])
            yield OfDomain(x, int(turn)), positions + starts[turn]
