"""Deep adaptation network: the kernel means of the two domains' features are brought together.

Long, Cao, Wang and Jordan 2015 (https://arxiv.org/abs/1502.02791), with the unbiased quadratic estimate.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.discrepancy import multi_kernel_mmd
from regraft.methods.adaptation.on_networks import DomainPlan, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: kernel means of features brought together (MMD, Long et al. 2015)"
OPTIMISES: tuple[str, ...] = ()
RATE = 1e-3


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    source, logits, target, _ = forward_both(learner, x)
    with full_precision(x):
        transfer = rising(x.progress) * multi_kernel_mmd(source, target)
    return summed(classification=supervised(logits, targets), transfer=transfer)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((Phase("dan", options.epochs, 0, options.top(RATE), step=step),), NEEDS)
