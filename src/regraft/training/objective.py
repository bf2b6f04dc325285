"""What a step makes small: the loss of a batch with its parts, and its gradients, of all at once or of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regraft.methods.base import Phase
from regraft.training.losses import loss_of
from regraft.training.state import Settings


class Objective:
    """The loss that the step of a phase names, where the network runs in bfloat16 or float32."""

    def __init__(self, settings: Settings, device: torch.device, bf16: bool) -> None:
        self.task, self.smoothing, self.bf16 = settings.task, settings.smoothing, bf16
        self.loss = loss_of(settings.task, settings.focal)
        weight = settings.class_weight
        self.class_weight = None if weight is None else torch.tensor(weight, device=device)

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The task's loss of outputs (n, k), a scalar in float32."""
        with torch.autocast(outputs.device.type, enabled=False):
            return self.loss(outputs.float(), targets, self.smoothing, self.class_weight)

    def of(self, phase: Phase, net: nn.Module, x: Any, targets: Tensor) -> dict[str, Tensor]:
        """The ``loss`` of a batch and its parts, without the phase's penalty."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            return phase.step(net, x, targets, self.supervised)

    def backward(
        self, phase: Phase, net: nn.Module, learner: nn.Module, x: Any, targets: Tensor, wanted: int
    ) -> dict[str, float]:
        """The ``loss`` of a batch and its parts, whose gradients are left behind; it is taken in ``wanted`` `pieces`.

        ``net`` is the learner as it computes: in several processes wrapped around it.
        """
        values: dict[str, float] = {}
        for piece, own in zip(pieces(x, wanted), pieces(targets, wanted), strict=True):
            terms = self.of(phase, net, piece, own)
            loss = terms["loss"] * len(piece) / len(x)
            parts = {name: term for name, term in terms.items() if name != "loss"}
            if phase.penalty is not None:
                penalty = phase.penalty(learner)
                loss = loss + penalty * len(piece) / len(x)
                parts = (parts or {self.task: terms["loss"]}) | {"penalty": penalty}
            loss.backward()
            shares = {name: float(term.detach()) * len(piece) / len(x) for name, term in parts.items()}
            for name, value in {"loss": float(loss.detach()), **shares}.items():
                values[name] = values.get(name, 0.0) + value
        return values


def pieces(x: Any, wanted: int) -> list[Any]:
    """At most ``wanted`` parts of nearly the same size; none of a single example, which batch normalisation refuses."""
    return list(x.tensor_split(max(1, min(wanted, len(x) // 2))))


def means(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of every name over the steps that have it."""
    names = dict.fromkeys(name for step in steps for name in step)
    return {name: float(np.mean([step[name] for step in steps if name in step])) for name in names}
