"""Few items judge nothing: each is judged by heads that had not seen it, every choice made anew without it.

How wide the interval around such a figure is was chosen by simulated coverage (`benchmarks/bench_coverage.py`, parts
``folds_of_...``): the rounds share their items, and the folds their training items (Bengio and Grandvalet 2004,
https://www.jmlr.org/papers/v5/grandvalet04a.html; Nadeau and Bengio 2003, https://doi.org/10.1023/A:1024068626366).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError
from regraft.data.folds import bins, stratified_folds

FEW = 60
"""Below so many held-out items their figure tells little."""
MOST_FOLDS, ROUNDS, ENOUGH = 5, 5, 60
"""Folds, at most; rounds, each of which deals the folds anew, as long as all have dealt no more than so many items."""

LIMITS = {"accuracy": (0.0, 1.0), "map": (0.0, 1.0), "coverage": (0.0, 1.0), "rmse": (0.0, math.inf),
          "gain in accuracy": (-1.0, 1.0), "gain in map": (-1.0, 1.0)}  # fmt: skip
"""Between which a figure lies whatever its interval says."""


def most_folds(labels: NDArray[Any], groups: NDArray[Any] | None) -> int:
    """Into how many folds items of these labels (n,) or (n, k) may be dealt so that each holds its share of the usual
    class: a fold that takes a class's only item out makes the rest expect the other classes.
    """
    units = len(labels) if groups is None else len(np.unique(groups))
    counts = [len(np.unique(_units(groups, len(labels))[rows])) for rows in _members(labels)]
    counts = [c for c in counts if c > 1]
    return min(units, int(np.median(counts))) if counts else 1


def deal(labels: NDArray[Any], groups: NDArray[Any] | None, folds: int | None, seed: int) -> NDArray[np.int64] | None:
    """(rounds, n) in which fold an item is judged, of ``folds`` or as many as are good; -1 where it never is, since it
    is the only one of its class, or of a group with such a one. None where the items are too few.

    ``labels`` (n,) are classes, numbers, or for multilabel (n, k). Raises ``InputError`` for more folds than can be.
    """
    most = most_folds(labels, groups)
    if folds is not None and folds > most:
        what = "items" if groups is None else "groups"
        raise InputError(f"--cv {folds} asks for more folds than the usual class has {what}: take up to {most}.")
    if most < 2:
        return None
    of = _units(groups, len(labels))
    lonely = [rows for rows in _members(labels) if len(np.unique(of[rows])) == 1] if labels.ndim == 1 else []
    kept = np.isin(of, of[np.concatenate(lonely)]) if lonely else np.zeros(len(labels), bool)
    judged = np.flatnonzero(~kept)
    if len(np.unique(of[judged])) < 2:  # every group holds what there is once
        return None
    rounds = int(np.clip(ENOUGH // max(len(judged), 1), 1, ROUNDS))
    found = np.full((rounds, len(labels)), -1)
    strata = bins(labels[judged]) if labels.dtype.kind == "f" else labels[judged]
    some = None if groups is None else groups[judged]
    for i in range(rounds):
        rng = np.random.default_rng([seed, i])
        found[i, judged] = stratified_folds(strata, folds or min(most, MOST_FOLDS), rng, some)
    return found


def _units(groups: NDArray[Any] | None, n: int) -> NDArray[Any]:
    return np.arange(n) if groups is None else groups


def _members(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    """The positions of each class's items; numbers are of one class."""
    if labels.dtype.kind == "f":
        return [np.arange(len(labels))]
    if labels.ndim == 2:
        return [np.flatnonzero(column) for column in labels.T if column.any()]
    return [np.flatnonzero(labels == c) for c in np.unique(labels)]


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
