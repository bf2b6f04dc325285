"""One class an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import Problem
from regraft.metrics import classes as metrics
from regraft.metrics.intervals import paired_gain
from regraft.tasks.base import Floats, Groups, Link, Wanted, unseen


class Classification:
    """The most probable class; with a wanted accuracy the unsure ones are left to a person."""

    name, headline, sign = "classification", "accuracy", 1
    link: Link | None = "softmax"

    def outputs(self, classes: int, decision: dict[str, Any]) -> int:
        """One a class."""
        return classes

    def probabilities(self, outputs: NDArray[Any]) -> Floats:
        """Softmax."""
        z = outputs.astype(np.float64)
        p = np.exp(z - z.max(1, keepdims=True)) if len(z) else z
        found: Floats = p / p.sum(1, keepdims=True)
        return found

    def answers(self, said: NDArray[Any], classes: Sequence[str], decision: dict[str, Any]) -> list[str]:
        """The names of the most probable classes."""
        return [classes[i] for i in said.argmax(1)]

    def entropy_bits(self, said: NDArray[Any]) -> NDArray[Any]:
        """That of the distribution over the classes."""
        return metrics.entropy_bits(said)

    def figures(
        self, labels: NDArray[Any], said: NDArray[Any], decision: dict[str, Any], groups: Groups, ends: Floats | None
    ) -> dict[str, Any]:
        """See `regraft.metrics.classes.classification`."""
        return metrics.classification(labels, said, groups)

    def gain(
        self, labels: NDArray[Any], ours: NDArray[Any], theirs: NDArray[Any], seed: int, groups: Groups
    ) -> dict[str, Any]:
        """In accuracy."""
        right = ((p.argmax(1) == labels).astype(float) for p in (ours, theirs))
        return paired_gain(*right, seed=seed, groups=groups)

    def decision(
        self, outputs: NDArray[Any] | None, labels: NDArray[Any], classes: int, wanted: Wanted, name: str,
        groups: Groups,
    ) -> tuple[dict[str, Any], Problem | None]:  # fmt: skip
        """The confidence from which the wanted accuracy is reached, see `regraft.metrics.classes.abstention_threshold`;
        nothing where none is wanted.
        """
        if not wanted.accuracy:
            return {}, None
        chosen = None
        if outputs is not None:
            said = self.probabilities(outputs)
            correct = (said.argmax(1) == labels).astype(float)
            chosen = metrics.abstention_threshold(said.max(1), correct, wanted.accuracy, groups)
        if chosen is not None:
            return {"abstain_below": chosen["threshold"], "cross_validated": chosen}, None
        why = f"{unseen(outputs, groups)} inside the training part show none with {metrics.SURE:.0%} certainty"
        least = metrics.answers_needed(wanted.accuracy)
        return {}, Problem("no-abstention", name, f"no confidence for accuracy {wanted.accuracy}: {why}; it takes "
                           f"{least} answered without a mistake, more with some")  # fmt: skip

    def constant(self, labels: NDArray[Any], n: int, classes: int) -> tuple[str, Floats, dict[str, Any]]:
        """The classes by their frequency (Laplace's rule)."""
        shares = (np.bincount(labels, minlength=classes) + 1) / (len(labels) + classes)
        return "majority", np.tile(shares, (n, 1)), {}
