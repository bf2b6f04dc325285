"""What differs by what is told of an item: one class, several, a number. A task is one short file and one line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import Problem

Link = Literal["softmax", "sigmoid"]
"""How logits become probabilities: one class is true, or each may be."""

Floats = NDArray[np.float64]
Groups = NDArray[Any] | None
"""(n,) what belongs together, by which intervals go; None where each item stands for itself."""


@dataclass(frozen=True)
class Wanted:
    """What a model is asked to promise: an ``accuracy``, an ``interval`` of that level, ``quantiles`` with the mean."""

    accuracy: float | None = None
    interval: float | None = None
    quantiles: Sequence[float] | None = None


class Task(Protocol):
    """``headline`` is the figure by which it is judged, ``sign`` 1 where more of it is better and -1 where less is;
    ``link`` is None where outputs are no logits. Labels are (n,) class numbers, (n, K) marks or (n,) numbers, outputs
    (n, K) logits, or numbers and their quantiles, and ``said`` (n, K) what `probabilities` makes of them. A
    ``decision`` is what a model keeps of how these become answers.
    """

    name: str
    headline: str
    sign: int
    link: Link | None

    def outputs(self, classes: int, decision: dict[str, Any]) -> int:
        """How many outputs a head has."""

    def probabilities(self, outputs: NDArray[Any]) -> Floats:
        """Outputs (n, K) -> (n, K): probabilities, or numbers with their quantiles in order."""

    def answers(self, said: NDArray[Any], classes: Sequence[str], decision: dict[str, Any]) -> list[str]:
        """(n,) answers in words."""

    def entropy_bits(self, said: NDArray[Any]) -> NDArray[Any]:
        """(n,) how unsure each answer is, in bits."""

    def figures(
        self, labels: NDArray[Any], said: NDArray[Any], decision: dict[str, Any], groups: Groups, ends: Floats | None
    ) -> dict[str, Any]:
        """The figures of merit, with intervals; ``ends`` (n, 2) are those of the intervals around numbers."""

    def gain(
        self, labels: NDArray[Any], ours: NDArray[Any], theirs: NDArray[Any], seed: int, groups: Groups
    ) -> dict[str, Any]:
        """The headline of one model minus that of another on the same items, with its paired 95 % interval; of errors
        theirs minus ours, so that more is better.
        """

    def decision(
        self, outputs: NDArray[Any] | None, labels: NDArray[Any], classes: int, wanted: Wanted, name: str,
        groups: Groups,
    ) -> tuple[dict[str, Any], Problem | None]:  # fmt: skip
        """How outputs become answers, chosen on ``outputs`` for items that the head had not seen (None: there are too
        few), and what a person should know of it; ``name`` is that of the data.
        """

    def constant(self, labels: NDArray[Any], n: int, classes: int) -> tuple[str, Floats, dict[str, Any]]:
        """What stands for knowing nothing but the labels to learn from: its name, what it says of ``n`` items, how
        that becomes answers.
        """


def unseen(outputs: NDArray[Any] | None, groups: Groups) -> str:
    """The items that the head had not seen, in words."""
    if outputs is None or groups is None:
        return f"{0 if outputs is None else len(outputs)} unseen items"
    return f"{len(outputs)} unseen items of {len(np.unique(groups))} groups"
