"""No transfer at all: the same network from random weights, trained on the labels at hand.

The control that fine-tuning has to beat.
"""

from __future__ import annotations

from regraft.methods.base import Options, Phase, Plan

KIND = "training"
SUMMARY = "no transfer: the same network from random weights (the control of fine-tuning)"
RATE = 2e-3


def plan(blocks: int, options: Options) -> Plan:
    return Plan((Phase("scratch", options.epochs, 0, options.top(RATE)),), head="zero", pretrained=False)
