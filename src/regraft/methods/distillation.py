"""Knowledge distillation: a network learns the softened answers of a teacher, and labels where there are some.

Hinton, Vinyals and Dean 2015 (https://arxiv.org/abs/1503.02531), section 2. It teaches with the phases of any method
that trains a network: only what a step makes small is another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from regraft.methods.base import Options, Plan, Supervised, summed
from regraft.options.base import Kind

LEAST = 1e-8
"""What a teacher's probabilities are raised to, so that their logarithms are finite."""


def softened(probabilities: Tensor, temperature: float) -> Tensor:
    """The softmax of the logits over ``temperature``, of logits whose softmax (n, k) the ``probabilities`` are
    (equation 1).
    """
    return (probabilities.clamp(min=LEAST).log() / temperature).softmax(1)


def distillation_losses(
    logits: Tensor, soft: Tensor, hot: Tensor, temperature: float, label_weight: float
) -> dict[str, Tensor]:
    """Means over the n examples, in nats, by name; all (n, k).

    ``teacher``: the divergence of the softened answers of the student from those ``soft`` of the teacher, times
    ``temperature ** 2``, so that its gradients are of one size at any temperature; ``labels``: the cross-entropy to
    ``hot``, of examples that have a label. Of these the first counts ``1 - label_weight`` times, the second
    ``label_weight`` times; of others the first counts whole.
    """
    wanted = softened(soft, temperature)
    said = (logits / temperature).log_softmax(1)
    apart = temperature**2 * nn.functional.kl_div(said, wanted, reduction="none").sum(1)
    labelled = hot.sum(1)
    off = -(hot * logits.log_softmax(1)).sum(1)
    return {"teacher": ((1 - label_weight * labelled) * apart).mean(), "labels": (label_weight * off).mean()}


@dataclass(frozen=True)
class Distilled:
    """``method``, one that trains a network, with a teacher: targets (n, 2k) hold its answers, then the labels."""

    KIND: ClassVar[Kind] = "training"
    method: Any
    temperature: float
    label_weight: float

    def plan(self, blocks: int, options: Options) -> Plan:
        """The method's own, with another loss."""
        plan: Plan = self.method.plan(blocks, options)
        return replace(plan, phases=tuple(replace(p, step=self.step) for p in plan.phases))

    def step(self, learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
        """`distillation_losses` of a batch, in float32; the task's own loss is not asked for."""
        soft, hot = targets.chunk(2, 1)
        logits: Tensor = learner(x)
        with torch.autocast(logits.device.type, enabled=False):
            return summed(**distillation_losses(logits.float(), soft, hot, self.temperature, self.label_weight))
