"""Domain-adversarial training: features from which a discriminator cannot tell the domains apart.

Ganin et al. 2016 (https://arxiv.org/abs/1505.07818), algorithm 1, with the gradient reversed ever more strongly.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from regraft.methods.adaptation.losses.adversarial import Discriminator, domain_loss, reverse, rising
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: features from which the domains cannot be told (Ganin et al. 2016)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    source, logits, target, _ = forward_both(learner, x)
    strength = rising(x.progress)
    with full_precision(x):
        domain = domain_loss(*(learner.extra(reverse(f, strength)) for f in (source, target)))
    return summed(classification=supervised(logits, targets), domain=domain)


def discriminator(learner: Any, sizes: Sizes) -> nn.Module:
    """What tells the domains apart by features."""
    return Discriminator(sizes.features)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("dann", options.epochs, 0, options.top(RATE), step=step)
    return DomainPlan((phase,), NEEDS, extra=discriminator)
