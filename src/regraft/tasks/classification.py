"""One class an item."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.core.types import LabelSpec, Problem
from regraft.metrics import classes as metrics
from regraft.metrics.intervals import paired_gain
from regraft.tasks.base import Array, ArrayLabels, Floats, Groups, Link, Record, Task, Wanted, unseen
from regraft.tasks.cells import LabelCells, LabelColumn
from regraft.tasks.named_classes import NamedClasses
from regraft.text.numbers import POINT_ZERO, number

LEAST_ROWS = 10


def as_names(values: Array) -> tuple[Array, tuple[str, ...]]:
    """Raw labels -> class indices and names in sorted order (numbers by value, texts by letter)."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    names, indices = np.unique(values, return_inverse=True)
    return indices.reshape(-1).astype(np.int64), tuple(str(n) for n in names.tolist())


def one_hot(labels: Array) -> Floats:
    """Class numbers (n,) -> (n, k) of 0 and 1, for the k classes that occur."""
    values, place = np.unique(labels, return_inverse=True)
    return np.eye(len(values))[place.reshape(-1)]


def has_fractions(values: Array) -> bool:
    """Whether some are no whole numbers."""
    return values.dtype.kind == "f" and not (values == np.round(values)).all()


class Classification(NamedClasses, Task):
    """The most probable class; with a wanted accuracy the unsure ones are left to a person."""

    name, headline, sign = "classification", "accuracy", 1
    link: Link | None = "softmax"

    def of_cells(self, cells: LabelCells) -> LabelColumn:
        """The names in the order of their numbers where all are numbers, else of their letters."""
        texts, missing, doubt = cells.texts, cells.missing, ""
        given = [t for t, m in zip(texts, missing, strict=True) if not m]
        if missing.any() and given and all(map(POINT_ZERO.fullmatch, given)):
            texts, given = ([t.removesuffix(".0") for t in some] for some in (texts, given))
            doubt = "is written with .0, as whole numbers are where some are missing; they are read without it"
        counts = Counter(given)
        if len(given) > LEAST_ROWS and len(counts) == len(given):
            raise DataError(
                f"{cells.where}: the column {cells.name!r} holds another value in each of its {len(counts)} rows, so "
                "it names no classes; choose the label's column with --label."
            )
        values_of = {t: number(t) for t in counts}
        ordered = all(v is not None and not math.isnan(v) for v in values_of.values())
        classes = tuple(sorted(counts, key=(lambda t: (values_of[t], t)) if ordered else str))
        position = {c: i for i, c in enumerate(classes)}
        values = np.array([-1 if m else position[t] for t, m in zip(texts, missing, strict=True)], dtype=np.int64)
        return LabelColumn(cells.name, LabelSpec(self.name, classes), values, missing, doubt=doubt)

    def fits(self, values: Array) -> bool:
        """A class an item, or a row with a single 1."""
        return values.ndim == 1 or (len(values) > 0 and bool((values.sum(1) == 1).all()))

    def of_array(self, values: Array, names: tuple[str, ...] | None, where: str) -> ArrayLabels:
        """Whole numbers index the ``names``; without these, what occurs names the classes."""
        if values.ndim == 2:
            spec = LabelSpec(self.name, names or tuple(map(str, range(values.shape[1]))))
            return spec, values.astype(np.int64).argmax(1), "one class a picture, as rows of 0 and a 1"
        if has_fractions(values):
            raise DataError(f"{where} has labels that are no whole numbers; classes are whole numbers or names.")
        values = values.astype(np.int64) if values.dtype.kind in "fb" else values
        if names is None or values.dtype.kind not in "iu":
            indices, names = as_names(values)
            return LabelSpec(self.name, names), indices, ""
        if len(values) and (values.min() < 0 or values.max() >= len(names)):
            raise DataError(f"{where} has labels from {values.min()} to {values.max()} and {len(names)} class_names.")
        return LabelSpec(self.name, names), values.astype(np.int64), ""

    def counts(self, labels: Array, classes: Sequence[str]) -> dict[str, int]:
        counts = np.bincount(labels[labels >= 0], minlength=len(classes))
        return dict(zip(classes, counts.tolist(), strict=True))

    def renumbered(self, labels: Array, place: Array, classes: int) -> Array:
        return np.append(place, -1)[labels]

    def unknown(self, labels: Array) -> Array:
        return labels < 0

    def in_words(self, label: Any, classes: Sequence[str]) -> Any:
        return classes[label] if label >= 0 else None

    def columns(self, labels: Array) -> Floats:
        return one_hot(labels)

    def right(self, labels: Array, outputs: Array) -> Array | None:
        return outputs.argmax(1) == labels

    def headline_figure(self, labels: Array, outputs: Array) -> float:
        return float((outputs.argmax(1) == labels).mean())

    def outputs(self, classes: int, decision: Record) -> int:
        """One a class."""
        return classes

    def probabilities(self, outputs: Array) -> Floats:
        """Softmax."""
        z = outputs.astype(np.float64)
        p = np.exp(z - z.max(1, keepdims=True)) if len(z) else z
        found: Floats = p / p.sum(1, keepdims=True)
        return found

    def answers(self, said: Array, classes: Sequence[str], decision: Record) -> list[str]:
        """The names of the most probable classes."""
        return [classes[i] for i in said.argmax(1)]

    def entropy_bits(self, said: Array) -> Array:
        """That of the distribution over the classes."""
        return metrics.entropy_bits(said)

    def figures(self, labels: Array, said: Array, decision: Record, groups: Groups, ends: Floats | None) -> Record:
        """See `regraft.metrics.classes.classification`."""
        return metrics.classification(labels, said, groups)

    def gain(self, labels: Array, ours: Array, theirs: Array, seed: int, groups: Groups) -> Record:
        """In accuracy."""
        right = ((p.argmax(1) == labels).astype(float) for p in (ours, theirs))
        return paired_gain(*right, seed=seed, groups=groups)

    def decision(
        self, outputs: Array | None, labels: Array, classes: int, wanted: Wanted, name: str, groups: Groups
    ) -> tuple[Record, Problem | None]:
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

    def constant(self, labels: Array, n: int, classes: int) -> tuple[str, Floats, Record]:
        """The classes by their frequency (Laplace's rule)."""
        shares = (np.bincount(labels, minlength=classes) + 1) / (len(labels) + classes)
        return "majority", np.tile(shares, (n, 1)), {}
