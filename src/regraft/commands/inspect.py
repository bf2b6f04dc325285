"""``regraft inspect``: what the data is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regraft.data.audit import class_problems, unreadable
from regraft.data.sources import open_data
from regraft.types import Problem


@dataclass(frozen=True)
class Inspection:
    """What was recognised in the data. ``parts`` maps part -> items, ``sizes`` WxH -> items looked at."""

    name: str
    format: str
    evidence: str
    task: str
    modality: str
    items: int
    classes: dict[str, int]
    parts: dict[str, int]
    sizes: dict[str, int]
    problems: list[Problem]


def inspect(data: str, *, format: str | None = None) -> Inspection:
    """Reads every item of ``data`` once; raises ``DataError`` where it is not recognised at all."""
    found = open_data(data, format=format)
    problems = [*class_problems(found), *unreadable(found)]
    bad = {p.item for p in problems if p.kind == "unreadable"}
    sizes: dict[str, int] = {}
    for i in range(min(len(found), 100)):
        if found.items.name(i) not in bad:
            shape = np.shape(found.items.load(i))
            size = f"{shape[1]}x{shape[0]}" if len(shape) > 1 else f"{shape[0]} columns"
            sizes[size] = sizes.get(size, 0) + 1
    return Inspection(
        name=found.name,
        format=found.format,
        evidence=found.evidence,
        task=found.target.task,
        modality=found.modality,
        items=len(found),
        classes=found.class_counts(),
        parts={p: int((found.parts == p).sum()) for p in found.part_names if p},
        sizes=dict(sorted(sizes.items(), key=lambda kv: -kv[1])),
        problems=problems,
    )
