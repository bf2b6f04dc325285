"""Linear probing, then fine-tuning: the head starts where the probe ended, so that it does not tear the features.

Kumar et al. 2022 (https://arxiv.org/abs/2202.10054).
"""

from __future__ import annotations

from regraft.methods.base import Options, Phase, Plan, gentle

KIND = "training"
SUMMARY = "the linear probe first, then all layers learn from there (Kumar et al. 2022)"
RATE = 5e-4


def plan(blocks: int, options: Options) -> Plan:
    return Plan((Phase("lp-ft", options.epochs, 0, options.top(RATE), gentle(blocks)),))
