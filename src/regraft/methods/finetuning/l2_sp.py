"""L2-SP: fine-tuning that is drawn back to the pretrained weights, not to zero.

Li, Grandvalet and Davoine 2018 (https://arxiv.org/abs/1802.01483), equation 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from regraft.methods.base import Options, Phase, Plan, gentle

KIND = "training"
SUMMARY = "fine-tuning drawn back to the pretrained weights (Li et al. 2018)"
RATE, ALPHA, BETA = 1e-3, 0.01, 0.001


class StartingPoint:
    """``alpha / 2 * |w - w0|^2`` over the body and ``beta / 2 * |w|^2`` over the head; w0 is that of the first call."""

    def __init__(self, alpha: float = ALPHA, beta: float = BETA) -> None:
        self.alpha, self.beta = alpha, beta
        self.start: dict[str, Tensor] = {}

    def __call__(self, learner: Any) -> Tensor:
        learning = {n: p for n, p in learner.body.named_parameters() if p.requires_grad}
        self.start |= {n: p.detach().clone() for n, p in learning.items() if n not in self.start}
        away = [(p - self.start[n]).square().sum() for n, p in learning.items()]
        head = [p.square().sum() for p in learner.head.parameters() if p.requires_grad]
        zero = next(learner.parameters()).new_zeros(())
        return self.alpha / 2 * sum(away, zero) + self.beta / 2 * sum(head, zero)


def plan(blocks: int, options: Options) -> Plan:
    penalty: Callable[[nn.Module], Tensor] = StartingPoint()
    phase = Phase("l2-sp", options.epochs, 0, options.top(RATE), gentle(blocks), penalty)
    return Plan((phase,), head="zero")
