"""95 % intervals that hold what they promise with few items, rare classes and items in groups.

Which way is taken where was chosen by simulated coverage: benchmarks/coverage_rows_intervals.py,
tests/test_intervals.py. ``groups`` (n,) names what belongs together (a patient, a video); such items are not n
independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Groups = NDArray[Any] | None

Z = 1.959963984540054
FEW_PAIRS = 30
FEW_UNITS = 10
PAIRS = 100
"""Of complementary halves; the spread over 200 halves is known to a twentieth."""


def wilson(hits: float, n: float, z: float = Z) -> tuple[float, float]:
    """Wilson score interval of a proportion, in 0..1 (Wilson 1927; 95 % with the default ``z``)."""
    if n == 0:
        return (0.0, 1.0)
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return (max(0.0, centre - half), min(1.0, centre + half))


def proportion(hits: int, n: int) -> tuple[float, float]:
    """`wilson`, with its one weakness mended: near 0 and 1, where it covers as little as 84 %.

    Brown, Cai and DasGupta 2001 (https://doi.org/10.1214/ss/1009213286), section 4.1.1: with one to three hits (or
    misses; to two up to 50 items) that end is the Poisson distribution's.
    """
    low, high = wilson(hits, n)
    few = 3 if n > 50 else 2
    if 0 < hits <= few:
        low = float(scipy.special.chdtri(2 * hits, 0.95)) / (2 * n)
    if 0 < n - hits <= few:
        high = 1 - float(scipy.special.chdtri(2 * (n - hits), 0.95)) / (2 * n)
    return low, high


def share(right: NDArray[Any], groups: Groups = None) -> list[float]:
    """The interval of the mean of ``right`` (n,), 0 or 1 each: `proportion`; of groups by their design effect."""
    hits, n = float(np.sum(right)), len(right)
    if not _grouped(groups, n):
        return list(proportion(int(hits), n))
    effect, t = design(np.asarray(right, np.float64), groups)
    return list(wilson(hits / effect, n / effect, t)) if math.isfinite(effect) else [0.0, 1.0]


def _grouped(groups: Groups, n: int) -> bool:
    """Whether some items belong together."""
    return groups is not None and n > 0 and len(np.unique(groups)) < n


def _sums(values: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Sum of values and number of items of each group."""
    _, member = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    member = member.reshape(-1)
    sums: Floats = np.bincount(member, values).astype(np.float64)
    return sums, np.bincount(member).astype(np.float64)


def spread(values: Floats, groups: Groups) -> tuple[float, float]:
    """The variance of the mean of ``values`` (n,), and of how many equal groups (or items) the mean is as good as.

    Groups are the units (Kish 1965, section 6.3: a ratio of sums), each divided by the share the rest has of the items.
    """
    sums, sizes = _sums(values, groups)
    n = len(values)
    if len(sizes) < 2:
        return math.inf, 1.0
    off = sums - sizes * values.mean()
    return float((off**2 / (1 - sizes / n)).sum()) / n**2, n**2 / float((sizes**2).sum())


def design(values: Floats, groups: Groups, level: float = 0.95) -> tuple[float, float]:
    """By how much the variance of a mean of few different values is larger for their groups, and Student's quantile.

    The correlation inside groups is hard to know where few groups hold anything but the usual value: it is taken as if
    one more of these held items all alike. Infinite for one group, which tells nothing of others.
    """
    variance, effective = spread(values, groups)
    if math.isinf(variance):
        return math.inf, math.inf
    n, mean_size = len(values), len(values) / effective
    names, counts = np.unique(values, return_counts=True)
    strange = values != names[counts.argmax()]
    telling = int((_sums(strange.astype(np.float64), groups)[0] > 0).sum())
    alone = float(values.var()) / n
    alike = min(1.0, max(0.0, (variance / alone - 1) / (mean_size - 1))) if alone > 0 and mean_size > 1 else 1.0
    alike = (telling * alike + 1) / (telling + 1)
    return 1 + (mean_size - 1) * alike, float(scipy.special.stdtrit(max(effective - 1, 1.0), (1 + level) / 2))


def difference(ours: Floats, theirs: Floats, groups: Groups = None, level: float = 0.95) -> list[float]:
    """The interval, of this ``level``, of the mean difference of two models that are right or wrong (1 or 0) on the
    same n items.

    Below 30 items that of Agresti and Min 2005 (https://doi.org/10.1002/sim.1781), from there on the score interval,
    which does not shrink to nothing where they differ on few; of groups by their design effect.
    """
    apart = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    wins, losses, n = float((apart > 0).sum()), float((apart < 0).sum()), len(apart)
    if _grouped(groups, n):
        effect, t = design(apart, groups, level)
        return _score(wins / effect, losses / effect, n / effect, t) if math.isfinite(effect) else [-1.0, 1.0]
    z = Z if level == 0.95 else float(scipy.special.ndtri((1 + level) / 2))
    return _agresti_min(wins, losses, n, z) if n < FEW_PAIRS else _score(wins, losses, n, z)


