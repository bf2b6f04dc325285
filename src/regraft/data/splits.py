"""What to learn from and what to judge on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, Problem
from regraft.data.audit.audit import Audited, audited, audited_to_learn
from regraft.data.audit.checks import copies_between, few_judged, require_target, rows_of
from regraft.data.dataset import Dataset
from regraft.data.folds import FEW, deal, hold_out, in_words
from regraft.data.open import open_data
from regraft.data.parts import evaluation_part, training_part
from regraft.data.relabel import relabel

Look = Callable[[Dataset, NDArray[np.int64]], None]
"""What looks at a data set of which the items at some positions are to be learned from, or judged."""


@dataclass
class Split:
    """``val`` is None where nothing can be held out. ``how`` says in words where the two come from.

    ``pixels`` (m,) and ``train_pixels`` (n,) are digests of the pixels of the judged and training items, or of their
    normalised texts; ``copied`` (m,) marks the judged ones with a copy in training.
    """

    train: Dataset
    val: Dataset | None
    how: str
    problems: list[Problem] = field(default_factory=list)
    pixels: NDArray[np.uint64] | None = None
    train_pixels: NDArray[np.uint64] | None = None
    groups: NDArray[Any] | None = None
    """What no choice inside the training part may tear: its groups and copies, (n,), or None."""
    copied: NDArray[np.bool_] | None = None
    repeated: int = 0
    """How many of the training items are there again to weigh more."""
    val_groups: NDArray[Any] | None = None
    """Which of the judged items belong together, groups and copies, (m,), or None."""

    folds: NDArray[np.int64] | None = None
    """(rounds, n) in which fold of a cross-validation a training item is judged, -1 in none; None where ``val`` is."""

    @property
    def cross_validation(self) -> dict[str, int] | None:
        """How many ``folds`` and ``rounds``, for the record."""
        return None if self.folds is None else {"folds": int(self.folds.max()) + 1, "rounds": len(self.folds)}

    @property
    def corrections(self) -> list[dict[str, Any]]:
        """What a person has corrected, for the record: the file, how many items, and how many of those that judge."""
        about, judged = self.train.corrections, self.train if self.folds is not None else self.val
        if about is None:
            return []
        boxes = {} if about.boxes is None else {"boxes": about.boxes}
        return [{"file": about.file, "sha256": about.sha256, "relabelled": about.relabelled, **boxes,
                 "taken_out": about.taken_out, "judged": 0 if judged is None else judged.corrected}]  # fmt: skip

    def groups_judged(self, items: NDArray[np.int64]) -> NDArray[Any] | None:
        """Those of the judged items at ``items``: their intervals go by them."""
        groups = self.val_groups if self.folds is None else self.groups
        return None if groups is None else groups[items]

    @property
    def columns(self) -> dict[str, Any] | None:
        """What the columns of the training table are, for the record; None where it is no table."""
        return None if self.train.roles is None else self.train.roles.to_json()


def make_split(
    data: Any,
    val: Any = None,
    *,
    format: str | None = None,
    hints: Hints = Hints(),
    seed: int = 0,
    store: RowStore | None = None,
    few: bool = False,
    cv: int | None = None,
    look: Look | None = None,
) -> Split:
    """The part train, and: ``val`` if given, else the part val, else a stratified fifth of train. With ``few`` a
    cross-validation in place of a fifth of fewer than `cross_validation.FEW` items, with ``cv`` one of so many folds in
    any case, of the parts train and val together.

    Copies of a picture or text stay together, as groups do; where the data's own parts or ``val`` tear them, that is
    listed. ``look`` may look at the items before they are audited.
    """
    store = store or RowStore()
    opened = open_data(data, format=format, hints=hints)
    training_part(opened)  # refuses data without one
    if look is not None:
        _look(look, opened, ["train"] if val is not None else ["train", "val"])
    whole, learn = audited_to_learn(opened, store)
    require_target(whole.data.take(learn))
    if val is None:
        return _used_classes(judged_inside(whole, learn, seed, few, cv)[0])
    task = opened.target.task if hints.task or opened.format == "table" else None
    likewise = replace(hints, task=task, usual=opened.target_name, kept=opened.roles, part=None)
    judged = open_in_groups(val, format=format, hints=likewise)
    if judged.target.task != opened.target.task:
        raise DataError(f"{judged.name} is for {judged.target.task} and {opened.name} for {opened.target.task}.")
    judged = evaluation_part(judged)
    if look is not None:
        look(judged, np.arange(len(judged)))
    return _used_classes(judged_elsewhere(whole, learn, audited(judged, store), val))


def _look(look: Look, data: Dataset, parts: list[str]) -> None:
    learn = np.flatnonzero(np.isin(data.parts, parts)) if "train" in data.part_names else np.arange(len(data))
    with suppress(DataError):  # said when the audit has told what can be read
        require_target(data.take(learn))
        look(data, learn)


def judged_inside(
    whole: Audited, learn: NDArray[np.int64], seed: int, few: bool = False, cv: int | None = None
) -> tuple[Split, NDArray[np.int64]]:
    """Judged on the part val, on what is held out of the items ``learn``, or by a cross-validation of them; and the
    positions of those that are learned from.
    """
    kind, names, problems = whole.data.kind, whole.data.part_names, [*whole.problems]
    judge, folds = np.zeros(0, np.int64), None
    if cv is not None and "val" in names:
        learn = np.flatnonzero(np.isin(whole.data.parts, ["train", "val"]))
    labels = whole.data.y[learn]
    groups = None if whole.groups is None else whole.groups[learn]
    if cv is not None:
        folds, how = deal(labels, groups, cv, seed), ""
        if folds is None:
            raise DataError(
                f"--cv {cv}: every group of {whole.data.name} holds a class that no other has; leave it out."
            )
    elif "val" in names and "train" in names:
        judge, how = np.flatnonzero(whole.data.parts == "val"), "judged on the part val"
    else:
        kept, held = hold_out(kind.strata(labels, whole.data.classes), groups, seed=seed)
        if few and len(held) < FEW:
            folds = deal(labels, groups, None, seed)
        if folds is None:
            learn, judge = learn[kept], learn[held]
        how = f"judged on a {kind.held_out}"
        if not len(held) and folds is None:
            problems.append(Problem("not-judged", whole.data.name, f"too few {kind.too_few} to hold any out"))
            how = f"nothing could be held out: too few {kind.too_few}"
    if folds is not None and (alone := int((folds[0] < 0).sum())):
        text = f"{alone} items are the only ones of their class, or grouped with such a one: they are not judged"
        problems.append(Problem("not-judged", whole.data.name, text))
    split = Split(whole.data.take(learn), whole.data.take(judge) if len(judge) else None, how, problems, folds=folds)
    if split.cross_validation is not None:
        split.how = f"judged by {in_words(split.cross_validation)}"
    if whole.groups is not None:
        split.groups, split.val_groups = whole.groups[learn], whole.groups[judge]
    if whole.facts is not None:
        split.pixels, split.train_pixels = whole.facts.pixels[judge], whole.facts.pixels[learn]
    if whole.copies is not None:
        split.copied = np.isin(whole.copies[judge], whole.copies[learn])
    return split, learn


def judged_elsewhere(whole: Audited, learn: NDArray[np.int64], other: Audited, val: Any) -> Split:
    """Judged on ``val``, data of its own that is audited as ``other``."""
    split = Split(whole.data.take(learn), other.data, f"judged on {val}", whole.problems + other.problems)
    split.groups, split.val_groups = None if whole.groups is None else whole.groups[learn], other.groups
    if whole.facts is not None and other.facts is not None:
        split.pixels, split.train_pixels = other.facts.pixels, whole.facts.pixels[learn]
        split.copied, found = copies_between(split.train, rows_of(whole.facts, learn), other.data, other.facts)
        split.problems += found
    return split


def part_of_split(split: Split, items: NDArray[np.int64]) -> Split:
    """What a choice by some of the training ``items`` (n,) alone may see."""
    part = Split(split.train.take(items), None, split.how)
    part.groups = None if split.groups is None else split.groups[items]
    part.train_pixels = None if split.train_pixels is None else split.train_pixels[items]
    return part


def open_in_groups(data: Any, *, format: str | None = None, hints: Hints) -> Dataset:
    """`open_data` of what is judged on: the groups that ``hints`` name are read where the data has them, so that
    intervals go by them; where it has none, that is listed.
    """
    if hints.group is None:
        return open_data(data, format=format, hints=hints)
    try:
        return open_data(data, format=format, hints=hints)
    except DataError:
        found = open_data(data, format=format, hints=replace(hints, group=None))
    text = f"has nothing for --group {hints.group}: its intervals are those of items that have nothing in common"
    return replace(found, problems=(*found.problems, Problem("no-groups", found.name, text)))


def judged_corrections(split: Split) -> list[Problem]:
    """How many of the labels that judge were corrected: who corrects looks at a model's answers."""
    judged = split.train if split.folds is not None else split.val
    if judged is None or not judged.corrected:
        return []
    text = (f"{judged.corrected} of {len(judged)} judged items have a corrected label: the figures are those on the "
            "corrected ones, and whoever corrected them saw a model's answers")  # fmt: skip
    return [Problem("judged-by-corrections", judged.name, text)]


