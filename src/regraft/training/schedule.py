"""Learning rates as pure functions of the step, so that a resumed run needs no schedule's state."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int], float]


def cosine(step: int, total: int, *, warmup: float = 0.1) -> float:
    """The share of the top rate in force at ``step`` of ``total``: a linear warm-up from 0, then half a cosine to 0.

    Loshchilov and Hutter 2017 (https://arxiv.org/abs/1608.03983), without restarts. ``warmup`` is a share of the steps.
    """
    rising = round(warmup * total)
    if step < rising:
        return step / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def one_cycle(step: int, total: int, *, rise: float = 0.3, div: float = 25.0, final_div: float = 1e4) -> float:
    """The share of the top rate in force at ``step`` of ``total``: from 1/div up, then down to 1/(div * final_div).

    Smith and Topin 2018 (https://arxiv.org/abs/1708.07120), both ways as half a cosine.
    """
    turn = rise * total - 1
    low, end = 1 / div, 1 / (div * final_div)
    if step <= turn:
        return _between(low, 1.0, step / turn)
    return _between(1.0, end, (step - turn) / (total - 1 - turn))


def _between(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) / 2 * (1 + math.cos(math.pi * share))


SCHEDULES: dict[str, Schedule] = {"cosine": cosine, "one-cycle": one_cycle}


def layer_scales(blocks: int, decay: float) -> list[float]:
    """The share of the head's rate that each block learns with, from the first to the last: ``decay**(blocks - i)``.

    Layer-wise decay: Howard and Ruder 2018 (https://arxiv.org/abs/1801.06146), in the form of Clark et al. 2020.
    """
    return [decay ** (blocks - i) for i in range(blocks)]
