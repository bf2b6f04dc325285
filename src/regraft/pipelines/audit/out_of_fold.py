"""What probes say of items that they had not seen, for all items of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.runtime import track
from regraft.core.types import LabelSpec
from regraft.features.fusion import parts_of
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.model import Model


def out_of_fold(
    network: Pretrained, x: NDArray[Any], y: NDArray[Any], target: LabelSpec, folds: NDArray[np.int64],
    groups: NDArray[Any] | None, seed: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Features (n, D) of ``network`` and labels -> (n, K) probabilities, or numbers (n, 1), of a calibrated linear
    probe that had not seen the item: means over the rounds of ``folds`` (rounds, n), NaN where it is in no fold (-1).

    Scaling, strength and temperature are chosen once, by a cross-validation inside all items; weights are not.
    """
    how: dict[str, Any] = {"seed": seed, "per_feature_scaling": network.spec.modality == "table",
                           "blocks": [p.width for p in parts_of(network)]}  # fmt: skip
    record = fit_features(x, y, target, groups=groups, **how).record
    found: list[NDArray[np.float64]] = []
    steps = [(fold, f) for fold in folds for f in range(int(fold.max()) + 1)]
    for fold, f in track(steps, "cross-validation", len(steps)):
        learn, judge = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        head = fit_features(x[learn], y[learn], target, record=record, **how).head
        said = Model(network, head, "label", target).probabilities(x[judge])
        if f == 0:
            found.append(np.full((len(y), said.shape[1]), np.nan))
        found[-1][judge] = said
    return np.mean(found, axis=0)
