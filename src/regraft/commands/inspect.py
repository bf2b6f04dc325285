"""``regraft inspect``: what the data is, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regraft.commands.auditing import audited
from regraft.data.audit import target_problems
from regraft.data.cells import Cells
from regraft.data.dataset import Dataset
from regraft.data.numbers import kind_of
from regraft.data.sources import open_data
from regraft.data.texts import TextFacts
from regraft.features.store import RowStore
from regraft.types import Hints, Problem


@dataclass(frozen=True)
class Inspection:
    """What was recognised in the data, of the items that can be read.

    ``parts`` maps part -> items, ``targets`` label column -> task. Of pictures, ``sizes`` maps WxH -> items; of texts,
    ``languages`` maps language -> items, and ``lengths`` holds the ``median`` and ``max`` in characters. Of a label
    that is a number, ``numbers`` holds ``min``, ``median`` and ``max``; of a table, ``columns`` maps each to its kind.
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
    numbers: dict[str, float] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)


def inspect(
    data: Any,
    *,
    format: str | None = None,
    label: str | None = None,
    group: str | None = None,
    task: str | None = None,
    text: str | None = None,
) -> Inspection:
    """Reads every item of ``data`` once; raises ``DataError`` where it is not recognised at all."""
    opened = open_data(data, format=format, hints=Hints(label, group, task, text))
    found = audited(opened, RowStore())
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
        sizes=dict(sizes.most_common()),
        problems=[*found.problems, *(target_problems(learn) if one else [])],
        languages=dict(languages.most_common()),
        lengths=lengths,
        numbers=_numbers(whole) if one and whole.target.task == "regression" else {},
        columns=_columns(whole),
    )


def _numbers(data: Dataset) -> dict[str, float]:
    return {"min": float(data.y.min()), "median": float(np.median(data.y)), "max": float(data.y.max())}


def _columns(data: Dataset) -> dict[str, str]:
    """Column -> ``number`` or ``category``, of a table of them."""
    return {n: kind_of(data.items.texts(n)) for n in data.items.columns} if isinstance(data.items, Cells) else {}
