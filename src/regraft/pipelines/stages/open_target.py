"""The domain to adapt to: opened without its labels, which serve only to report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from regraft.core.errors import DataError, InputError, UnreadableItem
from regraft.core.types import Hints, Problem
from regraft.data.dataset import Dataset
from regraft.data.items import JoinedItems
from regraft.data.parts import evaluation_part, part_of, training_part
from regraft.data.relabel import relabel
from regraft.data.splits import Split, open_in_groups
from regraft.data.unlabelled import open_unlabelled

FEW = 5


@dataclass
class TargetDomain:
    """``learn`` is adapted to; ``judged`` holds the items to report on, with labels in the source's classes, None where
    the target has no labels. ``unknown`` are judged items of classes that the source has not, None where there are
    none. ``same`` says that ``judged`` are the very items adapted to. ``labelled`` are those whose labels are learned
    from, which are neither adapted to without them nor judged; None where there are none.
    """

    learn: Dataset
    judged: Dataset | None
    unknown: Dataset | None = None
    same: bool = False
    labelled: Dataset | None = None
    problems: list[Problem] = field(default_factory=list)


def open_target(
    where: Any,
    source: Dataset,
    held: Dataset | None = None,
    *,
    mapping: str | None = None,
    format: str | None = None,
    hints: Hints = Hints(),
    labels: int | None = None,
    seed: int = 0,
) -> TargetDomain:
    """The target at ``where`` beside the labelled ``source``, of which ``held`` is held out.

    ``mapping`` renames classes of the target (``kitten=cat,puppy=dog``). Adapted to is the part train, reported on the
    part test, else val, else the same items. ``labels`` is how many items of the target may be learned from with their
    labels; ``seed`` draws them, class by class. Items without a label are adapted to as well, and a column that was
    only guessed to be the label and has none of the source's classes is no label. Raises ``InputError`` where the
    target is empty, of another kind, or shares no class with the source.
    """
    opened, labelled = _opened(where, source, format, hints, guess=not mapping)
    if not len(opened):
        raise InputError(f"The target {opened.name} holds no items: there is nothing to adapt to.")
    if opened.modality != source.modality:
        raise InputError(f"The target {opened.name} holds {opened.modality} items and the source {source.modality} "
                         "items; both must be of one kind.")  # fmt: skip
    if not labelled:
        if mapping:
            raise InputError(f"--mapping {mapping}: the target {opened.name} has no class names.")
        if labels:
            raise InputError(f"--target-labels {labels}: the target {opened.name} has no labels.")
        found = _without_labels(opened)
    else:
        if opened.target.task != "classification":
            raise InputError(
                f"The target {opened.name} is for {opened.target.task}; adapting is for one class an item."
            )
        opened = renamed(opened, mapping)
        learn = training_part(opened) if opened.part_names != ["test"] else opened
        found = _with_labels(learn, evaluation_part(opened), source.classes)
        if labels:
            _set_aside(found, relabel(learn, source.classes, strict=False), labels, seed)
    found.problems += opened.problems
    theirs = [source] if held is None else [source, held]
    found.problems += _same_items(found.learn, theirs)
    if found.labelled is not None:
        found.problems += _same_items(found.labelled, theirs)
    return found


def _opened(
    where: Any, source: Dataset, format: str | None, hints: Hints, *, guess: bool = True
) -> tuple[Dataset, bool]:
    """The data and whether it has labels; items alone where no labelled format recognises them, or where what was
    taken for the label is something else (``guess``).
    """
    try:
        found = open_in_groups(where, format=format, hints=replace(hints, labels="some"))
        if found.roles is None and found.classes and all(map(part_of, found.classes)):
            raise DataError(f"{found.name} has no classes: {_some(found.classes)} are parts.")
    except DataError as error:
        try:
            return _unlabelled(open_unlabelled(where, source.modality, replace(hints, group=None)), source), False
        except (DataError, InputError):
            raise error from None
    if found.kind.unknown(found.y).all():
        return _unlabelled(found, source), False
    if not hints.label and _is_another_column(found, source):
        return _unlabelled(open_unlabelled(where, source.modality, replace(hints, group=None)), source), False
    if not (guess and _is_no_label(found, source)):
        return found, True
    text = (f"its column {found.target_name!r} holds {_some(found.classes)} and none of the source's classes: it is "
            "taken for data without labels; where both mean the same, --mapping THEIRS=OURS,... says so")  # fmt: skip
    alone = _unlabelled(found, source)
    return replace(alone, problems=(*alone.problems, Problem("no-labels", found.name, text))), False


def _unlabelled(data: Dataset, source: Dataset) -> Dataset:
    """The same items in the source's classes, with no label."""
    name = next(iter(data.targets), source.target_name)
    return replace(data, targets={name: source.target}, labels={name: np.full(len(data), -1)})


