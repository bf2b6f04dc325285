"""Minimum class confusion: on the target, no class is taken for another.

Jin, Wang, Long and Wang 2020 (https://arxiv.org/abs/1912.03699).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.self_training import class_confusion
from regraft.methods.adaptation.on_networks import DomainPlan, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed
from regraft.metrics.validators import CERTAINTY

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: less confusion between classes there (Jin et al. 2020)"
OPTIMISES = CERTAINTY
RATE = 1e-3


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    _, of_source, _, of_target = forward_both(learner, x)
    with full_precision(x):
        confusion = rising(x.progress) * class_confusion(of_target)
    return summed(classification=supervised(of_source, targets), class_confusion=confusion)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("mcc", options.epochs, 0, options.top(RATE), step=step),), NEEDS)
