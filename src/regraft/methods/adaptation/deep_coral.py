"""Deep CORAL: the covariances of the two domains' features are brought together while training.

Sun and Saenko 2016 (https://arxiv.org/abs/1607.01719). The weight of the loss is the number of features, which takes
one of the two factors D out of it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.discrepancy import deep_coral
from regraft.methods.adaptation.on_networks import DomainPlan, exact, passed
from regraft.methods.base import Options, Phase

KIND = "adapting networks"
SUMMARY = "adapts to --target: covariances of features brought together (Sun and Saenko 2016)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def adaptation(learner: Any, x: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    source, logits, target, _ = passed(learner, x)
    with exact(x):
        return logits, rising(x.progress) * source.shape[1] * deep_coral(source, target)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("deep-coral", options.epochs, 0, options.top(RATE), adaptation=adaptation),))
