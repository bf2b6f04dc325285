"""``regraft inspect``: what the data is, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from regraft.core.boxes import Boxes
from regraft.core.row_store import RowStore
from regraft.core.types import Hints
from regraft.data.audit.audit import audited_to_learn
from regraft.data.audit.inspection import Inspection
from regraft.data.dataset import Dataset
from regraft.data.open import open_data
from regraft.data.tabular.cells import Cells
from regraft.data.text.texts import TextFacts
from regraft.text.numbers import kind_of


def inspect(
    data: Any,
    *,
    format: str | None = None,
    label: str | None = None,
    group: str | None = None,
    task: str | None = None,
    text: str | None = None,
    image: str | None = None,
    features: str | None = None,
    part: str | None = None,
    drop: str | None = None,
    encoding: str | None = None,
) -> Inspection:
    """Reads every item of ``data`` once; raises ``DataError`` where it is not recognised at all."""
    opened = open_data(data, format=format, hints=Hints(
        label, group, task, text, drop=drop, image=image, features=features, part=part, encoding=encoding,
    ))  # fmt: skip
    found, _ = audited_to_learn(opened, RowStore())
    whole = found.data
    sizes: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    lengths: dict[str, int] = {}
    if isinstance(found.facts, TextFacts):
        languages.update(found.facts.languages)
        lengths = {"median": int(np.median(found.facts.lengths)), "max": int(found.facts.lengths.max())}
    elif found.facts is not None:
        sizes.update(f"{width}x{height}" for height, width in found.facts.info[:, :2].tolist())
    one = len(opened.targets) == 1
    detection = one and whole.target.task == "detection"
    return Inspection(
        name=opened.name,
        format=opened.format,
        evidence=opened.evidence,
        task=", ".join(dict.fromkeys(t.task for t in opened.targets.values())),
        modality=opened.modality,
        items=len(whole),
        classes=whole.class_counts() if one else {},
        targets={name: spec.task for name, spec in opened.targets.items()},
        parts={p: int((whole.parts == p).sum()) for p in whole.part_names if p},
        sizes=dict(sizes.most_common()),
        problems=found.problems,
        languages=dict(languages.most_common()),
        lengths=lengths,
        boxes=_box_sizes(list(whole.y)) if detection else {},
        box_classes=_box_classes(list(whole.y), whole.classes) if detection else {},
        numbers=_numbers(whole) if one and whole.target.task == "regression" else {},
        columns=_columns(whole),
        roles=None if opened.roles is None else opened.roles.to_json(),
    )


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


def _numbers(data: Dataset) -> dict[str, float]:
    return {"min": float(data.y.min()), "median": float(np.median(data.y)), "max": float(data.y.max())}


def _columns(data: Dataset) -> dict[str, str]:
    """Column -> ``number`` or ``category``, of a table of them."""
    return {n: kind_of(data.items.texts(n)) for n in data.items.columns} if isinstance(data.items, Cells) else {}
