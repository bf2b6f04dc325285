"""Dealing items of several labels to parts so that each part has its share of every label.

Sechidis, Tsoumakas and Vlahavas 2011 (https://doi.org/10.1007/978-3-642-23808-6_10), iterative stratification: the
rarest label first, each of its items to the part that lacks it most. Splitting by the combinations of labels does not
do: most are there once. What comes out uneven, since an item brings common labels with its rare ones, is then moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
PASSES = 3


def by_labels(
    labels: NDArray[Any], shares: Sequence[float], rng: np.random.Generator, *, groups: NDArray[Any] | None = None,
    everywhere: int | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """(n,) the part 0..p-1 of each item with labels 0 and 1 (n, k); ``shares`` (p,) of the items sum to 1.

    No part tears one of ``groups`` (n,). The part ``everywhere`` keeps an example of every label that has one.
    """
    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    # the last column counts the items themselves
    table = np.zeros((int(units.max(initial=-1)) + 1, labels.shape[1] + 1))
    np.add.at(table, units, np.hstack([labels, np.ones((len(labels), 1))]))
    dealer = _Dealer(table, np.asarray(shares, np.float64), rng, everywhere)
    dealer.deal()
    dealer.even_out()
    return dealer.part[units]


class _Dealer:
    """Deals units, groups or items, with ``table`` (u, k + 1) examples of each label, and items."""

    def __init__(self, table: Counts, shares: Counts, rng: np.random.Generator, everywhere: int | None) -> None:
        self.table, self.rng, self.everywhere = table, rng, everywhere
        self.wanted = shares[:, None] * table.sum(0)
        self.lacks = self.wanted.copy()
        self.part = np.full(len(table), -1, np.int64)

    def deal(self) -> None:
        waiting = self.table.sum(0)
        while waiting[:-1].any():
            rarest = int(np.where(waiting[:-1] > 0, waiting[:-1], np.inf).argmin())
            for unit in self._largest_first(rarest):
                waiting -= self.table[unit]
                self._give(unit, rarest, waiting)
        for unit in self._largest_first(-1):
            waiting -= self.table[unit]
            self._give(unit, -1, waiting)

    def _largest_first(self, label: int) -> NDArray[np.int64]:
        """Those with the label that no part has yet, in random order, but large groups while there is room for them."""
        units = self.rng.permutation(np.flatnonzero((self.part < 0) & (self.table[:, label] > 0)))
        return units[np.argsort(-self.table[units, label], kind="stable")]

    def _give(self, unit: int, label: int, waiting: Counts) -> None:
        """To the part that lacks the label most, of equal ones to that with most room, then by chance."""
        lacks, room = self.lacks[:, label].round(9), self.lacks[:, -1].round(9)
        to = int(np.lexsort((self.rng.random(len(lacks)), -room, -lacks))[0])
        if self.everywhere is not None and ((self._kept() + waiting)[self.table[unit] > 0] == 0).any():
            to = self.everywhere
        self.part[unit] = to
        self.lacks[to] -= self.table[unit]

    def _kept(self) -> Counts:
        """(k + 1,) what the part ``everywhere`` has of each label."""
        kept: Counts = (self.wanted[self.everywhere] - self.lacks[self.everywhere]).round(6)
        return kept

    def even_out(self) -> None:
        """Moves units one by one where the squared deviations, over what is wanted, become smaller in all."""
        weights = 1 / np.maximum(self.wanted, 1e-9)
        weights[:, self.table.sum(0) == 0] = 0
        for _ in range(PASSES):
            moved = False
            for unit in self.rng.permutation(len(self.table)):
                own, at = self.table[unit], int(self.part[unit])
                if at == self.everywhere and (self._kept() - own)[own > 0].min() <= 0:
                    continue
                leaving = (weights[at] * own * (2 * self.lacks[at] + own)).sum()
                gains = (weights * own * (own - 2 * self.lacks)).sum(1) + leaving
                gains[at] = 0
                to = int(gains.argmin())
                if gains[to] < -1e-9:
                    self.lacks[at] += own
                    self.lacks[to] -= own
                    self.part[unit], moved = to, True
            if not moved:
                break
