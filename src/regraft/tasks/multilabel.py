"""Several classes an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import Problem
from regraft.metrics import classes as metrics
from regraft.tasks.base import Floats, Groups, Link, Wanted


def thresholds_of(decision: dict[str, Any], classes: int) -> Floats:
    """(K,) probabilities from which on a class is said to be there, or (n, K) where items have some of their own."""
    return np.asarray(decision.get("thresholds", [0.5] * classes))


class Multilabel:
    """Each class that is probable enough."""

    name, headline, sign = "multilabel", "map", 1
    link: Link | None = "sigmoid"

    def outputs(self, classes: int, decision: dict[str, Any]) -> int:
        """One a class."""
        return classes

    def probabilities(self, outputs: NDArray[Any]) -> Floats:
        """Sigmoid."""
        found: Floats = 1 / (1 + np.exp(-outputs.astype(np.float64)))
        return found

    def answers(self, said: NDArray[Any], classes: Sequence[str], decision: dict[str, Any]) -> list[str]:
        """The names of those above their thresholds, joined by ``|``."""
        there = said >= thresholds_of(decision, len(classes))
        return ["|".join(n for n, yes in zip(classes, row, strict=True) if yes) for row in there]

    def entropy_bits(self, said: NDArray[Any]) -> NDArray[Any]:
        """The sum over the classes."""
        return metrics.entropy_bits(np.stack([said, 1 - said], 2)).sum(1)

    def figures(
        self, labels: NDArray[Any], said: NDArray[Any], decision: dict[str, Any], groups: Groups, ends: Floats | None
    ) -> dict[str, Any]:
        """See `regraft.metrics.classes.multilabel`."""
        return metrics.multilabel(labels, said, thresholds_of(decision, said.shape[1]), groups)

    def gain(
        self, labels: NDArray[Any], ours: NDArray[Any], theirs: NDArray[Any], seed: int, groups: Groups
    ) -> dict[str, Any]:
        """In the mean of average precisions."""
        return metrics.paired_map_gain(labels, ours, theirs, seed=seed, groups=groups)

    def decision(
        self, outputs: NDArray[Any] | None, labels: NDArray[Any], classes: int, wanted: Wanted, name: str,
        groups: Groups,
    ) -> tuple[dict[str, Any], Problem | None]:  # fmt: skip
        """The thresholds of best F1, a half where nothing is known."""
        if outputs is None:
            return {"thresholds": [0.5] * classes}, None
        return {"thresholds": metrics.best_thresholds(labels, self.probabilities(outputs)).tolist()}, None

    def constant(self, labels: NDArray[Any], n: int, classes: int) -> tuple[str, Floats, dict[str, Any]]:
        """Each class by its frequency (Laplace's rule)."""
        shares = (labels.sum(0) + 1) / (len(labels) + 2)
        return "majority", np.tile(shares, (n, 1)), {"thresholds": [0.5] * classes}