def _used_classes(split: Split) -> Split:
    """Both parts with the classes that have a training example; judged items of others are listed and left out."""
    classes = tuple(name for name, count in split.train.class_counts().items() if count)
    split.train = relabel(split.train, classes, strict=False)
    split.problems += judged_corrections(split)
    if split.val is None:
        split.problems += few_judged(split.train) if split.folds is not None else []
        return split
    counts = split.val.class_counts()
    before = split.val.problems
    split.val = relabel(split.val, classes, strict=False)
    split.problems += split.val.problems[len(before) :]
    if split.val.y.ndim == 2:
        for name in [n for n, count in counts.items() if count and n not in classes]:
            text = f"{counts[name]} judged items have this label, of which training has no example; it is not judged"
            split.problems.append(Problem("class-without-training", name, text))
    unknown = split.val.kind.unknown(split.val.y)
    if unknown.any():
        text = f"{int(unknown.sum())} items of classes without a training example are left out of the judgement"
        split.problems.append(Problem("class-without-training", split.val.name, text))
        keep = np.flatnonzero(~unknown)
        split.val = split.val.take(keep)
        split.pixels = None if split.pixels is None else split.pixels[keep]
        split.copied = None if split.copied is None else split.copied[keep]
        split.val_groups = None if split.val_groups is None else split.val_groups[keep]
    split.problems += few_judged(split.val)
    return split