def _agresti_min(wins: float, losses: float, n: int, z: float) -> list[float]:
    """Half an item is added to each cell of the 2 x 2 table."""
    ours, theirs, n = wins + 0.5, losses + 0.5, n + 2
    half = z * math.sqrt(ours + theirs - (ours - theirs) ** 2 / n) / n
    return [max(-1.0, (ours - theirs) / n - half), min(1.0, (ours - theirs) / n + half)]


def _score(wins: float, losses: float, n: float, z: float) -> list[float]:
    """The differences that a score test does not reject: Tango 1998
    (https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C891::AID-SIM780%3E3.0.CO;2-B), equation 4.
    """

    def inside(d: float) -> bool:
        b, c = -wins - losses + (2 * n - wins + losses) * d, -losses * d * (1 - d)
        lost = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        return (wins - losses - n * d) ** 2 <= z * z * n * max(lost * 2 + d * (1 - d), 0.0)

    found = (wins - losses) / n
    return [_border(inside, found, end) for end in (-1.0, 1.0)]


def _border(inside: Callable[[float], bool], there: float, end: float) -> float:
    """Where ``inside`` stops being true between ``there`` and ``end``, to 1e-12."""
    for _ in range(45):
        middle = (there + end) / 2
        there, end = (middle, end) if inside(middle) else (there, middle)
    return there


