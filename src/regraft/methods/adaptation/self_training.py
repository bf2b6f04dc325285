"""Self-training: the probe's most certain answers on the target become labels, more of them in every round.

Class-balanced after Zou, Yu, Kumar and Wang 2018 (https://arxiv.org/abs/1810.07911): of each class the same share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import stack_rows
from regraft.methods.adaptation.on_features import Learn
from regraft.methods.base import Fitted
from regraft.metrics.validators import CERTAINTY, probabilities
from regraft.models.heads import logits_of

KIND = "adapting features"
SUMMARY = "adapts to --target: a probe learns from its own most certain answers (Zou et al. 2018)"
OPTIMISES = CERTAINTY
SHARES = (0.2, 0.4, 0.6, 0.8)
"""The share of each class that is believed, by round."""


def fit_domains(source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """Four rounds; the choice of the first probe stands for all."""
    first = fitted = learn(source, labels)
    for share in SHARES:
        p = probabilities(logits_of(fitted.head, target))
        guesses, sure = p.argmax(1), p.max(1)
        believed = most_certain(guesses, sure, share)
        rows, y = stack_rows([source, target[believed]]), np.concatenate([labels, guesses[believed]])
        fitted = learn(rows, y, record=first.record)
    return Fitted(fitted.head, {**first.record, "believed": len(believed)}, first.rows, first.logits)


def most_certain(guesses: NDArray[Any], sure: NDArray[Any], share: float) -> NDArray[np.int64]:
    """Positions, in order, of the most certain ``share`` of each class, at least one."""
    chosen = []
    for c in np.unique(guesses):
        of_class = np.flatnonzero(guesses == c)
        order = of_class[np.argsort(-sure[of_class], kind="stable")]
        chosen.append(order[: max(1, round(share * len(order)))])
    return np.sort(np.concatenate(chosen)).astype(np.int64)
