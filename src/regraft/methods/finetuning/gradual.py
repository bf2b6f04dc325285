"""Gradual unfreezing: the last third of the blocks learns first, then the last two thirds, then all.

Howard and Ruder 2018 (https://arxiv.org/abs/1801.06146), section 3.3.
"""

from __future__ import annotations

from regraft.methods.base import Options, Phase, Plan, gentle

KIND = "training"
SUMMARY = "the last blocks learn first, earlier ones join in (Howard and Ruder 2018)"
RATE = 5e-4


def plan(blocks: int, options: Options) -> Plan:
    each = max(1, options.epochs // 3)
    lengths = [each, each, max(1, options.epochs - 2 * each)]
    borders = [round(blocks * 2 / 3), round(blocks / 3), 0]
    rate, decay = options.top(RATE), gentle(blocks)
    return Plan(
        tuple(Phase(f"gradual from block {b}", n, b, rate, decay) for n, b in zip(lengths, borders, strict=True))
    )
