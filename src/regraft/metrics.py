"""Figures of merit and their uncertainty, as pure functions on arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of a proportion, in 0..1 (Wilson 1927; 95 % with the default ``z``)."""
    if n == 0:
        return (0.0, 1.0)
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return (max(0.0, centre - half), min(1.0, centre + half))


def bootstrap_indices(n: int, draws: int, seed: int) -> Ints:
    """(draws, n) indices in 0..n-1, drawn with replacement."""
    return np.random.default_rng(seed).integers(0, n, (draws, n))


def paired_gain(ours: Floats, theirs: Floats, *, draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Mean difference of two scores on the same n items with its 95 % percentile bootstrap interval.

    Efron and Tibshirani 1993, chapter 13. Both arrays are (n,); for accuracies, 0 or 1 an item.
    """
    difference = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    n = len(difference)
    means = np.concatenate(
        [difference[bootstrap_indices(n, 100, seed + i)].mean(1) for i in range(max(1, draws // 100))]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(difference.mean()), "ci95": [float(low), float(high)]}


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
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)


def log_loss(labels: Ints, probabilities: Floats) -> float:
    """Mean negative natural log of the true class's probability, floored at the smallest float32 step."""
    p = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(p, np.finfo(np.float32).eps)).mean())


def confusion_matrix(labels: Ints, predicted: Ints, classes: int) -> Ints:
    """(classes, classes) counts: row the truth, column the prediction."""
    flat = np.bincount(np.asarray(labels) * classes + np.asarray(predicted), minlength=classes * classes)
    return flat.reshape(classes, classes)


def classification(labels: Ints, probabilities: Floats) -> dict[str, Any]:
    """The figures of a classifier from labels (n,) and probabilities (n, k).

    Balanced accuracy and macro F1 leave out classes that neither the labels nor (for F1) the predictions hold.
    """
    from sklearn.metrics import f1_score, recall_score

    predicted = probabilities.argmax(1)
    correct = predicted == labels
    present = np.unique(labels)
    return {
        "accuracy": float(correct.mean()),
        "accuracy_ci95": list(wilson(int(correct.sum()), len(labels))),
        "balanced_accuracy": float(recall_score(labels, predicted, labels=present, average="macro", zero_division=0)),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0)),
        "log_loss": log_loss(labels, probabilities),
        "ece": expected_calibration_error(probabilities.max(1).astype(np.float64), correct.astype(np.float64)),
    }
