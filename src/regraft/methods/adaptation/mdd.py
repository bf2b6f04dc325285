"""Margin disparity discrepancy: a second head agrees with the first on the source and not on the target; the features
hinder it.

Zhang, Liu, Long and Jordan 2019 (https://arxiv.org/abs/1904.05801), equations 27 to 30.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import reverse, rising
from regraft.methods.adaptation.losses.self_training import margin_disparity
from regraft.methods.adaptation.mcd import second_head
from regraft.methods.adaptation.on_networks import DomainPlan, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: no second head can tell it apart by a margin (Zhang et al. 2019)"
OPTIMISES: tuple[str, ...] = ()
RATE, MARGIN, STRONGEST = 1e-3, 4.0, 0.1
"""Top rate; the margin, and how strongly the features hinder the second head in the end, as the authors set them."""


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    source, logits, target, of_target = forward_both(learner, x)
    strength = STRONGEST * rising(x.progress)
    with full_precision(x):
        second = [learner.extra(reverse(f, strength)) for f in (source, target)]
        disparity = -margin_disparity(logits, second[0], of_target, second[1], MARGIN)
    return summed(classification=supervised(logits, targets), disparity=disparity)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("mdd", options.epochs, 0, options.top(RATE), step=step)
    return DomainPlan((phase,), NEEDS, extra=second_head)
