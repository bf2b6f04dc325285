"""Joint adaptation network: features and answers together, by their joint kernel mean.

Long, Zhu, Wang and Jordan 2017 (https://arxiv.org/abs/1605.06636), with the unbiased quadratic estimate.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.discrepancy import joint_mmd
from regraft.methods.adaptation.on_networks import DomainPlan, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: joint kernel means of features and answers (Long et al. 2017)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    source, of_source, target, of_target = forward_both(learner, x)
    with full_precision(x):
        distance = joint_mmd((source, of_source.softmax(1)), (target, of_target.softmax(1)))
        transfer = rising(x.progress) * distance
    return summed(classification=supervised(of_source, targets), transfer=transfer)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("jan", options.epochs, 0, options.top(RATE), step=step),), NEEDS)
