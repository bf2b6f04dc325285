"""The target's answers as a mixture of normal classes, which finds the borders anew; then a probe on the target alone.

Where a language or a kind of text shifts the features, the source's probe still orders the target's items, but its
border lies beside the gap, all the more where the classes are of other sizes there. So its logits are taken for a
mixture of normal distributions, one a class, with a common variance: O'Neill 1978, Normal discrimination with
unclassified observations (Journal of the American Statistical Association 73, 821-826), by expectation maximisation.
The most certain of these answers are the labels of a probe on the target's own items, and so on: iterative
reclassification (McLachlan 1975, in the same journal 70, 365-369). Classes that the target lacks are given items.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from regraft.methods.adaptation.on_features import Learn
from regraft.methods.adaptation.self_training import SHARES, most_certain
from regraft.methods.base import Fitted
from regraft.metrics.validators import CERTAINTY, probabilities
from regraft.models.heads import LinearHead, logits_of

KIND = "adapting features"
SUMMARY = "adapts to --target: its answers as a mixture of classes, then a probe on itself (McLachlan 1975)"
OPTIMISES = CERTAINTY
STEPS, SMALLEST = 200, 1e-3
"""Of expectation maximisation; the least share of a class."""


def fit_domains(source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """Four rounds; the choice of the source's probe stands for all."""
    first = fitted = learn(source, labels)
    for share in SHARES:
        said = probabilities(logits_of(normal_classes(fitted.head, target), target))
        guesses = said.argmax(1)
        if len(np.unique(guesses)) < 2:  # nothing that a probe could tell apart
            break
        believed = most_certain(guesses, said.max(1), share)
        fitted = learn(target[believed], guesses[believed], record=first.record)
    head = normal_classes(fitted.head, target)
    return Fitted(head, {**first.record, "rounds": len(SHARES)}, first.rows, first.logits)


def normal_classes(head: LinearHead, rows: Any) -> LinearHead:
    """The head with its logits turned into the log odds of `mixture` on ``rows`` (n, D)."""
    logits = logits_of(head, rows)
    turn, shift = (torch.from_numpy(v) for v in mixture(logits - logits.mean(1, keepdims=True)))
    turn = turn - turn.mean(1, keepdim=True)  # what is the same for all classes says nothing
    found = copy.deepcopy(head)
    weight, bias = found.linear.weight.detach(), found.linear.bias.detach()
    with torch.no_grad():
        found.linear.weight.copy_(turn @ weight.double())
        found.linear.bias.copy_(turn @ bias.double() + shift)
    return found


def mixture(logits: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(A, b)``, (K, K) and (K,): the log odds ``A z + b`` of the classes for logits z (n, K) without labels, as a
    mixture of K normal distributions with a common variance in all directions.

    It starts from the logits brought to the same mean and spread for every class.
    """
    n, k = logits.shape
    spread = np.maximum(logits.std(0), 1e-12)
    said = probabilities((logits - logits.mean(0)) / spread)
    turn, shift = np.eye(k), np.zeros(k)
    for _ in range(STEPS):
        share = np.maximum(said.mean(0), SMALLEST)
        means = said.T @ logits / (n * np.maximum(said.mean(0), 1e-12))[:, None]
        off = (logits**2).sum(1, keepdims=True) - 2 * logits @ means.T + (means**2).sum(1)
        variance = max(float((said * off).sum()) / (n * max(k - 1, 1)), 1e-12)
        turn, shift = means / variance, np.log(share) - (means**2).sum(1) / (2 * variance)
        scores = logits @ turn.T + shift
        said = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    return turn, shift
