"""Subspace alignment: both domains in their own principal axes, the source's turned to the target's; then a probe.

Fernando, Habrard, Sebban and Tuytelaars 2013 (https://doi.org/10.1109/ICCV.2013.368).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.adaptation.losses.alignment import subspace_alignment
from regraft.methods.adaptation.on_features import Learn, dense, folded
from regraft.methods.base import Fitted

KIND = "adapting features"
SUMMARY = "adapts to --target: the source's principal axes are turned to the target's (Fernando et al. 2013)"
OPTIMISES: tuple[str, ...] = ()
LEAST = 10


def fit_domains(source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """As many axes as there are classes, at least 10; the target's way into them becomes part of the head."""
    s, t = dense("subspace-alignment", source, target)
    components = min(max(LEAST, int(labels.max()) + 1), s.shape[1], max(1, len(s) - 1), max(1, len(t) - 1))
    on_source, on_target = subspace_alignment(s, t, components)
    fitted = learn(((s - s.mean(0)) @ on_source).astype(np.float32), labels)
    return folded(fitted, t.mean(0), on_target)
