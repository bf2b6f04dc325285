"""Optimal transport: the source's rows are carried onto the target's, a class together; then a probe.

Courty, Flamary, Tuia and Rakotomamonjy 2017 (https://arxiv.org/abs/1507.00504), with their class regularisation, by
the package POT. The plan joins at most 2,000 landmarks a domain; other rows of the source move as the nearest landmark
does (Ferradans et al. 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.adaptation.losses.alignment import LANDMARKS, carried, transport_plan
from regraft.methods.adaptation.on_features import Learn, dense
from regraft.methods.base import Fitted
from regraft.metrics.validators import spread

KIND = "adapting features"
SUMMARY = "adapts to --target: the source's items are carried onto the target's (Courty et al. 2017; needs POT)"
OPTIMISES: tuple[str, ...] = ()
ENTROPY, GROUPS = 0.05, 0.5


def fit_domains(source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """The head works on the target's features as they are."""
    s, t = dense("ot", source, target)
    s = s - s.mean(0) + t.mean(0)  # the best plan is the same; its entropy then speaks of the shapes alone
    chosen = spread(np.arange(len(s)), LANDMARKS, seed)
    landmarks, goal = s[chosen], spread(t, LANDMARKS, seed)
    plan = transport_plan(landmarks, labels[chosen], goal, entropy=ENTROPY, groups=GROUPS)
    images = plan @ goal / plan.sum(1, keepdims=True)
    return learn(carried(s, landmarks, images).astype(np.float32), labels)
