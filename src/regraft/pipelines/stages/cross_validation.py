"""Few items judge nothing: each is judged by heads that had not seen it, every choice made anew without it.

How wide the interval around such a figure is was chosen by simulated coverage (`benchmarks/bench_coverage.py`, parts
``folds_of_...``): the rounds share their items, and the folds their training items (Bengio and Grandvalet 2004,
https://www.jmlr.org/papers/v5/grandvalet04a.html; Nadeau and Bengio 2003, https://doi.org/10.1023/A:1024068626366).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LIMITS = {"accuracy": (0.0, 1.0), "map": (0.0, 1.0), "coverage": (0.0, 1.0), "rmse": (0.0, math.inf),
          "gain in accuracy": (-1.0, 1.0), "gain in map": (-1.0, 1.0)}  # fmt: skip
"""Between which a figure lies whatever its interval says."""


def widening(rounds: int) -> float:
    """By how much wider the interval around a figure of so many rounds is than around one of as many new items."""
    return math.sqrt(1.5 + 0.5 / rounds)


def mean_of_rounds(figures: list[Any], wider: float | None = None) -> Any:
    """One figure, or figures by name, of those of every round: their means, with the ends of intervals (``ci95``) moved
    away from the value that they are around, and kept where such a value can lie. What is no number is the first's.
    """
    wider = widening(len(figures)) if wider is None else wider
    known = [f for f in figures if f is not None]
    if not known or isinstance(known[0], str | bool):
        return known[0] if known else None
    if isinstance(known[0], dict):
        found = {key: mean_of_rounds([f.get(key) for f in known], wider) for key in known[0]}
        for key in [k for k in found if k.endswith("ci95") and found[k] is not None]:
            what = key.removesuffix("_ci95") if key != "ci95" else "value"
            if found[what] is None:  # of nothing
                continue
            low, high = LIMITS.get(what if what != "value" else f"gain in {found.get('metric')}", (-math.inf, math.inf))
            ends = [found[what] + wider * (end - found[what]) for end in found[key]]
            found[key] = [max(low, ends[0]), min(high, ends[1])]
        return found
    if isinstance(known[0], list):
        alike = [f for f in known if len(f) == len(known[0])]
        return [mean_of_rounds([f[i] for f in alike], wider) for i in range(len(known[0]))]
    mean = float(np.mean(known))
    return round(mean) if isinstance(known[0], int) else mean
