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
from regraft.methods.adaptation.on_networks import DomainPlan, exact, passed
from regraft.methods.base import Options, Phase

KIND = "adapting networks"
SUMMARY = "adapts to --target: no second head can tell it apart by a margin (Zhang et al. 2019)"
OPTIMISES: tuple[str, ...] = ()
RATE, MARGIN, STRONGEST = 1e-3, 4.0, 0.1
"""Top rate; the margin, and how strongly the features hinder the second head in the end, as the authors set them."""


def adaptation(learner: Any, x: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    source, logits, target, of_target = passed(learner, x)
    strength = STRONGEST * rising(x.progress)
    with exact(x):
        second = [learner.extra(reverse(f, strength)) for f in (source, target)]
        return logits, -margin_disparity(logits, second[0], of_target, second[1], MARGIN)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("mdd", options.epochs, 0, options.top(RATE), adaptation=adaptation)
    return DomainPlan((phase,), extra=second_head)
