"""Pseudo-labels from a mean teacher: what the averaged model is sure of, the model learns.

Tarvainen and Valpola 2017 (https://arxiv.org/abs/1703.01780); for adaptation French, Mackiewicz and Fisher 2018
(https://arxiv.org/abs/1706.05208), with their threshold of confidence.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from regraft.methods.adaptation.losses.adversarial import rising
from regraft.methods.adaptation.losses.self_training import confident_cross_entropy, follow
from regraft.methods.adaptation.on_networks import DomainPlan, Sizes, forward_both, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed
from regraft.metrics.validators import CERTAINTY

KIND, NEEDS = "adapting networks", ("source items", "source labels")
SUMMARY = "adapts to --target: learns what its averaged self is sure of (Tarvainen and Valpola 2017)"
OPTIMISES = CERTAINTY
RATE, DECAY, SURE = 1e-3, 0.99, 0.9


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    teacher = learner.extra.eval()
    follow(teacher[0], learner.body, DECAY)
    follow(teacher[1], learner.head, DECAY)
    with torch.no_grad():
        wanted = teacher[1](teacher[0].features(x.target)).float()
    _, of_source, _, of_target = forward_both(learner, x)
    with full_precision(x):
        pseudo_labels = rising(x.progress) * confident_cross_entropy(of_target, wanted, SURE)
    return summed(classification=supervised(of_source, targets), pseudo_labels=pseudo_labels)


def teacher(learner: Any, sizes: Sizes) -> nn.Module:
    """The averaged self, which starts as a copy."""
    return nn.ModuleList([copy.deepcopy(learner.body), copy.deepcopy(learner.head)]).requires_grad_(False)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    phase = Phase("pseudo-label", options.epochs, 0, options.top(RATE), step=step)
    return DomainPlan((phase,), NEEDS, extra=teacher)
