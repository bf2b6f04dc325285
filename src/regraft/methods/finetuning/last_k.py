"""Only the last blocks learn, from the probe's head on; the frozen ones before them are computed once.

Yosinski et al. 2014 (https://arxiv.org/abs/1411.1792): how transferable the layers are, from the first to the last.
"""

from __future__ import annotations

from regraft.methods.base import Options, Phase, Plan

KIND = "training"
SUMMARY = "only the last blocks learn; the frozen ones are computed once (Yosinski et al. 2014)"
RATE = 5e-4


def plan(blocks: int, options: Options) -> Plan:
    frozen = max(0, blocks - options.last)
    return Plan((Phase("last-k", options.epochs, frozen, options.top(RATE)),))
