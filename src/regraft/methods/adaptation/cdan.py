"""Conditional adversarial training (CDAN+E): the discriminator sees features times class probabilities.

Long, Cao, Wang and Jordan 2018 (https://arxiv.org/abs/1705.10667), with entropy weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from regraft.methods.adaptation.losses.adversarial import (
    LARGEST_MAP,
    Discriminator,
    certainty_weights,
    domain_loss,
    multilinear_map,
    random_map,
    reverse,
    rising,
)
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: as dann, class by class, certain items first (Long et al. 2018)"
OPTIMISES: tuple[str, ...] = ()
RATE, PROJECTED = 1e-3, 1024


class Conditional(nn.Module):
    """Class probabilities (n, K) and features (n, D) -> a logit (n,); by random projections where K D is over 4096."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.random = features * classes > LARGEST_MAP
        self.discriminator = Discriminator(PROJECTED if self.random else features * classes)
        if self.random:
            self.register_buffer("on_classes", torch.randn(classes, PROJECTED))
            self.register_buffer("on_features", torch.randn(features, PROJECTED))

    def forward(self, probabilities: Tensor, features: Tensor) -> Tensor:
        if self.random:
            joined = random_map(probabilities, features, self.on_classes, self.on_features)  # type: ignore[arg-type]
        else:
            joined = multilinear_map(probabilities, features)
        logits: Tensor = self.discriminator(joined)
        return logits


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    source, of_source, target, of_target = forward_both(learner, x)
    strength = rising(x.progress)
    with full_precision(x):
        on_source, on_target = (learner.extra(z.detach().softmax(1), reverse(f, strength))
                                for f, z in ((source, of_source), (target, of_target)))  # fmt: skip
        domain = domain_loss(on_source, on_target, certainty_weights(torch.cat([of_source, of_target]).detach()))
    return summed(classification=supervised(of_source, targets), domain=domain)


def discriminator(learner: Any, sizes: Sizes) -> nn.Module:
    """What tells the domains apart by features and answers together."""
    return Conditional(sizes.features, sizes.classes)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("cdan", options.epochs, 0, options.top(RATE), step=step)
    return DomainPlan((phase,), NEEDS, extra=discriminator)
