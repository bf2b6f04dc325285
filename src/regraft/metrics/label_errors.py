"""Which labels are likely wrong, by probabilities of models that had not seen them: confident learning.

Northcutt, Jiang and Chuang 2021 (https://doi.org/10.1613/jair.1.12125). Throughout, ``labels`` (n,) are the given
classes, and ``p`` (n, K) the probabilities out of fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST = 5
"""Of a class with no more items than these, none is called an error: nothing is known of its noise."""
MAD = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
FAR = 3.5
"""From which robust z on a number is likely wrong: Iglewicz and Hoaglin 1993."""


@dataclass(frozen=True)
class LabelErrors:
    """``wrong`` (n,) marks likely label errors; ``self_confidence`` (n,) in 0..1 is lower the more likely."""

    wrong: NDArray[np.bool_]
    self_confidence: Floats


def self_confidence(labels: Ints, p: Floats) -> Floats:
    """(n,) the probability of the given class."""
    found: Floats = p[np.arange(len(labels)), labels]
    return found


def normalised_margin(labels: Ints, p: Floats) -> Floats:
    """(n,) the probability of the given class less the largest of another, brought from -1..1 to 0..1."""
    others = p.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    found: Floats = (self_confidence(labels, p) - others.max(1) + 1) / 2
    return found


def confident_classes(labels: Ints, p: Floats) -> Ints:
    """(n,) of which class an item confidently is, -1 of none: the probability of the class is at least the mean one of
    the items so labelled; of several such classes the most probable (section 3.1, equation 1).
    """
    thresholds = np.array([p[labels == c, c].mean() if (labels == c).any() else np.inf for c in range(p.shape[1])])
    above = p >= thresholds - 1e-6  # where all are as sure, all are confident
    found: Ints = np.where(above.any(1), np.where(above, p, -np.inf).argmax(1), -1)
    return found


def label_errors(labels: Ints, p: Floats) -> LabelErrors:
    """Confident learning: of the items whose given class is not the most probable one, as many as are confidently of
    another class, those of the lowest `self_confidence`; none of classes of five items or fewer. How this does beside
    pruning by noise rate is measured in `benchmarks/bench_audit.py`.
    """
    likely, quality = confident_classes(labels, p), self_confidence(labels, p)
    able = (np.bincount(labels, minlength=p.shape[1]) > LEAST)[labels] & (p.argmax(1) != labels)
    count = int((able & (likely >= 0) & (likely != labels)).sum())
    rows = np.flatnonzero(able)
    wrong = np.zeros(len(labels), bool)
    wrong[rows[np.argsort(quality[rows], kind="stable")[:count]]] = True
    return LabelErrors(wrong, quality)


def label_errors_of_several(labels: NDArray[Any], p: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """(n, K) which marks of several classes an item are likely wrong, and the self-confidence of each: `label_errors`
    of one class against the rest, for every class.
    """
    each = [label_errors(y.astype(np.int64), np.stack([1 - q, q], 1)) for y, q in zip(labels.T, p.T, strict=True)]
    return np.stack([e.wrong for e in each], 1), np.stack([e.self_confidence for e in each], 1)


def robust_z(residuals: Floats) -> Floats:
    """(n,) how many robust standard deviations (by the median absolute deviation, or where half of all are equal the
    mean one) each of ``residuals`` (n,) lies from their median.
    """
    off = residuals - np.median(residuals)
    spread = MAD * float(np.median(np.abs(off))) or float(np.abs(off).mean()) * np.sqrt(np.pi / 2)
    return off / spread if spread > 0 else np.zeros(len(off))
