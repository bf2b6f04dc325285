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
    """``wrong`` (n,) marks likely label errors; ``quality`` (n,) in 0..1 is lower the more likely; ``joint`` (K, K)
    counts items by given (row) and estimated true class.
    """

    wrong: NDArray[np.bool_]
    quality: Floats
    joint: Ints


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


def confident_joint(labels: Ints, p: Floats) -> Ints:
    """(K, K) how many items of a given class (row) are confidently of each class: their probability of it is at least
    the mean one of the items so labelled; of several such classes the most probable (section 3.1, equation 1).
    """
    k = p.shape[1]
    thresholds = np.array([p[labels == c, c].mean() if (labels == c).any() else np.inf for c in range(k)])
    above = p >= thresholds - 1e-6  # where all are as sure, all are confident
    sure = above.any(1)
    likely = np.where(above, p, -np.inf).argmax(1)
    found = np.zeros((k, k), np.int64)
    np.add.at(found, (labels[sure], likely[sure]), 1)
    return found


def calibrated_joint(labels: Ints, p: Floats) -> Ints:
    """(K, K) the `confident_joint` with each row brought to the number of items so labelled (equation 3), in whole
    items: the largest remainders are rounded up.
    """
    counted, given = confident_joint(labels, p), np.bincount(labels, minlength=p.shape[1])
    rows = counted.sum(1, keepdims=True)
    # a class without a confident item has no known noise
    shares = np.where(rows > 0, counted / np.maximum(rows, 1), np.eye(len(given)))
    exact = shares * given[:, None]
    found = np.floor(exact + 1e-9).astype(np.int64)
    for row, wanted, left in zip(found, exact, given - found.sum(1), strict=True):
        row[np.argsort(row - wanted, kind="stable")[:left]] += 1
    return found


def label_errors(labels: Ints, p: Floats) -> LabelErrors:
    """Confident learning, pruned by noise rate (section 3.3): of the items of a given class as many as the calibrated
    joint says to be of another, those whose probability of it exceeds that of the given one most; not those whose given
    class is the most probable. The quality is the `normalised_margin`.
    """
    joint, wrong = calibrated_joint(labels, p), np.zeros(len(labels), bool)
    for given in np.flatnonzero(np.bincount(labels, minlength=p.shape[1]) > LEAST):
        rows = np.flatnonzero(labels == given)
        for true in np.flatnonzero(joint[given]):
            if true != given:
                margin = p[rows, true] - p[rows, given]
                least = np.sort(margin)[-joint[given, true]]
                wrong[rows[margin >= least]] = True
    return LabelErrors(wrong & (p.argmax(1) != labels), normalised_margin(labels, p), joint)


def label_errors_of_several(labels: NDArray[Any], p: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """(n, K) which marks of several classes an item are likely wrong, and the quality of each: `label_errors` of one
    class against the rest, for every class.
    """
    each = [label_errors(y.astype(np.int64), np.stack([1 - q, q], 1)) for y, q in zip(labels.T, p.T, strict=True)]
    return np.stack([e.wrong for e in each], 1), np.stack([e.quality for e in each], 1)


def robust_z(residuals: Floats) -> Floats:
    """(n,) how many robust standard deviations (by the median absolute deviation, or where half of all are equal the
    mean one) each of ``residuals`` (n,) lies from their median.
    """
    off = residuals - np.median(residuals)
    spread = MAD * float(np.median(np.abs(off))) or float(np.abs(off).mean()) * np.sqrt(np.pi / 2)
    return off / spread if spread > 0 else np.zeros(len(off))
