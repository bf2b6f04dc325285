"""Many rows in float32, ready for logistic regressions that leave one fold out each: one copy serves them all.

The copy lies fold by fold, so that leaving one out is leaving out a stretch of it, and every column has mean 0 and
spread 1, so that float32 loses nothing. How a regression scales its columns is then but a penalty of its own for each:
as the bias is not penalised, ``(x - mean) / scale @ w`` under ``|w|^2`` is ``x @ v`` under ``|scale * v|^2``.

Sums are taken over blocks of rows that do not depend on the machine, each block by one thread, and added up in order:
so the result does not depend on how many threads there are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from regraft.methods.probes.logistic import shrunken_variance
from regraft.tasks.base import Link

Array = Any
T = TypeVar("T")
R = TypeVar("R")

BLOCK, AT_ONCE, SAMPLED = 2048, 32, 16
"""Rows of a block, which a core's caches hold about; blocks whose results wait to be added; rows a column that tell
second moments well enough to find a way by."""

NOBODY = -1
"""The fold of rows that are left out by no regression."""


class Moments(NamedTuple):
    """Of n rows, by column: mean, variance, and the variance of the squared distances from the mean."""

    n: float
    mean: Array
    variance: Array
    of_squares: Array

    @classmethod
    def of(cls, n: float, powers: Array) -> Moments:
        """From the sums (4, d) of the columns' first four powers."""
        one, two, three, four = powers / n
        variance = np.maximum(two - one**2, 0.0)
        fourth = four - 4 * one * three + 6 * one**2 * two - 3 * one**4
        return cls(n, one, variance, np.maximum(fourth - variance**2, 0.0))

    def scale(self, name: str, unit: Array) -> Array:
        """(d,) as `logistic.blockwise` scales columns of these moments in units of ``unit`` (d,)."""
        if name == "standard":  # in the columns' own units: no square of a huge one
            own = np.where(self.variance > 1e-12, np.sqrt(self.variance), 1.0)
            return own * unit * (np.sqrt((self.variance / own**2).sum()) or 1.0)
        variance = self.variance * unit**2
        if name == "common":
            return np.full(len(variance), np.sqrt(variance.sum()) or 1.0)
        scale = np.sqrt(shrunken_variance(variance, self.of_squares * unit**4, int(self.n)))
        return scale * (np.sqrt((variance / scale**2).sum()) or 1.0)