def _is_another_column(found: Dataset, source: Dataset) -> bool:
    """Whether what was taken for the label is a column that the source has too, and does not tell."""
    known = None if source.roles is None or found.roles is None else source.roles
    return known is not None and not set(found.targets) & set(known.labels) and all(
        name in known.features or name in known.unused for name in found.targets)  # fmt: skip


def _is_no_label(found: Dataset, source: Dataset) -> bool:
    """Whether a column that nobody named was taken for a table's label, and has no class of the source's."""
    if found.roles is None or source.roles is None or found.kind.numbers or found.kind.several:
        return False
    return found.target_name not in source.roles.labels and not set(found.classes) & set(source.classes)


def _without_labels(opened: Dataset) -> TargetDomain:
    """All items, or the part train where there is one, to adapt to and none to judge on."""
    learn = opened.part("train") if "train" in opened.part_names else opened
    others = len(opened) - len(learn)
    text = f"{others} of its items lie in other parts than train and have no labels to judge by: they are not used"
    return TargetDomain(learn, None, problems=[Problem("other-part", opened.name, text)] if others else [])


def renamed(data: Dataset, mapping: str | None) -> Dataset:
    """The same items with classes renamed by ``THEIRS=OURS,...``; classes that come to the same name are joined."""
    if not mapping:
        return data
    names = {}
    for pair in mapping.split(","):
        theirs, equals, ours = (p.strip() for p in pair.partition("="))
        if not equals or not theirs or not ours:
            raise InputError(f"--mapping {mapping}: {pair!r} is no pair; wanted is THEIRS=OURS, such as kitten=cat.")
        if theirs not in data.classes:
            raise InputError(f"--mapping {pair}: {data.name} has no class {theirs!r}; it has "
                             f"{_some(data.classes)}.")  # fmt: skip
        names[theirs] = ours
    new = [names.get(c, c) for c in data.classes]
    classes = tuple(dict.fromkeys(new))
    place = np.array([classes.index(n) for n in new] + [-1])
    spec = replace(data.target, classes=classes)
    return replace(data, targets={data.target_name: spec}, labels={data.target_name: place[data.y]})


def _with_labels(learn: Dataset, judged: Dataset, classes: tuple[str, ...]) -> TargetDomain:
    """The judged items in the source's classes, and what is to say where the two sets of classes differ."""
    problems, name, part = [], learn.name, judged.part_names
    if part != learn.part_names and not (judged.y >= 0).any():
        text = f"{len(judged)} of its items, the part {part[0]}, have no label to judge by: they are not used"
        problems.append(Problem("missing-label", name, text))
        judged = learn
    same = judged.part_names == learn.part_names
    if blank := int((learn.y < 0).sum()):
        text = f"{blank} of its items have no label: they are adapted to{', and not judged' if same else ''}"
        problems.append(Problem("missing-label", name, text))
    if not same and (blank := int((judged.y < 0).sum())):
        text = f"{blank} of its items in the part {part[0]} have no label: they are not judged"
        problems.append(Problem("missing-label", name, text))
    judged = judged.take(np.flatnonzero(judged.y >= 0))
    there = {c for part in (learn, judged) for c, n in part.class_counts().items() if n}
    common = [c for c in classes if c in there]
    if not common:
        raise InputError(
            f"The target has the classes {_some(sorted(there))}, the source {_some(classes)}: with none in common, "
            "unlabelled adaptation would give every item a wrong class. Rename them with --mapping THEIRS=OURS,..., or "
            "carry the network over: 'regraft fit TARGET --init RUN' with a run of the source."
        )
    missing, new = [c for c in classes if c not in there], sorted(there - set(classes))
    if missing:
        text = (f"the target has no item of {_some(missing)} (partial adaptation): methods that bring whole domains "
                "together may draw items into these classes")  # fmt: skip
        problems.append(Problem("partial", name, text))
    ours = relabel(judged, classes, strict=False)
    known = ours.y >= 0
    unknown = None
    if new:
        unknown = ours.take(np.flatnonzero(~known))
        text = (f"the source has no {_some(new)} (open set): {len(unknown)} judged items of these classes are left out "
                "of the figures, and every answer to them is wrong")  # fmt: skip
        problems.append(Problem("open-set", name, text))
    judged = ours.take(np.flatnonzero(known))
    return TargetDomain(_unlabelled(learn, ours), judged, unknown, same, problems=problems)


