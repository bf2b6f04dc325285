"""``regraft inspect``: what the data is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regraft.commands.auditing import audited
from regraft.data.audit import class_problems
from regraft.data.sources import open_data
from regraft.features.store import RowStore
from regraft.types import Hints, Problem


@dataclass(frozen=True)
class Inspection:
    """What was recognised in the data, of the items that can be read.

    ``parts`` maps part -> items, ``sizes`` WxH -> items, ``targets`` label column -> task.
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


def inspect(
    data: Any,
    *,
    format: str | None = None,
    label: str | None = None,
    group: str | None = None,
    task: str | None = None,
) -> Inspection:
    """Reads every item of ``data`` once; raises ``DataError`` where it is not recognised at all."""
    opened = open_data(data, format=format, hints=Hints(label, group, task))
    found = audited(opened, RowStore())
    whole = found.data
    sizes: dict[str, int] = {}
    for height, width in [] if found.facts is None else found.facts.info[:, :2].tolist():
        sizes[f"{width}x{height}"] = sizes.get(f"{width}x{height}", 0) + 1
    one = len(opened.targets) == 1
    learn = whole.part("train") if "train" in whole.part_names else whole
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
        sizes=dict(sorted(sizes.items(), key=lambda kv: -kv[1])),
        problems=[*found.problems, *(class_problems(learn) if one else [])],
    )
