"""Fine-tuning: all blocks and a new head learn together, the early blocks more slowly.

Yosinski et al. 2014 (https://arxiv.org/abs/1411.1792); discriminative rates after Howard and Ruder 2018
(https://arxiv.org/abs/1801.06146), section 3.2.
"""

from __future__ import annotations

from regraft.methods.base import Options, Phase, Plan, gentle

KIND = "training"
SUMMARY = "all layers learn, early ones more slowly; a new head from zero (Yosinski et al. 2014)"
RATE = 1e-3


def plan(blocks: int, options: Options) -> Plan:
    phase = Phase("finetune", options.epochs, 0, options.top(RATE), gentle(blocks))
    return Plan((phase,), head="zero")
