"""Figures of merit and their uncertainty, as pure functions on arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from regraft.metrics import intervals
from regraft.metrics.densities import brier_score
from regraft.metrics.intervals import wilson as wilson

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
AT_ONCE = 4_000_000


def calibration_bins(confidence: Floats, correct: Floats, bins: int = 15) -> dict[str, Floats]:
    """Equal-width, right-closed bins of confidence: ``count``, mean ``confidence`` and ``accuracy`` of each.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 2. Empty bins hold 0.
    """
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins).astype(np.float64)
    some = np.maximum(count, 1)
    return {
        "count": count,
        "confidence": np.bincount(index, confidence, bins) / some,
        "accuracy": np.bincount(index, correct, bins) / some,
    }


def expected_calibration_error(confidence: Floats, correct: Floats, bins: int = 15) -> float:
    """ECE in 0..1: the gap between confidence and accuracy, weighted by bin (Guo et al. 2017, equation 3)."""
    b = calibration_bins(confidence, correct, bins)
    return float((b["count"] * np.abs(b["confidence"] - b["accuracy"])).sum() / b["count"].sum())


def entropy_bits(probabilities: Floats) -> Floats:
    """Shannon entropy of each row in bits: 0 when certain, log2(k) when all k classes are as likely."""
    p = np.asarray(probabilities, np.float64)
    bits: Floats = -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)
    return bits


def log_loss(labels: Ints, probabilities: Floats) -> float:
    """Mean negative natural log of the true class's probability, floored at the smallest float32 step."""
    p = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(p, np.finfo(np.float32).eps)).mean())


def confusion_matrix(labels: Ints, predicted: Ints, classes: int) -> Ints:
    """(classes, classes) counts: row the truth, column the prediction."""
    flat = np.bincount(np.asarray(labels) * classes + np.asarray(predicted), minlength=classes * classes)
    return flat.reshape(classes, classes)


def classification(labels: Ints, probabilities: Floats, groups: NDArray[Any] | None = None) -> dict[str, Any]:
    """The figures of a classifier from labels (n,) and probabilities (n, k).

    Balanced accuracy and macro F1 leave out classes that neither the labels nor (for F1) the predictions hold. The
    interval of the accuracy is that of n items, or of ``groups`` (n,) where there are some.
    """
    predicted = probabilities.argmax(1)
    correct = predicted == labels
    k = probabilities.shape[1]
    hits, true, said = (np.bincount(c, minlength=k) for c in (labels[correct], labels, predicted))
    present, either = true > 0, true + said > 0
    return {
        "accuracy": float(correct.mean()),
        "accuracy_ci95": intervals.share(correct, groups),
        "balanced_accuracy": float((hits[present] / true[present]).mean()),
        "macro_f1": float((2 * hits[either] / (true + said)[either]).mean()),
        "log_loss": log_loss(labels, probabilities),
        "brier": brier_score(np.eye(probabilities.shape[1])[labels], probabilities),
        "ece": expected_calibration_error(probabilities.max(1).astype(np.float64), correct.astype(np.float64)),
    }


