"""What a detector learns from and what it is judged on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, Problem
from regraft.data.audit.audit import audited, audited_to_learn
from regraft.data.audit.checks import few_judged
from regraft.data.audit.facts import Facts
from regraft.data.dataset import Dataset
from regraft.data.open import open_boxes
from regraft.data.parts import evaluation_part, training_part
from regraft.data.relabel import renumbered
from regraft.data.splits import Split, judged_corrections, judged_elsewhere, judged_inside


@dataclass
class BoxSplit(Split):
    """A split of pictures with boxes; ``shapes`` (n, 2) are height and width of the training pictures."""

    shapes: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))


def split_boxes(
    opened: Dataset, val: Any, *, format: str | None, seed: int, store: RowStore, hints: Hints = Hints()
) -> BoxSplit:
    """The part train, and: ``val`` if given, else the part val, else a fifth of train, groups and copies together."""
    training_part(opened)  # refuses data without one
    whole, learn = audited_to_learn(opened, store)
    assert isinstance(whole.facts, Facts)
    if val is None:
        found, learn = judged_inside(whole, learn, seed)
    else:
        found = judged_elsewhere(whole, learn, audited(evaluation_part(open_boxes(val, format, hints)), store), val)
    classes = tuple(name for name, count in found.train.class_counts().items() if count)
    if not classes:
        raise DataError(f"{found.train.name} has no box to learn from.")
    train, _ = renumbered(found.train, classes)
    split = BoxSplit(train, None, found.how, found.problems, groups=found.groups, shapes=whole.facts.info[learn, :2])
    if found.val is not None:
        split.val, left = renumbered(found.val, classes)
        split.copied = found.copied if found.copied is not None and found.copied.any() else None
        split.val_groups = found.val_groups
        split.problems += [*judged_corrections(split), *few_judged(split.val)]
        for name, count in left.items():
            text = f"{count} judged boxes are of this class, of which training has no example; they are not judged"
            split.problems.append(Problem("class-without-training", name, text))
    return split
