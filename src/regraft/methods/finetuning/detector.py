"""How a detector is trained: the phases of each method.

Yosinski et al. 2014 (https://arxiv.org/abs/1411.1792) for what is frozen, Kumar et al. 2022
(https://arxiv.org/abs/2202.10054) for the head before the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from regraft.core.errors import InputError
from regraft.methods.base import Options, Phase, Supervised

DEFAULT = "finetune"
SUMMARIES = {
    "head-only": "body and neck frozen and computed once; only the head learns",
    "last-k": "the last blocks and the head learn; the frozen ones are computed once (Yosinski et al. 2014)",
    "finetune": "all blocks learn from the start (Yosinski et al. 2014)",
    "lp-ft": "the head alone first, then all (Kumar et al. 2022)",
    "scratch": "no transfer: the same detector from random weights (the control)",
}
HEAD, ALL, LATER, ANEW = 2e-3, 1e-3, 5e-4, 2e-3
"""Top rates: of the head alone, of all from the start, of all after the head, of all from random weights."""


def step(learner: Any, batch: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
    """The detector's own loss of a `regraft.models.detectors.base.Batch`."""
    return {"loss": learner(batch)}


def phases(method: str, blocks: int, options: Options, kept: int = 0) -> tuple[Phase, ...]:
    """The phases of ``method`` for a detector of so many ``blocks``, of which the first ``kept`` never learn unless all
    start from random weights; raises ``InputError`` where it is no method for detectors.
    """
    if method not in SUMMARIES:
        raise InputError(f"--method {method} is not for detectors; they take {', '.join(SUMMARIES)}.")
    plan = _PHASES[method](blocks, options)
    return plan if method == "scratch" else tuple(replace(p, frozen=max(p.frozen, kept)) for p in plan)


def _phase(name: str, epochs: int, frozen: int, rate: float) -> Phase:
    return Phase(name, epochs, frozen, rate, step=step)


def _head_only(blocks: int, options: Options) -> tuple[Phase, ...]:
    return (_phase("head-only", options.epochs, blocks, options.top(HEAD)),)


def _last_k(blocks: int, options: Options) -> tuple[Phase, ...]:
    return (_phase("last-k", options.epochs, max(0, blocks - options.last), options.top(ALL)),)


def _finetune(blocks: int, options: Options) -> tuple[Phase, ...]:
    return (_phase("finetune", options.epochs, 0, options.top(ALL)),)


def _lp_ft(blocks: int, options: Options) -> tuple[Phase, ...]:
    first = max(1, options.epochs // 4)
    rate = options.top(HEAD)
    return (
        _phase("head", first, blocks, rate),
        _phase("all", max(1, options.epochs - first), 0, rate * LATER / HEAD),
    )


def _scratch(blocks: int, options: Options) -> tuple[Phase, ...]:
    return (_phase("scratch", options.epochs, 0, options.top(ANEW)),)


_PHASES: dict[str, Callable[[int, Options], tuple[Phase, ...]]] = {
    "head-only": _head_only, "last-k": _last_k, "finetune": _finetune, "lp-ft": _lp_ft, "scratch": _scratch,
}  # fmt: skip