def multilabel(
    labels: Ints, probabilities: Floats, thresholds: Floats, groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """The figures of a multilabel classifier from labels 0 and 1 (n, k), probabilities (n, k), thresholds (k,).

    ``map``: mean over the classes that have an example of average precision (ranking quality; equals the prevalence
    for a constant answer), with its interval over the items, or over ``groups`` (n,) of them; ``micro_f1`` of the
    decisions at the thresholds over all classes together. With few examples of a class its average precision, and with
    it ``map``, is too high; the interval counts that in (`intervals.mean_of_classes`).
    """
    decided = probabilities >= thresholds
    hits = float((decided & (labels == 1)).sum())
    wrong = float((decided != (labels == 1)).sum())
    each = average_precisions(labels, probabilities)
    parts = intervals.half_samples(len(labels), groups=groups)
    halves = weighted_precisions(labels, probabilities, parts)
    units = labels if groups is None else _by_group(labels, groups)
    return {
        "map": float(np.nanmean(each)),
        "map_ci95": intervals.mean_of_classes(each, halves, (units > 0).sum(0), len(units)),
        "micro_f1": 2 * hits / (2 * hits + wrong) if hits or wrong else 1.0,
        "exact_match": float((decided == (labels == 1)).all(1).mean()),
        "per_class": [None if np.isnan(v) else float(v) for v in each],
        "log_loss": float(-_log_likelihood(labels, probabilities).sum(1).mean()),
    }


def _by_group(labels: Ints, groups: NDArray[Any]) -> Ints:
    """(groups, k) how many of a group's items are of each class."""
    _, member = np.unique(groups, return_inverse=True)
    found = np.zeros((int(member.max(initial=-1)) + 1, labels.shape[1]), np.int64)
    np.add.at(found, member.reshape(-1), labels)
    return found


def _log_likelihood(labels: Ints, probabilities: Floats) -> Floats:
    p = np.clip(probabilities, np.finfo(np.float32).eps, 1 - np.finfo(np.float32).eps)
    return np.where(labels == 1, np.log(p), np.log(1 - p))


def average_precisions(labels: Ints, probabilities: Floats) -> Floats:
    """(k,) average precision of each class; NaN where it has no example. Ties share their precision."""
    found: Floats = weighted_precisions(labels, probabilities, np.ones((1, len(labels)), bool))[0]
    return found


def weighted_precisions(labels: Ints, probabilities: Floats, taken: NDArray[Any]) -> Floats:
    """(d, k) average precision of each class where the n items count ``taken`` (d, n) times, or are looked at where
    that is a mark; NaN where a class has no example there.
    """
    found = np.full((len(taken), labels.shape[1]), np.nan)
    some = max(1, AT_ONCE // max(len(labels), 1))
    if len(taken) > some:  # no more memory at once than a few million counts take
        parts = [taken[i : i + some] for i in range(0, len(taken), some)]
        return np.concatenate([weighted_precisions(labels, probabilities, part) for part in parts])
    for c in np.flatnonzero(labels.any(0)):
        order = np.argsort(-probabilities[:, c], kind="stable")
        p, chosen = probabilities[order, c], taken[:, order]
        positive = np.flatnonzero(labels[order, c])
        last = np.append(np.flatnonzero(p[:-1] != p[1:]), len(p) - 1)  # of those that are tied
        ends = last[np.searchsorted(last, positive)]
        stop = np.append(np.flatnonzero(ends[:-1] != ends[1:]), len(ends) - 1)
        right = np.cumsum(chosen[:, positive], 1, dtype=np.int32)[:, stop]
        answered = np.cumsum(chosen, 1, dtype=np.int32)[:, ends[stop]]
        summed = (np.diff(right, axis=1, prepend=0) * (right / np.maximum(answered, 1))).sum(1)
        total = right[:, -1]
        found[:, c] = np.divide(summed, total, out=np.full(len(taken), np.nan), where=total > 0)
    return found


def best_thresholds(labels: Ints, probabilities: Floats) -> Floats:
    """(k,) thresholds, one a class, at which the F1 of ``probabilities >= threshold`` is best on these rows.

    A threshold lies midway between two neighbouring probabilities; 0.5 for a class that all rows or none have.
    """
    thresholds = np.full(labels.shape[1], 0.5)
    for c in range(labels.shape[1]):
        order = np.argsort(-probabilities[:, c], kind="stable")
        p, y = probabilities[order, c], labels[order, c]
        if 0 < y.sum() < len(y):
            taken = np.arange(1, len(y) + 1)
            f1 = 2 * np.cumsum(y) / (taken + y.sum())
            f1[:-1][p[:-1] == p[1:]] = -1  # equal probabilities cannot be told apart
            last = int(f1.argmax())
            below = p[last + 1] if last + 1 < len(p) else 0.0
            thresholds[c] = (p[last] + below) / 2
    return thresholds


def paired_map_gain(
    labels: Ints, ours: Floats, theirs: Floats, *, draws: int = 2 * intervals.PAIRS, seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Difference in mean average precision with its 95 % interval over the same items, or ``groups`` (n,) of them."""
    apart = average_precisions(labels, ours) - average_precisions(labels, theirs)
    if np.isnan(apart).all():
        return {"value": 0.0, "ci95": [-1.0, 1.0]}
    value = float(np.nanmean(apart))
    if np.array_equal(ours, theirs):
        return {"value": value, "ci95": [0.0, 0.0]}
    parts = intervals.half_samples(len(labels), draws, seed, groups)
    halves = weighted_precisions(labels, ours, parts) - weighted_precisions(labels, theirs, parts)
    units = labels if groups is None else _by_group(labels, groups)
    return {"value": value, "ci95": intervals.mean_of_classes(apart, halves, (units > 0).sum(0), len(units), gain=True)}


def abstention_curve(confidence: Floats, correct: Floats) -> dict[str, Floats]:
    """Accuracy of the items answered, from the most confident on, against the share left to a person.

    All (n,): ``threshold`` the confidence of the last item answered, ``left`` the share not answered, ``accuracy`` of
    those that are (El-Yaniv and Wiener 2010, the risk-coverage curve).
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    return {
        "threshold": confidence[order],
        "left": 1 - answered / len(order),
        "accuracy": np.cumsum(correct[order]) / answered,
    }


SURE, STRETCH = 0.95, 1.25


def accuracy_at_least(hits: float, n: float, doubt: float = 1 - SURE) -> float:
    """The accuracy that ``hits`` of ``n`` answers show with a doubt of at most ``doubt``: the lower end of the exact
    one-sided interval (Clopper and Pearson 1934).
    """
    return float(scipy.special.betaincinv(hits, n - hits + 1, doubt)) if hits > 0 else 0.0


def answers_needed(wanted: float, doubt: float = 1 - SURE) -> int:
    """How many answers, all of them right, show the accuracy ``wanted``."""
    return math.ceil(math.log(doubt) / math.log(wanted) - 1e-9)


def abstention_threshold(
    confidence: Floats, correct: Floats, wanted: float, groups: NDArray[Any] | None = None
) -> dict[str, Any] | None:
    """The lowest confidence, of those looked at, from which on answers are shown to have the accuracy ``wanted``: with
    a probability of at least 95 % new items answered at that confidence do. None where none is shown to.

    The bound is that of selection with guaranteed risk (Geifman and El-Yaniv 2017, https://arxiv.org/abs/1705.08500,
    lemma 3.1). Thresholds are looked at in a fixed order, each a quarter more answers than the last, until one fails,
    so that looking often costs nothing (Angelopoulos et al. 2021, https://arxiv.org/abs/2110.01052, section 2.3): from
    the fewest answers that can show it, and where half of all are more than these, again from there with half of the
    doubt each. Answers of items of one of ``groups`` (n,) count together as one, weighed by their number (Kish 1965).

    ``left`` is the share left to a person, ``accuracy`` that of the ``items`` answered, ``at_least`` what they show
    with the probability ``sure``.
    """
    curve = abstention_curve(confidence, correct)
    n = len(confidence)
    # a threshold cannot part items of equal confidence: only the last of each is a place to stop
    stops = np.flatnonzero(np.append(curve["threshold"][:-1] > curve["threshold"][1:], True)) + 1
    size = _effective(None if groups is None else groups[np.argsort(-confidence, kind="stable")], n)
    doubt, least = 1 - SURE, np.searchsorted(size, answers_needed(wanted) - 1e-9) + 1
    starts = [int(least)]
    if n // 2 > least:
        doubt /= 2
        starts = [int(np.searchsorted(size, answers_needed(wanted, doubt) - 1e-9)) + 1, n // 2]
    shown = [accuracy_at_least(curve["accuracy"][i] * size[i], size[i], doubt) for i in range(n)]
    best = 0
    for start in starts if least <= n else ():
        at = int(stops[np.searchsorted(stops, min(start, n))])
        while shown[at - 1] >= wanted:
            best = max(best, at)
            if at == n:
                break
            at = int(stops[np.searchsorted(stops, min(n, math.ceil(STRETCH * at)))])
    if not best:
        return None
    return {"wanted": wanted, "threshold": float(curve["threshold"][best - 1]), "left": float(curve["left"][best - 1]),
            "accuracy": float(curve["accuracy"][best - 1]), "items": best, "at_least": shown[best - 1],
            "sure": SURE}  # fmt: skip


def _effective(groups: NDArray[Any] | None, n: int) -> NDArray[np.float64]:
    """(n,) how many items the first 1, 2, ... n are worth, where those of a group are alike: ``(sum s)^2 / sum s^2``
    over the sizes s of the groups among them.
    """
    if groups is None:
        return np.arange(1.0, n + 1)
    before: dict[Any, int] = {}
    squares = np.zeros(n)
    for i, group in enumerate(groups.tolist()):
        squares[i] = 2 * before.get(group, 0) + 1
        before[group] = before.get(group, 0) + 1
    found: NDArray[np.float64] = np.arange(1.0, n + 1) ** 2 / np.cumsum(squares)
    return found
