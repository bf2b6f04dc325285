"""A multilayer perceptron with one hidden layer on frozen features.

Rumelhart, Hinton and Williams 1986; the usual step between a linear probe and fine-tuning.
"""

from __future__ import annotations

from regraft.methods.base import Options, Phase, Plan

KIND = "training"
SUMMARY = "one hidden layer on frozen features (Rumelhart et al. 1986)"
RATE = 2e-3


def plan(blocks: int, options: Options) -> Plan:
    return Plan((Phase("mlp-probe", 3 * options.epochs, blocks, options.top(RATE)),), head="mlp")
