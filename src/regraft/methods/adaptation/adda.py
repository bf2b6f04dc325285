"""ADDA: the target gets a network of its own, whose features a discriminator takes for the source's.

Tzeng, Hoffman, Saenko and Darrell 2017 (https://arxiv.org/abs/1702.05464), equation 9: the network of the source
stays as it is, that of the target starts from it and learns with inverted labels; the head stays.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from regraft.methods.adaptation.losses.adversarial import Discriminator, domain_loss
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items",)
SUMMARY = "adapts to --target: features of its own that look like the source's (Tzeng et al. 2017)"
OPTIMISES: tuple[str, ...] = ()
RATE = 2e-4


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    """The discriminator learns from both features as they are; the target's from a discriminator that stands still."""
    source_body, discriminator = learner.extra
    source_body.eval()
    with torch.no_grad():
        source = source_body.features(x.source).float()
    target = learner.features(x.target).float()
    with full_precision(x):
        domain = domain_loss(discriminator(source), discriminator(target.detach()))
        frozen = {name: p.detach() for name, p in discriminator.named_parameters()}
        taken = functional_call(discriminator, frozen, (target,))
        return summed(domain=domain, adversarial=nn.functional.softplus(-taken).mean())


def both(learner: Any, sizes: Sizes) -> nn.Module:
    """The source's body, which does not learn, and the discriminator."""
    body = copy.deepcopy(learner.body).requires_grad_(False)
    return nn.ModuleList([body, Discriminator(sizes.features)])


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("adda", options.epochs, 0, options.top(RATE), step=step, head=False)
    return DomainPlan((phase,), NEEDS, extra=both)
