"""Which items are unlike those that a model has learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.folds import strata, stratified_folds
from regraft.features.labelled import LabelledFeatures
from regraft.models.outliers import LEAST_ROWS, WIDEST, OutlierDetector

FOLDS, SHOWN = 5, 20


def fit_outlier_detector(
    data: Dataset, rows: LabelledFeatures, groups: NDArray[Any] | None, seed: int
) -> tuple[OutlierDetector | None, Problem | None]:
    """What the training rows look like, or why that cannot be said. No fold tears one of ``groups`` (n,)."""
    n, d = rows.x.shape
    why = None
    if issparse(rows.x):
        why = "counted words have no distances that would mean anything here; a dense network for texts has"
    elif d > WIDEST:
        why = f"{d:,} features are too many; up to {WIDEST:,} are looked at"
    elif n < LEAST_ROWS or (groups is not None and len(np.unique(groups)) < 2):
        why = f"{n} items are too few; {LEAST_ROWS} are the least"
    if why is not None:
        return None, Problem("no-outliers", data.name, f"what is unlike the training data is not flagged: {why}")
    folds = FOLDS if groups is None else min(FOLDS, len(np.unique(groups)))
    fold = stratified_folds(strata(rows.y), folds, np.random.default_rng(seed), groups)
    classes = rows.y if data.target.task == "classification" else None
    return OutlierDetector.fitted(rows.x, classes, fold, per_feature_scaling=data.modality == "table"), None


def unlike_figures(known: OutlierDetector, x: NDArray[Any], names: list[str]) -> dict[str, Any]:
    """How many of the judged items, features x (n, d), are flagged, and the most unlike of them by name."""
    scores = known.scores(x)
    flags = known.unlike(scores)
    worst = [i for i in np.argsort(-beyond(known, scores), kind="stable")[:SHOWN].tolist() if flags[i]]
    return {"items": len(flags), "flagged": int(flags.sum()), "expected": known.expected,
            "most": [{"input": names[i], **{k: float(v[i]) for k, v in scores.items()}} for i in worst]}  # fmt: skip


def beyond(known: OutlierDetector, scores: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """(n,) how far each item lies beyond the threshold that it passes most, as a share of that threshold."""
    found: NDArray[Any] = np.max([_ratio(scores[k], t) for k, t in known.thresholds.items()], axis=0)
    return found


def _ratio(values: NDArray[Any], threshold: float) -> NDArray[Any]:
    """How far beyond the threshold, as a share of its size."""
    return (values - threshold) / max(abs(threshold), 1e-12)
