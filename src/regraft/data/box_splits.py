"""What a detector learns from and what it is judged on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import classes_present
from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, Problem
from regraft.data.audit.audit import audited, audited_to_learn
from regraft.data.audit.checks import copies_between, few_judged, rows_of
from regraft.data.audit.facts import Facts
from regraft.data.dataset import Dataset
from regraft.data.folds import hold_out
from regraft.data.open import open_boxes
from regraft.data.parts import evaluation_part, training_part
from regraft.data.relabel import renumbered


@dataclass
class BoxSplit:
    """``val`` is None where nothing can be held out; ``groups`` (n,) is what no choice inside train may tear;
    ``shapes`` (n, 2) are height and width of the training pictures.
    """

    train: Dataset
    val: Dataset | None
    how: str
    groups: NDArray[Any] | None
    shapes: NDArray[np.int32]
    problems: list[Problem] = field(default_factory=list)
    copied: NDArray[np.bool_] | None = None
    """(m,) which of the judged pictures have a copy in training; None where none has."""
    val_groups: NDArray[Any] | None = None
    """Which of the judged pictures belong together, groups and copies, (m,), or None."""


def split_boxes(
    opened: Dataset, val: Any, *, format: str | None, seed: int, store: RowStore, hints: Hints = Hints()
) -> BoxSplit:
    """The part train, and: ``val`` if given, else the part val, else a fifth of train, groups and copies together."""
    training_part(opened)  # refuses data without one
    whole, learn = audited_to_learn(opened, store)
    groups = None if whole.groups is None else whole.groups[learn]
    judged: Dataset | None
    judged_groups: NDArray[Any] | None = None
    copied: NDArray[np.bool_] | None = None
    problems = list(whole.problems)
    if val is not None:
        other = audited(evaluation_part(open_boxes(val, format, hints)), store)
        judged, judged_groups, how = other.data, other.groups, f"judged on {val}"
        assert whole.facts is not None and other.facts is not None
        copied, alike = copies_between(whole.data.take(learn), rows_of(whole.facts, learn), judged, other.facts)
        problems += other.problems + alike
    elif {"train", "val"} <= set(whole.data.part_names):
        there = np.flatnonzero(whole.data.parts == "val")
        judged, how = whole.data.take(there), "judged on the part val"
        judged_groups = None if whole.groups is None else whole.groups[there]
        if whole.copies is not None:
            copied = np.isin(whole.copies[there], whole.copies[learn])
    else:
        kept, held = hold_out(classes_present(whole.data.y[learn], len(whole.data.classes)), groups, seed=seed)
        judged, how = whole.data.take(learn[held]), "judged on a fifth held out of the training pictures"
        judged_groups = None if groups is None else groups[held]
        learn, groups = learn[kept], None if groups is None else groups[kept]
        if not len(held):
            problems.append(Problem("not-judged", whole.data.name, "too few pictures to hold any out"))
            judged, how = None, "nothing could be held out: too few pictures"
    train = whole.data.take(learn)
    counts = train.class_counts()
    classes = tuple(name for name, count in counts.items() if count)
    if not classes:
        raise DataError(f"{train.name} has no box to learn from.")
    assert isinstance(whole.facts, Facts)
    split = BoxSplit(renumbered(train, classes)[0], None, how, groups, whole.facts.info[learn, :2], problems)
    if judged is not None:
        split.val, left = renumbered(judged, classes)
        split.copied = copied if copied is not None and copied.any() else None
        split.val_groups = judged_groups
        problems += few_judged(split.val)
        for name, count in left.items():
            text = f"{count} judged boxes are of this class, of which training has no example; they are not judged"
            problems.append(Problem("class-without-training", name, text))
    return split
