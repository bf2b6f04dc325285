"""Two domains that a discriminator cannot tell apart: reversed gradients, conditioning, weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

LARGEST_MAP = 4096


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse(x: Tensor, strength: float = 1.0) -> Tensor:
    """x itself; what flows back is multiplied by ``-strength`` (Ganin et al. 2016, section 4.2)."""
    same: Tensor = _Reverse.apply(x, strength)
    return same


def rising(progress: float, alpha: float = 10.0) -> float:
    """How strongly gradients are reversed at ``progress`` (0..1): from 0 towards 1.

    Ganin et al. 2016 (https://arxiv.org/abs/1505.07818), section 5.2.2.
    """
    return 2 / (1 + math.exp(-alpha * progress)) - 1


class Discriminator(nn.Sequential):
    """Features (n, D) -> one logit (n,): positive where an item seems to be of the source."""

    def __init__(self, features: int, hidden: int = 256) -> None:
        super().__init__(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
                         nn.Linear(hidden, 1), nn.Flatten(0))  # fmt: skip


def domain_loss(source: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of a discriminator's logits, (n,) for the source and (m,) for the target.

    ``weights`` (n + m,), source first, are brought to a mean of 1.
    """
    logits = torch.cat([source, target])
    truth = torch.cat([torch.ones_like(source), torch.zeros_like(target)])
    each = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return each.mean() if weights is None else (each * weights).sum() / weights.sum()


def multilinear_map(probabilities: Tensor, features: Tensor) -> Tensor:
    """(n, K) and (n, D) -> the outer product of each row, (n, K D), class by class.

    Long et al. 2018 (https://arxiv.org/abs/1705.10667), equation 4.
    """
    return (probabilities[:, :, None] * features[:, None, :]).flatten(1)


def random_map(probabilities: Tensor, features: Tensor, on_classes: Tensor, on_features: Tensor) -> Tensor:
    """The product of two random projections, (K, R) and (D, R), over sqrt(R): (n, R), for where K D is too large.

    Long et al. 2018, equation 6.
    """
    return (probabilities @ on_classes) * (features @ on_features) / math.sqrt(on_classes.shape[1])


def entropy(logits: Tensor) -> Tensor:
    """(n, K) -> (n,) in nats."""
    logs = nn.functional.log_softmax(logits, 1)
    return -(logs.exp() * logs).sum(1)


def certainty_weights(logits: Tensor) -> Tensor:
    """``1 + exp(-entropy)`` of each row (n,): easy items count more (Long et al. 2018, equation 8: CDAN+E)."""
    return 1 + torch.exp(-entropy(logits))
