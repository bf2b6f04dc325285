"""SHOT: needs the source's model alone; the head stays, the features learn to be sure and diverse.

Liang, Hu and Feng 2020 (https://arxiv.org/abs/2002.08546): information maximisation, and pseudo-labels by the nearest
class centroid, found anew at the beginning of every epoch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from regraft.methods.adaptation.losses.self_training import centroid_labels, information_maximisation
from regraft.methods.adaptation.on_networks import DomainPlan, answers, full_precision
from regraft.methods.base import Options, Phase, Supervised, summed
from regraft.metrics.validators import CERTAINTY

KIND, NEEDS = "adapting networks", ()
SUMMARY = "adapts to --target with the source's model alone: sure, diverse answers (Liang et al. 2020)"
OPTIMISES = CERTAINTY
RATE, BELIEF = 1e-3, 0.1
"""``BELIEF`` is the weight of the pseudo-labels, that of the paper for digits."""


class PseudoLabels(nn.Module):
    """A class for each item of the target, kept with the learner, so that a resumed run has them."""

    labels: Tensor

    def __init__(self, items: int) -> None:
        super().__init__()
        self.register_buffer("labels", torch.zeros(items, dtype=torch.int64))


def relabel(learner: Any, batches: Any) -> None:
    """Pseudo-labels for all of the target, from the learner as it is."""
    learner.extra.labels.copy_(centroid_labels(*answers(learner, batches.plain)))


def step(learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    logits = learner(x.target).float()
    with full_precision(x):
        believed = nn.functional.cross_entropy(logits, learner.extra.labels[x.places])
        return summed(information_maximisation=information_maximisation(logits), pseudo_labels=BELIEF * believed)


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    rate = options.top(RATE)
    phase = Phase("shot", options.epochs, 0, rate, step=step, head=False, before=relabel)
    return DomainPlan((phase,), extra=lambda learner, sizes: PseudoLabels(sizes.items))
