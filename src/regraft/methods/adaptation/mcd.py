"""Maximum classifier discrepancy: two heads disagree on the target as far as they can; the features hinder them.

Saito, Watanabe, Ushiku and Harada 2018 (https://arxiv.org/abs/1712.02560): their three steps in one, by a reversed
gradient between the features and the heads.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from regraft.methods.adaptation.losses.adversarial import reverse, rising
from regraft.methods.adaptation.losses.self_training import disagreement
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed
from regraft.models.heads import LinearHead

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: two heads that must agree there (Saito et al. 2018)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    """The heads learn to disagree on the target's features, whose gradient is turned."""
    source, logits, target, _ = forward_both(learner, x)
    with full_precision(x):
        turned = reverse(target)
        apart = disagreement(learner.head(turned), learner.extra(turned))
        second = nn.functional.cross_entropy(learner.extra(source), targets)
        parts = {"second_classification": second, "discrepancy": -rising(x.progress) * apart}
    return summed(**parts, classification=supervised(logits, targets))


def second_head(learner: Any, sizes: Sizes) -> nn.Module:
    """Another draw, with the scale of the first."""
    head = LinearHead(sizes.features, sizes.classes)
    head.mean.copy_(learner.head.mean)
    head.scale.copy_(learner.head.scale)
    return head


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("mcd", options.epochs, 0, options.top(RATE), step=step)
    return DomainPlan((phase,), NEEDS, extra=second_head)
