"""Joint adaptation network: features and answers together, by their joint kernel mean.

Long, Zhu, Wang and Jordan 2017 (https://arxiv.org/abs/1605.06636), with the unbiased quadratic estimate.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.discrepancy import joint_mmd
from regraft.methods.adaptation.on_networks import DomainPlan, exact, passed
from regraft.methods.base import Options, Phase

KIND = "adapting networks"
SUMMARY = "adapts to --target: joint kernel means of features and answers (Long et al. 2017)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def adaptation(learner: Any, x: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    source, of_source, target, of_target = passed(learner, x)
    with exact(x):
        distance = joint_mmd((source, of_source.softmax(1)), (target, of_target.softmax(1)))
        return of_source, rising(x.progress) * distance


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("jan", options.epochs, 0, options.top(RATE), adaptation=adaptation),))
