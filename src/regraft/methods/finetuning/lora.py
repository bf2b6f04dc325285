"""LoRA: every linear layer of a transformer gets an update of low rank, and only these learn.

Hu et al. 2022 (https://arxiv.org/abs/2106.09685), section 4. After training the updates are added to the weights, so
that the model is of its own architecture again. PyTorch's own parametrisations carry them, which reach the packed
weights of an attention layer too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from regraft.core.errors import InputError
from regraft.methods.base import Options, Phase, Plan

KIND, NEEDS = "training", ("one process",)
SUMMARY = "low-rank updates of a transformer's linear layers learn, all else stays (Hu et al. 2022)"
RATE, RANK, ALPHA = 1e-3, 8, 16


class LowRank(nn.Module):
    """``W + alpha / rank * B A`` for a weight W (out, in); A starts at random, B at zero: at first nothing changes."""

    def __init__(self, weight: Tensor, rank: int = RANK, alpha: float = ALPHA) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.lora_a = nn.Parameter(weight.new_empty(rank, columns))
        self.lora_b = nn.Parameter(weight.new_zeros(rows, rank))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.lora_a, math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return torch.addmm(weight, self.lora_b, self.lora_a, alpha=self.scale)


def plan(blocks: int, options: Options) -> Plan:
    phase = Phase("lora", options.epochs, 0, options.rate or RATE, only="lora_")
    return Plan((phase,), prepare=add, finish=merge)


def _weights(body: nn.Module) -> list[tuple[nn.Module, str]]:
    """The weight matrices of all linear layers, those packed in attention layers among them."""
    linear = [(m, "weight") for m in body.modules() if isinstance(m, nn.Linear)]
    packed = [m for m in body.modules() if isinstance(m, nn.MultiheadAttention) and m.in_proj_weight is not None]
    return [*linear, *((m, "in_proj_weight") for m in packed)]


def add(body: nn.Module) -> None:
    """Puts an update beside every linear layer; raises ``InputError`` where there is none."""
    chosen = _weights(body)
    if not chosen:
        raise InputError("--method lora is for transformers: this network has no linear layers before its head.")
    for layer, name in chosen:
        parametrize.register_parametrization(layer, name, LowRank(getattr(layer, name)))


def merge(body: nn.Module) -> None:
    """Adds the updates to the weights."""
    for layer, name in _weights(body):
        parametrize.remove_parametrizations(layer, name, leave_parametrized=True)
