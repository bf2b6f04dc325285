"""How good a model is on a domain without labels, guessed from its answers and features. Higher is better for all.

A validator never judges a method that makes it large itself: see ``OPTIMISES`` of the methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[Any]
MOST_ROWS = 2000


@dataclass(frozen=True)
class Seen:
    """What a validator looks at: the target's ``logits`` (n, K) and ``features`` (n, D), held-out items of the source
    with their labels, and features of the source's training items.
    """

    logits: Array
    features: Array
    source_logits: Array
    source_features: Array
    source_labels: Array
    train_features: Array


def probabilities(logits: Array) -> Array:
    """Logits (n, k) -> their softmax (n, k), in float64."""
    return scipy.special.softmax(np.asarray(logits, np.float64), axis=1)


def row_entropy(logits: Array) -> Array:
    """(n, K) -> (n,) in nats."""
    z = np.asarray(logits, np.float64)
    logs = z - scipy.special.logsumexp(z, axis=1, keepdims=True)
    return -(np.exp(logs) * logs).sum(1)


def certainty(logits: Array) -> float:
    """Minus the mean entropy, in nats (Morerio et al. 2018)."""
    return -float(row_entropy(logits).mean())


def information(logits: Array) -> float:
    """The mutual information of items and answers: the entropy of the mean answer less the mean entropy, in nats.

    Musgrave, Belongie and Lim 2022 (https://arxiv.org/abs/2208.07360).
    """
    mean = probabilities(logits).mean(0)
    return max(0.0, float(-(mean * np.log(np.maximum(mean, 1e-300))).sum()) + certainty(logits))


def nuclear_norm(logits: Array) -> float:
    """BNM: the nuclear norm of the probabilities over n (Cui et al. 2020, https://arxiv.org/abs/2003.12237)."""
    p = probabilities(logits)
    return float(np.linalg.svd(p, compute_uv=False).sum() / len(p))


def soft_neighbourhood_density(rows: Array, temperature: float = 0.05) -> float:
    """SND: the mean entropy, in nats, of each row's softmax similarity to all others, by the cosine.

    ``rows`` (n, d) are probabilities or features. Saito et al. 2021 (https://arxiv.org/abs/2108.10860), equations 1
    to 3.
    """
    z = np.asarray(rows, np.float64)
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    likeness = z @ z.T / temperature
    np.fill_diagonal(likeness, -np.inf)
    logs = likeness - scipy.special.logsumexp(likeness, axis=1, keepdims=True)
    p = np.exp(logs)
    np.fill_diagonal(logs, 0.0)
    return float(-(p * logs).sum(1).mean())


def preference(logits: Array, before: float) -> float:
    """What epochs and methods are chosen by: the soft neighbourhood density of the probabilities of ``logits`` (n, K),
    and a number below 0 where the answers have collapsed.

    Answers that are all alike have the highest density there is; ``before`` is what source-only's answers on the source
    tell (`information`), which no shift can lessen, and answers that tell less than half of it count as collapsed: the
    less they tell, the lower.
    """
    nats = information(logits)
    return nats - before if collapsed(nats, before) else soft_neighbourhood_density(probabilities(logits))


def collapsed(nats: float, before: float) -> bool:
    """Whether answers that tell ``nats`` (`information`) have collapsed, where source-only's on the source tell
    ``before``.
    """
    return nats < before / 2


def rank_me(features: Array) -> float:
    """The effective rank of the features (n, D) (Garrido et al. 2023, https://arxiv.org/abs/2210.02885, equation 1)."""
    values = np.linalg.svd(np.asarray(features, np.float64), compute_uv=False)
    p = values / max(values.sum(), 1e-300) + 1e-7
    return float(np.exp(-(p * np.log(p)).sum()))


def density_ratio(source: Array, target: Array, at: Array, *, seed: int = 0) -> Array:
    """How much likelier features ``at`` (m, D) are in the target than in the source, by a logistic regression.

    Bickel, Brückner and Scheffer 2007. At most 2,000 rows a domain are looked at.
    """
    from sklearn.linear_model import LogisticRegression

    s, t = (spread(x, MOST_ROWS, seed) for x in (source, target))
    mean, scale = s.mean(0), np.maximum(s.std(0), 1e-6 * max(float(s.std()), 1e-12))
    x = (np.concatenate([s, t]) - mean) / scale
    truth = np.repeat([0, 1], [len(s), len(t)])
    told = LogisticRegression(C=0.1, max_iter=200).fit(x, truth).predict_proba((np.asarray(at) - mean) / scale)
    ratio: Array = told[:, 1] / np.maximum(told[:, 0], 1e-6) * (len(s) / len(t))
    return ratio


def weighted_risk(weights: Array, errors: Array) -> float:
    """DEV: the importance-weighted mean of ``errors`` (n,), with a control variate that reduces its variance.

    You et al. 2019 (https://proceedings.mlr.press/v97/you19a.html), equation 8.
    """
    weighted = weights * errors
    variance = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    eta = -float(np.cov(weighted, weights, ddof=1)[0, 1]) / variance if variance > 0 else 0.0
    return float(weighted.mean() + eta * weights.mean() - eta)


def source_accuracy(seen: Seen) -> float:
    """Source risk, as accuracy on held-out items of the source."""
    return float((seen.source_logits.argmax(1) == seen.source_labels).mean())


def deep_embedded(seen: Seen) -> float:
    """Minus the DEV risk, of errors 0 or 1 on held-out items of the source."""
    wrong = (seen.source_logits.argmax(1) != seen.source_labels).astype(float)
    return -weighted_risk(density_ratio(seen.train_features, seen.features, seen.source_features), wrong)


VALIDATORS: dict[str, Callable[[Seen], float]] = {
    "source-risk": source_accuracy,
    "entropy": lambda seen: certainty(seen.logits),
    "im": lambda seen: information(seen.logits),
    "bnm": lambda seen: nuclear_norm(seen.logits),
    "snd": lambda seen: soft_neighbourhood_density(probabilities(spread(seen.logits, MOST_ROWS))),
    "dev": deep_embedded,
    "rankme": lambda seen: rank_me(spread(seen.features, MOST_ROWS)),
}

CERTAINTY = ("entropy", "im", "bnm")
"""The validators that grow with the certainty of the answers."""


def spread(x: Array, most: int, seed: int = 0) -> Array:
    """At most ``most`` rows of x, also of a sparse one, in their order, drawn without repetition."""
    n = x.shape[0]
    return x if n <= most else x[np.sort(np.random.default_rng(seed).permutation(n)[:most])]


def judged(seen: Seen) -> dict[str, float]:
    """The scores of all validators."""
    return {name: score(seen) for name, score in VALIDATORS.items()}
