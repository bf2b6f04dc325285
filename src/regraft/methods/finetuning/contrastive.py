"""Contrastive tuning with few labels: texts of one class are drawn together, those of different classes apart.

In the manner of SetFit, Tunstall et al. 2022 (https://arxiv.org/abs/2209.11055), section 3: the network learns from
pairs, of which few examples make many; then a probe is fitted on its features. All pairs of a batch are used at once,
of a large batch as many of them for each example: time and memory of a step grow with the batch, not with its square.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from regraft.methods.base import Options, Phase, Plan, Supervised, gentle, summed

KIND, NEEDS = "training", ("classes", "pairs of items")
SUMMARY = "pairs of one class drawn together, others apart, then a probe (SetFit, Tunstall et al. 2022)"
RATE = 1e-4
MOST_PAIRS = 1 << 15
"""All pairs of 256 examples; of 384 numbers each they take 50 MB, and their gradients a few times that."""


def pair_losses(features: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Mean squared error of the cosine of every pair against 1 (same class) or 0, over the number of kinds there are:
    both kinds weigh the same.

    ``features`` (n, D), ``targets`` (n, k) probabilities, of which the product says how far a pair is of one class.
    """
    z = nn.functional.normalize(features, dim=1)
    first, second = pairs(len(z), z.device)
    same = (targets[first] * targets[second]).sum(1).clamp(max=1)
    errors = ((z[first] * z[second]).sum(1) - same).square()
    kinds = {name: w for name, w in (("same_class", same), ("other_class", 1 - same)) if float(w.sum()) > 0}
    return {name: (errors * w).sum() / w.sum() / len(kinds) for name, w in kinds.items()}


def pairs(n: int, device: torch.device, most: int = MOST_PAIRS) -> tuple[Tensor, Tensor]:
    """The places (p,) of both examples of each pair among ``n``: every two once, where these are not more than
    ``most``; else each example with as many of those behind it, which go on at the beginning, evenly spaced.
    """
    if n * (n - 1) // 2 <= most:
        first, second = torch.triu_indices(n, n, 1, device=device)
        return first, second
    each, half = max(1, most // n), (n - 1) // 2  # a distance up to half of the way round joins no two twice
    steps = 1 + torch.arange(each, device=device) * half // each
    first = torch.arange(n, device=device).repeat_interleave(each)
    return first, (first + steps.repeat(n)) % n


def step(learner: Any, x: Tensor, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    """The loss of pairs of a batch's features."""
    return summed(**pair_losses(learner.features(x).float(), targets))


def plan(blocks: int, options: Options) -> Plan:
    rate = options.rate or RATE
    phase = Phase("contrastive", options.epochs, 0, rate, gentle(blocks), step=step)
    return Plan((phase,), refit=True)
