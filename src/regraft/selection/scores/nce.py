"""NCE: minus the entropy of the labels that is left once the source head's most likely class is known.

Tran, Nguyen and Hassner 2019 (https://arxiv.org/abs/1908.08142).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import CLASSES, Given, NotApplicable

SUMMARY = "negative conditional entropy of the labels given the source classes (NCE, Tran et al. 2019)"
TASKS = CLASSES


def nce(source_labels: NDArray[Any], labels: NDArray[Any]) -> float:
    """Source classes (n,) and class numbers (n,) -> nats, at most 0."""
    joint = np.zeros((int(source_labels.max()) + 1, int(labels.max()) + 1))
    np.add.at(joint, (source_labels, labels), 1 / len(labels))
    share = joint / np.maximum(joint.sum(1, keepdims=True), np.finfo(float).tiny)
    return float((joint[joint > 0] * np.log(share[joint > 0])).sum())


def score(given: Given) -> float:
    if given.source is None:
        raise NotApplicable("the weights have no source head")
    return nce(given.source.argmax(1), given.y)
