"""Minimum class confusion: on the target, no class is taken for another.

Jin, Wang, Long and Wang 2020 (https://arxiv.org/abs/1912.03699).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.adaptation.adversarial import rising
from regraft.adaptation.selftraining import class_confusion
from regraft.adaptation.validators import CERTAINTY
from regraft.methods.base import Options, Phase
from regraft.methods.steps import DomainPlan, exact, passed

SUMMARY = "adapts to --target: less confusion between classes there (Jin et al. 2020)"
OPTIMISES = CERTAINTY
RATE = 1e-3


def adaptation(learner: Any, x: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    _, of_source, _, of_target = passed(learner, x)
    with exact(x):
        return of_source, rising(x.progress) * class_confusion(of_target)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("mcc", options.epochs, 0, options.top(RATE), adaptation=adaptation),))
