"""``regraft inspect``: what the data is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from regraft.core.row_store import RowStore
from regraft.core.types import Hints
from regraft.data.audit.inspection import Inspection, inspected
from regraft.data.open import open_data


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
    """Reads every item of ``data`` once, and says which network a fit would take; raises ``DataError`` where it is not
    recognised at all.
    """
    hints = Hints(label, group, task, text, drop=drop, image=image, features=features, part=part, encoding=encoding)
    opened = open_data(data, format=format, hints=hints)
    found = inspected(opened, RowStore())
    if found.modality == "table" or "detection" in found.targets.values():
        return found
    from regraft.features.default import default_for  # it imports no torch, but what finds weights

    return replace(found, default=asdict(default_for(opened.items)))
