"""Centring: each domain's mean is taken out of its features, then a probe.

Libovický, Rosa and Fraser 2020 (https://arxiv.org/abs/2004.05160), section 3: in the features of a multilingual network
the mean of a language's texts is what tells the language, and less so what they say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.adaptation.on_features import Learn, dense
from regraft.methods.base import Fitted

KIND = "adapting features"
SUMMARY = "adapts to --target: each domain's mean is taken out, in texts the language (Libovický et al. 2020)"
OPTIMISES: tuple[str, ...] = ()


def fit_domains(source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """The source's rows are moved by the difference of the means; the head works on the target's as they are."""
    s, t = dense("center", source, target)
    return learn((s - s.mean(0) + t.mean(0)).astype(np.float32), labels)
