"""CORAL: the source's features take the colours (the covariance) and the mean of the target's; then a probe.

Sun, Feng and Saenko 2016 (https://arxiv.org/abs/1511.05547). Rows are first brought to a mean variance of 1 by one
factor, so that the ridge of the paper means the same for every network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.adaptation.losses.alignment import coral_matrix
from regraft.methods.adaptation.on_features import Learn, dense
from regraft.methods.base import Fitted

KIND = "adapting features"
SUMMARY = "adapts to --target: the source's covariance becomes the target's, then a probe (Sun et al. 2016)"
OPTIMISES: tuple[str, ...] = ()


def fit_domains(source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """The head works on the target's features as they are."""
    s, t = dense("coral", source, target)
    size = float(s.std(0).mean()) or 1.0
    moved = (s - s.mean(0)) @ coral_matrix(s / size, t / size) + t.mean(0)
    return learn(moved.astype(np.float32), labels)
