"""Deep CORAL: the covariances of the two domains' features are brought together while training.

Sun and Saenko 2016 (https://arxiv.org/abs/1607.01719). The weight of the loss is the number of features, which takes
one of the two factors D out of it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.discrepancy import deep_coral
from regraft.methods.adaptation.on_networks import DomainPlan, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: covariances of features brought together (Sun and Saenko 2016)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    source, logits, target, _ = forward_both(learner, x)
    with full_precision(x):
        transfer = rising(x.progress) * source.shape[1] * deep_coral(source, target)
    return summed(classification=supervised(logits, targets), transfer=transfer)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("deep-coral", options.epochs, 0, options.top(RATE), step=step),), NEEDS)
