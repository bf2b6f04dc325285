"""`Dataset`: items and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import LabelSpec, Modality, Problem, Roles
from regraft.data.items import Indices, Items
from regraft.tasks import LABEL_KINDS, LabelKind
from regraft.tasks.classification import as_names as as_names


@dataclass(frozen=True)
class Corrections:
    """What a person has corrected of a data set in the ``file`` of that ``sha256``: how many items were
    ``relabelled``, how many ``taken_out``; ``changed`` (n,) marks the first among the items that are left. Of ``boxes``
    how many were ``added``, ``dropped`` and ``changed``, and how many rows ``refused``.
    """

    file: str
    sha256: str
    relabelled: int
    taken_out: int
    changed: NDArray[np.bool_]
    boxes: dict[str, int] | None = None


@dataclass(frozen=True)
class Dataset:
    """n items with their targets.

    ``labels[name]`` is (n,) of class indices (-1: no label), for multilabel 0 and 1 (n, k), for detection (n,) of
    `regraft.core.boxes.Boxes`, for the target ``targets[name]``. ``parts`` (n,)
    names the part each item belongs to ("" where the data has no parts). ``groups`` (n,) holds what no split may
    tear (a patient, a video); ``format`` and ``evidence`` say how the data was recognised, ``roles`` what the columns
    of a table are, ``corrections`` what a person has corrected.
    """

    name: str
    items: Items
    targets: Mapping[str, LabelSpec]
    labels: Mapping[str, NDArray[Any]]
    parts: NDArray[np.str_]
    groups: NDArray[Any] | None = None
    format: str = "memory"
    evidence: str = ""
    problems: tuple[Problem, ...] = field(default=())
    roles: Roles | None = None
    corrections: Corrections | None = None

    def __post_init__(self) -> None:
        for name, values in self.labels.items():
            if len(values) != len(self.items):
                raise DataError(
                    f"{self.name} has {len(self.items)} items and {len(values)} labels ({name!r}); "
                    "each item takes one label."
                )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def modality(self) -> Modality:
        """What the items are: pictures, texts or rows of a table."""
        return self.items.modality

    @property
    def target(self) -> LabelSpec:
        """The target, where there is only one."""
        return self.targets[self.target_name]

    @property
    def target_name(self) -> str:
        """The name of the one target; raises ``DataError`` where there are several."""
        if len(self.targets) != 1:
            raise DataError(f"{self.name} has the targets {sorted(self.targets)}; choose one with --label.")
        return next(iter(self.targets))

    @property
    def y(self) -> NDArray[Any]:
        """The labels of the only target."""
        return self.labels[self.target_name]

    @property
    def kind(self) -> LabelKind:
        """What differs by what is told of the one target."""
        return LABEL_KINDS[self.target.task]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names of the one target, in their order."""
        return self.target.classes

    @property
    def part_names(self) -> list[str]:
        """The parts that are there, in order of first appearance."""
        _, first = np.unique(self.parts, return_index=True)
        return [str(self.parts[i]) for i in sorted(first)]

    def class_counts(self) -> dict[str, int]:
        """Class -> its items; of a detection set, its boxes."""
        return self.kind.counts(self.y, self.classes)

    def take(self, indices: Indices) -> Dataset:
        """The items at ``indices``, in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            items=self.items.take(indices),
            labels={k: v[indices] for k, v in self.labels.items()},
            parts=self.parts[indices],
            groups=None if self.groups is None else self.groups[indices],
            corrections=self.corrections and replace(self.corrections, changed=self.corrections.changed[indices]),
        )

    @property
    def corrected(self) -> int:
        """How many of the items have a label that a person has corrected."""
        return 0 if self.corrections is None else int(self.corrections.changed.sum())

    def part(self, name: str) -> Dataset:
        """The items of one part; raises ``DataError`` naming the parts there are."""
        if name not in self.part_names:
            there = ", ".join(p or "(one, without a name)" for p in self.part_names)
            raise DataError(f"{self.name} has no part {name!r}; its parts are: {there}.")
        return self.take(np.flatnonzero(self.parts == name))


def classification_dataset(
    name: str,
    items: Items,
    labels: NDArray[Any],
    classes: tuple[str, ...],
    parts: NDArray[np.str_] | None = None,
    **more: Any,
) -> Dataset:
    """The usual case: one target, called ``label``; ``labels`` are indices into ``classes``."""
    parts = np.full(len(items), "") if parts is None else parts
    return Dataset(name, items, {"label": LabelSpec("classification", classes)}, {"label": labels}, parts, **more)
