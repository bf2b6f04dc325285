"""What to learn from and what to judge on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.data.audit import class_problems, require_classes
from regraft.data.dataset import Dataset
from regraft.data.parts import evaluation_part, hold_out, training_part
from regraft.data.sources import open_data
from regraft.errors import DataError
from regraft.types import Problem


@dataclass
class Split:
    """``val`` is None where nothing can be held out. ``how`` says in words where the two come from."""

    train: Dataset
    val: Dataset | None
    how: str
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Rows:
    """The features (m, D) and labels (m,) of one part, without what could not be read.

    ``items`` (m,) are the positions of the rows in that part.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    items: NDArray[np.int64]


def make_split(data: str, val: str | None = None, *, format: str | None = None, seed: int = 0) -> Split:
    """The part train, and: ``val`` if given, else the part val, else a stratified fifth of train."""
    whole = open_data(data, format=format)
    train = training_part(whole)
    problems = class_problems(train)
    require_classes(train)
    if val is not None:
        judged, how = evaluation_part(open_data(val, format=format)), f"judged on {val}"
    elif "val" in whole.part_names and "train" in whole.part_names:
        judged, how = whole.part("val"), "judged on the part val"
    else:
        kept, held = hold_out(train.y, train.groups, seed=seed)
        judged, train = train.take(held), train.take(kept)
        how = "judged on a stratified fifth held out of the training items"
        if not len(held):
            problems.append(Problem("not-judged", train.name, "too few examples a class to hold any out"))
            return Split(train, None, "nothing could be held out: too few examples a class", problems)
    train, judged = _used_classes(train, judged, problems)
    return Split(train, judged, how, problems)


def relabel(data: Dataset, classes: tuple[str, ...], *, strict: bool = True) -> Dataset:
    """The same items with labels that index ``classes`` by name; -1 for a class that is not among them.

    Raises ``DataError`` listing the unknown classes where ``strict``.
    """
    position = {name: i for i, name in enumerate(classes)}
    used = [name for name, count in data.class_counts().items() if count]
    unknown = [name for name in used if name not in position]
    if unknown and strict:
        raise DataError(f"{data.name} has the classes {', '.join(unknown[:10])}, which the model has not: "
                        f"it knows {', '.join(classes[:10])}.")  # fmt: skip
    table = np.array([position.get(name, -1) for name in data.classes] + [-1])
    spec = replace(data.target, classes=classes)
    return replace(data, targets={data.target_name: spec}, labels={data.target_name: table[data.y]})


def _used_classes(train: Dataset, judged: Dataset, problems: list[Problem]) -> tuple[Dataset, Dataset]:
    """Both with the classes that have a training example; judged items of other classes are listed and left out."""
    classes = tuple(name for name, count in train.class_counts().items() if count)
    train, judged = relabel(train, classes, strict=False), relabel(judged, classes, strict=False)
    unknown = judged.y < 0
    if unknown.any():
        text = f"{int(unknown.sum())} items of classes without a training example are left out of the judgement"
        problems.append(Problem("class-without-training", judged.name, text))
        judged = judged.take(np.flatnonzero(~unknown))
    return train, judged
