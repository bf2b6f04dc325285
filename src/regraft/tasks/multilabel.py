"""Several classes an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from regraft.core.types import LabelSpec, Problem
from regraft.metrics import classes as metrics
from regraft.tasks.base import Array, ArrayLabels, Floats, Groups, Link, Record, Task, Wanted
from regraft.tasks.cells import LabelCells, LabelColumn, is_list, plain_text
from regraft.tasks.named_classes import NamedClasses

SEPARATORS = ("|", ";", ",")


def separator_of(texts: list[str]) -> str:
    """The separator of cells with several labels, "" where there is none: their parts must be fewer than the cells' own
    values. Names of several words, such as ``red, small``, of which each place has its own, are whole.
    """
    for separator in SEPARATORS:
        if sum(separator in t for t in texts) >= max(1, 0.01 * len(texts)):
            rows = [[a.strip() for a in t.split(separator)] for t in texts]
            atoms = {a for row in rows for a in row}
            if len(atoms) <= max(2, len(set(texts))) and len(atoms) < len(texts) / 2:
                if separator != "|" and _compound(rows):
                    continue
                return separator
    return ""


def _compound(rows: list[list[str]]) -> bool:
    """Whether all have as many parts, and no part stands in two places."""
    if len({len(row) for row in rows}) > 1:
        return False
    places = [set(place) for place in zip(*rows, strict=True)]
    return sum(map(len, places)) == len(set().union(*places))


def spaced(texts: list[str]) -> bool:
    """Whether cells could hold several classes between spaces: each of them stands alone too, or a few make many."""
    different = set(texts)
    atoms = {a for t in different for a in t.split(" ")}
    return any(" " in t for t in different) and (atoms <= different or len(atoms) < len(different) / 2)


def thresholds_of(decision: Record, classes: int) -> Floats:
    """(K,) probabilities from which on a class is said to be there, or (n, K) where items have some of their own."""
    return np.asarray(decision.get("thresholds", [0.5] * classes))


class Multilabel(NamedClasses, Task):
    """Each class that is probable enough."""

    name, headline, sign, several, by_class = "multilabel", "map", 1, True, True
    link: Link | None = "sigmoid"

    def of_cells(self, cells: LabelCells) -> LabelColumn:
        """The members of lists, or the parts of cells between separators."""
        texts = [t for t in cells.texts if t]
        usual = next((s for s in SEPARATORS if any(s in t for t in texts)), " " if spaced(texts) else "|")
        separator = cells.separator or separator_of(texts) or usual
        parts = [list(c) if is_list(c) else plain_text(c).split(separator) for c in cells.cells]
        sets = [{plain_text(part) for part in cell} - {""} for cell in parts]
        classes = tuple(sorted(set().union(*sets)))
        position = {c: i for i, c in enumerate(classes)}
        values = np.zeros((len(sets), len(classes)), np.int64)
        for row, held in zip(values, sets, strict=True):
            row[[position[c] for c in held]] = 1
        split = separator if any(separator in t for t in texts) else ""
        return LabelColumn(cells.name, LabelSpec(self.name, classes), values, cells.missing, separator=split)

    def fits(self, values: Array) -> bool:
        """Rows of 0 and 1."""
        return values.ndim == 2

    def of_array(self, values: Array, names: tuple[str, ...] | None, where: str) -> ArrayLabels:
        """Each column is a label that may hold."""
        k = values.shape[1]
        spec = LabelSpec(self.name, names or tuple(map(str, range(k))))
        return spec, values.astype(np.int64), f"{k} labels that may hold at once"

    def counts(self, labels: Array, classes: Sequence[str]) -> dict[str, int]:
        return {name: int(count) for name, count in zip(classes, labels.sum(0), strict=True)}

    def renumbered(self, labels: Array, place: Array, classes: int) -> Array:
        found = np.zeros((len(labels), classes), np.int64)
        found[:, place[place >= 0]] = labels[:, place >= 0]
        return found

    def in_words(self, label: Any, classes: Sequence[str]) -> Any:
        return sorted(classes[k] for k in np.flatnonzero(label).tolist())

    def columns(self, labels: Array) -> Floats:
        return labels.astype(np.float64)

    def headline_figure(self, labels: Array, outputs: Array) -> float:
        return float(np.nanmean(metrics.average_precisions(labels, outputs)))

    def outputs(self, classes: int, decision: Record) -> int:
        """One a class."""
        return classes

    def probabilities(self, outputs: Array) -> Floats:
        """Sigmoid."""
        found: Floats = 1 / (1 + np.exp(-outputs.astype(np.float64)))
        return found

    def answers(self, said: Array, classes: Sequence[str], decision: Record) -> list[str]:
        """The names of those above their thresholds, joined by ``|``."""
        there = said >= thresholds_of(decision, len(classes))
        return ["|".join(n for n, yes in zip(classes, row, strict=True) if yes) for row in there]

    def entropy_bits(self, said: Array) -> Array:
        """The sum over the classes."""
        return metrics.entropy_bits(np.stack([said, 1 - said], 2)).sum(1)

    def figures(self, labels: Array, said: Array, decision: Record, groups: Groups, ends: Floats | None) -> Record:
        """See `regraft.metrics.classes.multilabel`."""
        return metrics.multilabel(labels, said, thresholds_of(decision, said.shape[1]), groups)

    def gain(self, labels: Array, ours: Array, theirs: Array, seed: int, groups: Groups) -> Record:
        """In the mean of average precisions."""
        return metrics.paired_map_gain(labels, ours, theirs, seed=seed, groups=groups)

    def decision(
        self, outputs: Array | None, labels: Array, classes: int, wanted: Wanted, name: str, groups: Groups
    ) -> tuple[Record, Problem | None]:
        """The thresholds of best F1, a half where nothing is known."""
        if outputs is None:
            return {"thresholds": [0.5] * classes}, None
        return {"thresholds": metrics.best_thresholds(labels, self.probabilities(outputs)).tolist()}, None

    def constant(self, labels: Array, n: int, classes: int) -> tuple[str, Floats, Record]:
        """Each class by its frequency (Laplace's rule)."""
        shares = (labels.sum(0) + 1) / (len(labels) + 2)
        return "majority", np.tile(shares, (n, 1)), {"thresholds": [0.5] * classes}