class ManyRows:
    """Rows (n, d) of any float, targets (n, k) in 0..1, weights (n,) of mean 1 or None, folds (n,) from 0 or None."""

    def __init__(
        self, rows: Array, targets: Array, link: Link, weights: Array | None, fold: Array | None, threads: int
    ) -> None:
        fold = np.full(len(rows), NOBODY) if fold is None else fold
        self.pair = link == "softmax" and targets.shape[1] == 2  # each other's negative: one is solved for
        targets, link = (targets[:, 1:], "sigmoid") if self.pair else (targets, link)
        self.order = np.argsort(fold, kind="stable")
        self.folds, self.link, self.threads = max(int(fold.max()) + 1, 1), link, threads
        self.blocks = list(_blocks(fold[self.order]))
        self.targets = np.ascontiguousarray(targets[self.order].T, np.float32)
        self.weights = None if weights is None else weights[self.order].astype(np.float32)
        self.sizes = np.bincount(fold[fold >= 0], minlength=self.folds).astype(np.float64)
        self.x = np.empty(rows.shape, np.float32)
        self._copy(rows)
        self._multiply()

    def _copy(self, rows: Array) -> None:
        n, d = rows.shape

        def look(block: Block) -> tuple[Array, Array]:
            part = np.asarray(rows[self.order[block.rows]], np.float64)
            return part.sum(0), np.abs(part).max(0)

        total, largest = np.zeros(d), np.zeros(d)
        for one, most in self.each(look, self.blocks):
            total, largest = total + one, np.maximum(largest, most)
        self.mean = total / n

        def centre(block: Block) -> tuple[Array, Array]:
            part = np.asarray(rows[self.order[block.rows]], np.float64) - self.mean
            part /= np.where(largest > 0, largest, 1.0)  # so that no square overflows or vanishes
            self.x[block.rows] = part
            return (part**2).sum(0), np.abs(part).max(0)

        squares, away = np.zeros(d), np.zeros(d)
        for one, most in self.each(centre, self.blocks):
            squares, away = squares + one, np.maximum(away, most)
        varies = away > 1e-13  # others vary by rounding alone
        spread = np.where(varies, np.sqrt(squares / n), 1.0)
        self.unit = np.where(varies, np.where(largest > 0, largest, 1.0) * spread, 1.0)
        by = np.where(varies, 1 / np.where(spread > 0, spread, 1.0), 0.0).astype(np.float32)

        def standardise(block: Block) -> Array:
            self.x[block.rows] *= by
            part = self.x[block.rows].astype(np.float64)
            square = part**2
            return np.stack([part.sum(0), square.sum(0), (square * part).sum(0), (square**2).sum(0)])

        self.powers = np.zeros((self.folds, 4, d))
        for block, powers in zip(self.blocks, self.each(standardise, self.blocks), strict=True):
            self.powers[max(block.fold, 0)] += powers

    def sample(self) -> slice:
        """As many rows as tell the second moments."""
        return slice(None, None, max(1, len(self.x) // (SAMPLED * self.x.shape[1])))

    def _multiply(self) -> None:
        x = self.x[self.sample()]
        w = None if self.weights is None else np.sqrt(self.weights[self.sample()])

        def square(start: int) -> Array:
            part = x[start : start + BLOCK]
            part = part if w is None else part * w[start : start + BLOCK, None]
            return part.T @ part

        self.second = np.zeros((x.shape[1], x.shape[1]), np.float32)
        for one in self.each(square, range(0, len(x), BLOCK)):
            self.second += one / np.float32(len(x))

    def columns(self, start: int, width: int) -> ManyRows:
        """The same with some columns alone, which are not copied."""
        part, some = copy.copy(self), slice(start, start + width)
        part.x, part.mean, part.unit = self.x[:, some], self.mean[some], self.unit[some]
        part.powers, part.second = self.powers[:, :, some], self.second[some, some]
        return part

    def each(self, do: Callable[[T], R], what: Sequence[T]) -> Iterator[R]:
        """What ``do`` makes of each, in order, by all threads; what waits to be taken is bounded."""
        if self.threads == 1:
            yield from map(do, what)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for i in range(0, len(what), AT_ONCE):
                yield from pool.map(do, what[i : i + AT_ONCE])

    def moments(self, without: int | None = None) -> Moments:
        """Of all rows, or those outside one fold."""
        if without is None or self.sizes.sum() == 0:
            return Moments.of(len(self.x), self.powers.sum(0))
        return Moments.of(len(self.x) - self.sizes[without], self.powers.sum(0) - self.powers[without])

    def scale(self, how: Mapping[str, Any], widths: Sequence[int], without: int | None = None) -> Array:
        """(d,) as `logistic.blockwise` scales these columns, by the rows outside one fold."""
        ways = how.get("blocks") or [{"scaling": how["scaling"], "factor": 1.0}] * len(widths)
        moments, found, start = self.moments(without), [], 0
        for way, width in zip(ways, widths, strict=True):
            some = slice(start, start + width)
            part = Moments(moments.n, *(m[some] for m in moments[1:]))
            found.append(part.scale(way["scaling"], self.unit[some]) / way["factor"])
            start += width
        return np.concatenate(found)

    def evaluate(self, at: Mapping[int, Array]) -> dict[int, tuple[float, Array]]:
        """For the regression that leaves out a fold, by its number: the loss at weights and bias (k, d + 1), summed
        over all other rows, and its gradient. All are multiplied with a block of rows at once, which is read once.
        """
        k, d = len(self.targets), self.x.shape[1]
        of = {f: [r for r in at if r != f] for f in {b.fold for b in self.blocks}}
        stacked = {f: np.concatenate([at[r] for r in some]).astype(np.float32) for f, some in of.items() if some}
        weight = {f: np.ascontiguousarray(s[:, :d]) for f, s in stacked.items()}
        blocks = [b for b in self.blocks if b.fold in stacked]

        def one(block: Block) -> tuple[Array, Array, Array]:
            x, w = self.x[block.rows], None if self.weights is None else self.weights[block.rows]
            logits = weight[block.fold] @ x.T
            logits += stacked[block.fold][:, d:]
            values, slopes = losses(self.link, logits.reshape(-1, k, len(x)), self.targets[:, block.rows], w)
            slopes = slopes.reshape(-1, len(x))
            return values, slopes @ x, slopes.sum(1, dtype=np.float64)

        value, slope = dict.fromkeys(at, 0.0), {r: np.zeros((k, d + 1)) for r in at}
        for block, (values, by_weight, by_bias) in zip(blocks, self.each(one, blocks), strict=True):
            for i, r in enumerate(of[block.fold]):
                value[r] += float(values[i])
                slope[r][:, :d] += by_weight[i * k : (i + 1) * k]
                slope[r][:, d] += by_bias[i * k : (i + 1) * k]
        return {r: (value[r], slope[r]) for r in at}

    def left_out(self, at: Sequence[Array]) -> Array:
        """(n, k) logits of every row by the regression that left it out, in the order the rows were given in."""
        d = self.x.shape[1]
        found = np.empty((len(self.x), len(self.targets)))

        def one(block: Block) -> None:
            theta = at[block.fold].astype(np.float32)
            found[self.order[block.rows]] = (theta[:, :d] @ self.x[block.rows].T + theta[:, d:]).T

        for _ in self.each(one, self.blocks):
            pass
        return found


class Block(NamedTuple):
    """A stretch of rows of one fold."""

    fold: int
    rows: slice


def _blocks(fold: Array) -> Iterator[Block]:
    for f in np.unique(fold):
        start, stop = np.searchsorted(fold, [f, f + 1])
        for i in range(start, stop, BLOCK):
            yield Block(int(f), slice(i, min(i + BLOCK, int(stop))))


def losses(link: Link, logits: Array, targets: Array, weights: Array | None) -> tuple[Array, Array]:
    """Sums (r,) over rows of the cross-entropies of logits (r, k, n) to ``targets`` (k, n), and their slopes by the
    logits, which overwrite them.
    """
    if link == "softmax":
        logits -= logits.max(1, keepdims=True)
        told = np.einsum("kn,rkn->rn", targets, logits)
        np.exp(logits, out=logits)
        total = logits.sum(1)
        rows = np.log(total) - told
        logits /= total[:, None]
    else:
        rows = (np.maximum(logits, 0) - targets * logits).sum(1)
        less = np.exp(-np.abs(logits))
        rows += np.log1p(less).sum(1)
        np.divide(np.where(logits > 0, 1, less), 1 + less, out=logits)
    logits -= targets
    if weights is not None:
        rows *= weights
        logits *= weights
    return rows.sum(1, dtype=np.float64), logits
