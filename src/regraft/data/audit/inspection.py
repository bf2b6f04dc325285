"""What the data is, and what is wrong with it: every item is read once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regraft.core.boxes import Boxes
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.audit.audit import audited_to_learn
from regraft.data.audit.facts import Facts
from regraft.data.dataset import Dataset
from regraft.data.items import Items
from regraft.data.tabular.cells import Cells
from regraft.data.text.texts import TextFacts
from regraft.text.numbers import kind_of


@dataclass(frozen=True)
class Inspection:
    """What was recognised in the data, of the items that can be read.

    ``parts`` maps part -> items, ``targets`` label column -> task. Of pictures, ``sizes`` maps WxH -> items; of texts,
    ``languages`` maps language -> items, and ``lengths`` holds the ``median`` and ``max`` in characters. Of boxes,
    ``classes`` counts them, ``boxes`` holds how many there are in ``all``, how many are ``small`` (up to 32 x 32
    pixels), ``medium`` (up to 96 x 96), ``large``, the ``most`` in one picture, and ``pictures_without``;
    ``box_classes`` maps class -> the number of its ``pictures`` and its ``median`` box as WxH.
    Of a label that is a number, ``numbers`` holds ``min``, ``median`` and ``max``; of a table, ``columns`` maps each
    to its kind, and ``roles`` says what the columns are for. ``default`` says which network a fit would take where none
    is named, and why (`regraft.features.default.Default`); None where there is no choice.
    """

    name: str
    format: str
    evidence: str
    task: str
    modality: str
    items: int
    classes: dict[str, int]
    targets: dict[str, str]
    parts: dict[str, int]
    sizes: dict[str, int]
    problems: list[Problem]
    languages: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    boxes: dict[str, int] = field(default_factory=dict)
    box_classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Any] | None = None
    default: dict[str, Any] | None = None


def inspected(opened: Dataset, store: RowStore) -> Inspection:
    """Reads every item; raises ``DataError`` where none can be read."""
    found, _ = audited_to_learn(opened, store)
    whole, one = found.data, len(opened.targets) == 1
    return Inspection(
        name=opened.name, format=opened.format, evidence=opened.evidence, modality=opened.modality, items=len(whole),
        task=", ".join(dict.fromkeys(t.task for t in opened.targets.values())),
        classes=whole.class_counts() if one else {},
        targets={name: spec.task for name, spec in opened.targets.items()},
        parts={p: int((whole.parts == p).sum()) for p in whole.part_names if p},
        problems=found.problems, columns=_columns(whole.items),
        roles=None if opened.roles is None else opened.roles.to_json(),
        **_of_items(found.facts), **(_of_labels(whole) if one else {}),
    )  # fmt: skip


def _columns(items: Items) -> dict[str, str]:
    """Column -> ``number`` or ``category``, of a table of them."""
    return {n: kind_of(items.texts(n)) for n in items.columns} if isinstance(items, Cells) else {}


def _of_items(facts: Facts | TextFacts | None) -> dict[str, Any]:
    """The sizes of pictures; the languages and lengths of texts."""
    if isinstance(facts, TextFacts):
        lengths = {"median": int(np.median(facts.lengths)), "max": int(facts.lengths.max())}
        return {"sizes": {}, "languages": dict(Counter(facts.languages).most_common()), "lengths": lengths}
    sizes = [] if facts is None else [f"{width}x{height}" for height, width in facts.info[:, :2].tolist()]
    return {"sizes": dict(Counter(sizes).most_common())}


def _of_labels(data: Dataset) -> dict[str, Any]:
    """What is told of boxes, and of numbers."""
    if data.target.task == "detection":
        return {"boxes": _box_sizes(list(data.y)), "box_classes": _box_classes(list(data.y), data.classes)}
    if data.target.task == "regression":
        return {"numbers": {"min": float(data.y.min()), "median": float(np.median(data.y)), "max": float(data.y.max())}}
    return {}


def _box_sizes(truth: list[Boxes]) -> dict[str, int]:
    area = np.concatenate([b.areas for b in truth])
    small, medium = area <= 32**2, area <= 96**2
    counts = [len(b) for b in truth]
    return {"all": len(area), "small": int(small.sum()), "medium": int((medium & ~small).sum()),
            "large": int((~medium).sum()), "most": max(counts), "pictures_without": counts.count(0)}  # fmt: skip


def _box_classes(truth: list[Boxes], classes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found = {}
    for k, name in enumerate(classes):
        mine = [b.xyxy[b.labels == k] for b in truth]
        sides = np.concatenate([xyxy[:, 2:] - xyxy[:, :2] for xyxy in mine])
        median = "x".join(f"{v:.0f}" for v in np.median(sides, 0)) if len(sides) else ""
        found[name] = {"pictures": sum(len(xyxy) > 0 for xyxy in mine), "median": median}
    return found