def _set_aside(found: TargetDomain, known: Dataset, labels: int, seed: int) -> None:
    """Takes ``labels`` items, class by class in turns, out of what is adapted to and judged, and keeps their labels."""
    rng, most = np.random.default_rng(seed), int((known.y >= 0).sum())
    if labels >= most:
        raise InputError(f"--target-labels {labels}: the target {known.name} has {most} items of these classes, and "
                         "some must be left.")  # fmt: skip
    order = rng.permutation(np.flatnonzero(known.y >= 0))
    turn = np.zeros(len(order), np.int64)
    for c in np.unique(known.y[order]):
        mine = known.y[order] == c
        turn[mine] = np.arange(mine.sum())
    chosen = np.sort(order[np.argsort(turn, kind="stable")[:labels]])
    found.labelled = known.take(chosen)
    ours = {d for i in range(len(found.labelled)) if (d := _digest(found.labelled, i))}
    rest = np.array([i for i in np.setdiff1d(np.arange(len(known)), chosen) if _digest(known, i) not in ours], np.int64)
    found.learn = found.learn.take(rest)
    if found.same:
        found.judged = known.take(rest[known.y[rest] >= 0])
    elif found.judged is not None:
        new = [i for i in range(len(found.judged)) if _digest(found.judged, i) not in ours]
        found.judged = found.judged.take(np.array(new, np.int64))
    copies = len(known) - len(chosen) - len(rest)
    if copies:
        found.problems.append(Problem("target-labels", known.name, f"{copies} copies of labelled items are left out"))
    if not len(found.learn) or found.judged is None or not len(found.judged):
        raise InputError(f"--target-labels {labels}: {known.name} has no item left that is no copy of a labelled one.")


def learn_from(split: Split, some: Dataset) -> None:
    """Puts the labelled items of a target among the source's, each as often as makes both count the same; copies stay
    on one side of every choice inside the training part.
    """
    n, times = len(split.train), max(1, len(split.train) // len(some))
    if split.train.modality == "table":
        raise InputError("--target-labels is for pictures and texts; put such rows into the source's table.")
    again = np.tile(np.arange(len(some)), times)
    own = np.arange(n) if split.groups is None else np.unique(split.groups, return_inverse=True)[1]
    split.groups = np.concatenate([own, own.max(initial=-1) + 1 + again])
    train = split.train
    split.train = replace(
        train, items=JoinedItems(train.items, some.take(again).items),
        labels={train.target_name: np.concatenate([train.y, some.y[again]])},
        parts=np.concatenate([train.parts, np.full(len(again), train.parts[0])]), groups=None, corrections=None,
    )  # fmt: skip
    split.train_pixels, split.repeated = None, len(again) - len(some)
    counts = ", ".join(f"{c} {k}" for c, k in some.class_counts().items() if k)
    split.problems.append(Problem("target-labels", some.name, f"{len(some)} of its items are learned from with their "
                                  f"labels ({counts}), each {times} times"))  # fmt: skip


def _same_items(target: Dataset, source: list[Dataset]) -> list[Problem]:
    """Whether the target holds items of the source."""
    ours = {d for part in source for i in range(len(part)) if (d := _digest(part, i))}
    theirs = [d for i in range(len(target)) if (d := _digest(target, i))]
    held = sum(d in ours for d in theirs)
    if theirs and held == len(theirs):
        text = "every item of the target is one of the source: they are one domain, and there is nothing to adapt to"
        return [Problem("same-domain", target.name, text)]
    return [Problem("same-items", target.name, f"{held} of its items are in the source too")] if held else []


def _digest(data: Dataset, i: int) -> bytes | None:
    try:
        return data.items.digest(i)
    except UnreadableItem:
        return None


def _some(names: Any) -> str:
    return ", ".join(list(names)[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