def half_samples(n: int, draws: int = 2 * PAIRS, seed: int = 0, groups: Groups = None) -> NDArray[np.bool_]:
    """(draws, n) marks of a random half of the items, or of the groups, each followed by its complement."""
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    count = int(units.max(initial=-1)) + 1
    rng, chosen = np.random.default_rng(seed), np.zeros((max(2, draws), count), bool)
    for i in range(0, len(chosen), 2):
        order = rng.permutation(count)
        chosen[i, order[: count // 2]] = True
        if i + 1 < len(chosen):
            chosen[i + 1, order[count - count // 2 :]] = True
    return chosen[:, units]


def mean_of_classes(whole: Floats, halves: Floats, units: Ints, n: int, *, gain: bool = False) -> list[float]:
    """The interval of the mean over k classes of a figure in 0..1, such as average precision, or of a ``gain`` in it.

    ``whole`` (k,) are the figures on all n units (items, or groups), ``halves`` (d, k) those on `half_samples`, NaN
    where one lacks the class; ``units`` (k,) says on how many units with an example each rests. A bootstrap's copies
    would rank beside themselves; halves do not (Shao and Wu 1989, https://doi.org/10.1214/aos/1176347263: the delete-d
    jackknife). What falls from half to whole says how much too high the figure is: a precision that counts its own item
    comes down as 1/n, an upper envelope as n^(-2/3), with few units a class as n^(-1/2) (found by simulation), so both
    corrections are taken, each for its end. Student's t has the degrees of freedom of Satterthwaite 1946, units less
    one in each class; an interval of shares is the wider of that on the plain scale and that on the scale of log odds,
    and holds the figure itself.
    """
    some = ~np.isnan(whole)
    whole, halves, units = whole[some], halves[:, some], units[some]
    bottom = -1.0 if gain else 0.0
    if n < 2 or not len(whole):
        return [bottom, 1.0]
    half, figure, k = n // 2, float(whole.mean()), len(whole)
    there = ~np.isnan(halves)
    filled = np.where(there, halves, whole)
    falls = float(((filled - whole).sum(0) / np.maximum(there.sum(0), 1)).mean())
    part = half / (n - half)
    of_class, variance = filled.var(0) * part, float(filled.mean(1).var()) * part
    lone = units == 1  # what one unit says of a class lies anywhere
    of_class[lone] = 1 / 12
    error = math.sqrt(variance + lone.sum() / 12 / k**2)
    least = 1 / (float(units.sum()) + 2)  # where every half agrees, the rule of three
    freedom = _satterthwaite(of_class, units, n)
    reach = float(scipy.special.stdtrit(freedom, 0.975)) * max(error, least)
    slowly = 2 / 3 if units.mean() >= FEW_UNITS else 1 / 2
    centres = [figure - falls * part, figure - falls / ((n / half) ** slowly - 1)]
    low, high = min(centres) - reach, max(centres) + reach
    if not gain and error > least:
        low, high = min(low, _by_odds(min(centres), -reach)), max(high, _by_odds(max(centres), reach))
    return [max(bottom, min(low, figure)), min(1.0, max(high, figure))]


def _satterthwaite(variances: Floats, units: Ints, n: int) -> float:
    weighed = float((variances**2 / np.maximum(units - 1, 1)).sum())
    freedom = float(variances.sum()) ** 2 / weighed if weighed > 0 else float(units.sum()) - len(units)
    return max(1.0, min(freedom, n - 1))


def _by_odds(centre: float, reach: float) -> float:
    centre = min(max(centre, 0.01), 0.99)
    odds = math.log(centre / (1 - centre)) + reach / (centre * (1 - centre))
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


HEAVY = 9.0
"""The kurtosis of an exponential distribution, between a normal's 3 and what tails as heavy as can be judged have."""


def _kurtosis(squares: Floats, groups: Groups) -> tuple[float, float, float]:
    """Of residuals with these squares as few as they are: the kurtosis found, drawn towards `HEAVY`, and of how many
    items (or equal groups) it was found.
    """
    variance, n = spread(squares, groups)
    mean = float(squares.mean())
    found = (1 + (n - 1) * variance / mean**2) * (n + 2) / n if mean > 0 and n > 1 else 3.0
    weight = 40 * n / (n + 20)
    return found, (n * found + weight * HEAVY) / (n + weight), n


def root_mean_square(squares: Floats, groups: Groups = None) -> list[float]:
    """The interval of the root of the mean of ``squares`` (n,) of residuals: a chi-square's with the degrees of freedom
    that their kurtosis leaves (Box 1953, https://doi.org/10.1093/biomet/40.3-4.318).

    The kurtosis of few is mostly not seen: it is drawn towards that of heavy tails, which makes intervals of ten items
    wide.
    """
    squares = np.asarray(squares, np.float64)
    _, kurtosis, n = _kurtosis(squares, groups)
    freedom = 2 * n / (kurtosis - 1)
    scale = math.sqrt(float(squares.mean()) * freedom)
    return [scale / math.sqrt(float(scipy.special.chdtri(freedom, q))) for q in (0.025, 0.975)]


def root_difference(ours: Floats, theirs: Floats, groups: Groups = None) -> list[float]:
    """The interval of how much smaller the root of the mean of ``ours`` (n,) is than that of ``theirs``, squares of the
    residuals of two models on the same items: by the delta method, Student's t, and the kurtosis as above.
    """
    a, b = (np.asarray(v, np.float64) for v in (ours, theirs))
    roots = [math.sqrt(float(v.mean())) for v in (a, b)]
    gain = roots[1] - roots[0]
    variance, n = spread(b / max(2 * roots[1], 1e-300) - a / max(2 * roots[0], 1e-300), groups)
    variance = min(variance, max(roots) ** 2)  # one item, or one group, has none of its own
    found, drawn, _ = max(_kurtosis(v, groups) for v in (a, b))
    wider = max(1.0, (drawn - 1) / max(found - 1, 0.1))
    reach = float(scipy.special.stdtrit(max(n - 1, 1.0), 0.975)) * math.sqrt(variance * wider)
    return [gain - reach, gain + reach]


def share_change(before: tuple[int, int], after: tuple[int, int]) -> dict[str, Any]:
    """Difference of two proportions, ``after`` less ``before`` (each hits, n), with its 95 % interval.

    Newcombe 1998 (https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I), method 10:
    from the Wilson intervals of both.
    """
    (a, b), (low_a, high_a), (low_b, high_b) = (h / n for h, n in (before, after)), wilson(*before), wilson(*after)
    down, up = math.hypot(b - low_b, high_a - a), math.hypot(high_b - b, a - low_a)
    return {"value": b - a, "ci95": [b - a - down, b - a + up]}


def bootstrap_indices(n: int, draws: int, seed: int) -> Ints:
    """(draws, n) indices in 0..n-1, drawn with replacement."""
    return np.random.default_rng(seed).integers(0, n, (draws, n))


def bootstrap_interval(values: Floats, level: float = 0.95, *, draws: int = 2000, seed: int = 0) -> list[float]:
    """Percentile interval of the mean of ``values`` (n,) (Efron and Tibshirani 1993, chapter 13)."""
    means = np.asarray(values)[bootstrap_indices(len(values), draws, seed)].mean(1)
    return percentiles(means, level)


def percentiles(draws: Floats, level: float = 0.95) -> list[float]:
    """The middle ``level`` of bootstrap draws (d,), ends interpolated linearly."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]


def paired_gain(
    ours: Floats, theirs: Floats, *, draws: int = 2000, seed: int = 0, groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """Mean difference of two scores on the same n items with its 95 % interval: of scores that are 0 or 1
    `difference` (with ``groups`` (n,) by these), of others the percentile bootstrap's (Efron and Tibshirani
    1993, chapter 13). Both arrays are (n,).
    """
    change = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    n = len(change)
    if np.isin([ours, theirs], [0, 1]).all():
        return {"value": float(change.mean()), "ci95": difference(ours, theirs, groups)}
    means = np.concatenate([change[bootstrap_indices(n, 100, seed + i)].mean(1) for i in range(max(1, draws // 100))])
    return {"value": float(change.mean()), "ci95": percentiles(means)}
