"""LEEP: how well the source head's probabilities alone predict the labels.

Nguyen, Hassner, Seeger and Archambeau 2020 (https://arxiv.org/abs/2002.12462).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import CLASSES, Given, NotApplicable
from regraft.tasks.classification import one_hot

SUMMARY = "log likelihood of the labels by the source head's answers (LEEP, Nguyen et al. 2020)"
TASKS = CLASSES


def leep(source: NDArray[Any], labels: NDArray[Any]) -> float:
    """Probabilities of source classes (n, z) and class numbers (n,) -> mean log expected empirical prediction."""
    source, members = np.asarray(source, np.float64), one_hot(labels)
    joint = members.T @ source
    given_source = joint / np.maximum(joint.sum(0), np.finfo(float).tiny)
    likely = ((source @ given_source.T) * members).sum(1)
    return float(np.log(np.maximum(likely, np.finfo(float).tiny)).mean())


def score(given: Given) -> float:
    if given.source is None:
        raise NotApplicable("the weights have no source head")
    return leep(given.source, given.y)
