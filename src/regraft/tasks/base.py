"""What differs by what is told of an item: one class, several, a number. A task is one short file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import LabelSpec, Problem
from regraft.tasks.cells import LabelCells, LabelColumn

Link = Literal["softmax", "sigmoid"]
"""How logits become probabilities: one class is true, or each may be."""

Array = NDArray[Any]
Floats = NDArray[np.float64]
Record = dict[str, Any]
Groups = NDArray[Any] | None
"""(n,) what belongs together, by which intervals go; None where each item stands for itself."""


ArrayLabels = tuple[LabelSpec, Array, str]
"""What an array holds: what its labels are, these, and in words how it was taken."""


@dataclass(frozen=True)
class Wanted:
    """What a model is asked to promise: an ``accuracy``, an ``interval`` of that level, ``quantiles`` with the mean."""

    accuracy: float | None = None
    interval: float | None = None
    quantiles: Sequence[float] | None = None


class LabelKind(Protocol):
    """What is told of items, before there is a model. ``labels`` are (n,) class numbers (-1: none), (n, K) marks, (n,)
    numbers, or (n,) `regraft.core.boxes.Boxes`, ``classes`` the names of the classes.

    ``numbers``: labels are numbers, and outputs no logits; ``several``: an item may have more than one class;
    ``by_class``: the headline is a mean over the classes, and as rough as the smallest; ``look_at`` is the figure that
    large classes do not carry; ``held_out`` and ``too_few`` tell what is held out, and what there is too little of.
    """

    name: str
    numbers: bool = False
    several: bool = False
    by_class: bool = False
    look_at: str = "balanced accuracy"
    held_out: str = "stratified fifth held out of the training items"
    too_few: str = "examples a class"

    def counts(self, labels: Array, classes: Sequence[str]) -> dict[str, int]:
        """Class -> how often it is told of; empty for numbers."""

    def strata(self, labels: Array, classes: Sequence[str]) -> Array:
        """Of what every part of a split is to have its share: (n,) numbers or (n, K) marks."""
        return labels

    def require(self, labels: Array, classes: Sequence[str], data: str, target: str) -> None:
        """Raises ``DataError`` where nothing can be learned from the labels of ``data``, called ``target``."""

    def problems(self, labels: Array, classes: Sequence[str], target: str, item: Callable[[int], str]) -> list[Problem]:
        """What a person should know of the labels before training; ``item`` names the items."""

    def renumbered(self, labels: Array, place: Array, classes: int) -> Array:
        """The labels where the class k is ``place[k]`` of ``classes`` others, or -1, none of them."""

    def unknown(self, labels: Array) -> Array:
        """(n,) which items are of none of the classes, and cannot be judged."""
        return np.zeros(len(labels), bool)

    def in_words(self, label: Any, classes: Sequence[str]) -> Any:
        """One item's label in words that mean the same in other data; what is equal is the same label."""

    def differ(self, a: Any, b: Any, *, exact: bool) -> bool:
        """Whether two items that look alike, to the pixel where ``exact``, have different labels."""
        return not np.array_equal(a, b)


class Task(LabelKind, Protocol):
    """One answer an item, read from tables and arrays, and what models say of it. ``headline`` is the figure by which
    it is judged, ``sign`` 1 where more of it is better and -1 where less is; ``link`` is None where outputs are no
    logits. Outputs are (n, K) logits, or numbers and their quantiles, and ``said`` (n, K) what `probabilities` makes of
    them. A ``decision`` is what a model keeps of how these become answers.
    """

    headline: str
    sign: int
    link: Link | None

    def of_cells(self, cells: LabelCells) -> LabelColumn:
        """The labels that a table's column holds. Raises ``DataError`` where it cannot be labels of this kind."""

    def fits(self, values: Array) -> bool:
        """Whether an array could hold labels of this kind, by its shape: (n,), or (n, k) of 0 and 1."""

    def of_array(self, values: Array, names: tuple[str, ...] | None, where: str) -> ArrayLabels:
        """The labels that such an array of ``where`` holds, and in words how it was taken; ``names`` are those of the
        classes. Raises ``DataError`` where it holds none of this kind.
        """

    def columns(self, labels: Array) -> Floats:
        """(n, k) what is to be foretold: a column of 0 and 1 for each class that occurs, or the numbers."""

    def right(self, labels: Array, outputs: Array) -> Array | None:
        """(n,) which answers are right; None where they are more or less so."""
        return None

    def headline_figure(self, labels: Array, outputs: Array) -> float:
        """The headline alone, of outputs as they are."""

    def outputs(self, classes: int, decision: Record) -> int:
        """How many outputs a head has."""

    def probabilities(self, outputs: Array) -> Floats:
        """Outputs (n, K) -> (n, K): probabilities, or numbers with their quantiles in order."""

    def answers(self, said: Array, classes: Sequence[str], decision: Record) -> list[str]:
        """(n,) answers in words."""

    def entropy_bits(self, said: Array) -> Array:
        """(n,) how unsure each answer is, in bits."""

    def figures(self, labels: Array, said: Array, decision: Record, groups: Groups, ends: Floats | None) -> Record:
        """The figures of merit, with intervals; ``ends`` (n, 2) are those of the intervals around numbers."""

    def gain(self, labels: Array, ours: Array, theirs: Array, seed: int, groups: Groups) -> Record:
        """The headline of one model minus that of another on the same items, with its paired 95 % interval; of errors
        theirs minus ours, so that more is better.
        """

    def decision(
        self, outputs: Array | None, labels: Array, classes: int, wanted: Wanted, name: str, groups: Groups
    ) -> tuple[Record, Problem | None]:
        """How outputs become answers, chosen on ``outputs`` for items that the head had not seen (None: there are too
        few), and what a person should know of it; ``name`` is that of the data.
        """

    def constant(self, labels: Array, n: int, classes: int) -> tuple[str, Floats, Record]:
        """What stands for knowing nothing but the labels to learn from: its name, what it says of ``n`` items, how
        that becomes answers.
        """


def unseen(outputs: Array | None, groups: Groups) -> str:
    """The items that the head had not seen, in words."""
    if outputs is None or groups is None:
        return f"{0 if outputs is None else len(outputs)} unseen items"
    return f"{len(outputs)} unseen items of {len(np.unique(groups))} groups"
