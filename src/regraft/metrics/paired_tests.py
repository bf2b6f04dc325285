"""Whether two models differ on the same items: tests that keep their level with few items and with items in groups.

Their levels are counted in simulation by tests/test_paired_tests.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from regraft.metrics.intervals import Floats, Groups, Ints, half_samples

DRAWS = 400
"""Of a bootstrap: the spread over so many is known to a thirtieth."""


class Paired(NamedTuple):
    """A difference, its 95 % interval, and the p of a test that there is none."""

    value: float
    ci95: list[float]
    p: float


def mcnemar(ours: Floats, theirs: Floats, groups: Groups = None) -> float:
    """The two-sided p of the hypothesis that two models, right or wrong (1 or 0) on the same n items, are as good:
    exact, as the answers of both could change places (McNemar 1947, https://doi.org/10.1007/BF02295996; of ``groups``
    (n,) those of a whole group: the randomisation test of Fisher 1935).
    """
    apart = np.asarray(ours, np.int64) - np.asarray(theirs, np.int64)
    member = np.arange(len(apart)) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums = np.abs(np.bincount(member, apart).astype(np.int64)) if len(apart) else apart
    sums, reached = sums[sums > 0], abs(int(apart.sum()))
    if not len(sums):
        return 1.0
    if (sums == 1).all():  # a binomial distribution: of k signs (k + reached) / 2 or more are one way
        k = len(sums)
        return min(1.0, 2 * float(scipy.special.bdtr((k - reached) // 2, k, 0.5)))
    chance = np.ones(1)  # of each sum of signed numbers, from the least on in steps of 2
    for size in sums.tolist():
        spread = np.zeros(len(chance) + size)
        spread[:-size] += chance / 2
        spread[size:] += chance / 2
        chance = spread
    values = 2 * np.arange(len(chance)) - int(sums.sum())
    return min(1.0, float(chance[np.abs(values) >= reached].sum()))


def paired_bootstrap(
    difference: Callable[[Ints], Floats], n: int, groups: Groups = None, *, draws: int = DRAWS, seed: int = 0
) -> Paired:
    """The paired bootstrap of a difference between two models on the same n items, or ``groups`` (n,) of them.

    ``difference`` takes how often each item counts (d, n) and gives (d,) differences, NaN where there is none. What is
    drawn are halves without replacement (Politis and Romano 1994, https://doi.org/10.1214/aos/1176325770): copies
    would rank beside themselves. The interval and the two-sided p are those of Student's t with the spread over the
    halves as the standard error, and with the degrees of freedom of equal groups.
    """
    member = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(member)
    halves = half_samples(n, draws, seed, groups).astype(np.int64)
    found = difference(np.concatenate([np.ones((1, n), np.int64), halves]))
    value = float(found[0])
    if len(sizes) < 2:
        return Paired(value, [-math.inf, math.inf], 1.0)
    error = float(np.nanstd(found[1:]))
    freedom = max(1.0, n**2 / float((sizes**2).sum()) - 1)
    reach = float(scipy.special.stdtrit(freedom, 0.975)) * error
    if not error:
        return Paired(value, [value, value], 1.0 if not value else 1 / (draws + 1))
    p = 2 * float(scipy.special.stdtr(freedom, -abs(value) / error))
    return Paired(value, [value - reach, value + reach], p)


def holm(p: Sequence[float]) -> list[float]:
    """The p of several tests, adjusted so that with a chance of 95 % no true hypothesis has one below 0.05
    (Holm 1979, https://www.jstor.org/stable/4615733).
    """
    order = np.argsort(p, kind="stable")
    raised = [min(1.0, (len(p) - i) * p[j]) for i, j in enumerate(order)]
    found: NDArray[Any] = np.empty(len(p))
    found[order] = np.maximum.accumulate(raised) if len(p) else []
    return [float(v) for v in found]


def widened(p: float, by: float) -> float:
    """The p where the standard error is ``by`` times as large as the test takes it to be."""
    if not 0 < p < 1:
        return p
    return 2 * float(scipy.special.ndtr(scipy.special.ndtri(p / 2) / by))
