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
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, exact
from regraft.methods.base import Options, Phase

KIND = "adapting networks"
SUMMARY = "adapts to --target: features of its own that look like the source's (Tzeng et al. 2017)"
OPTIMISES: tuple[str, ...] = ()
RATE = 2e-4


def adaptation(learner: Any, x: Any, targets: Tensor) -> tuple[None, Tensor]:
    """The discriminator learns from both features as they are; the target's from a discriminator that stands still."""
    source_body, judge = learner.extra
    source_body.eval()
    with torch.no_grad():
        source = source_body.features(x.source).float()
    target = learner.features(x.target).float()
    with exact(x):
        told = domain_loss(judge(source), judge(target.detach()))
        still = {name: p.detach() for name, p in judge.named_parameters()}
        taken = functional_call(judge, still, (target,))
        return None, told + nn.functional.softplus(-taken).mean()


def both(learner: Any, sizes: Sizes) -> nn.Module:
    """The source's body, which does not learn, and the discriminator."""
    body = copy.deepcopy(learner.body).requires_grad_(False)
    return nn.ModuleList([body, Discriminator(sizes.features)])


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("adda", options.epochs, 0, options.top(RATE), adaptation=adaptation, head=False)
    return DomainPlan((phase,), extra=both, labels=False)
