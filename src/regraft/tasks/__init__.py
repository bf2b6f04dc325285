"""Tasks by name: what differs by what is told of an item."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from regraft.tasks.base import LabelKind, Link, Task, Wanted
from regraft.tasks.classification import Classification
from regraft.tasks.detection import Detection
from regraft.tasks.multilabel import Multilabel
from regraft.tasks.regression import Regression

TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Multilabel(), Regression())}
"""Tasks of one answer an item."""

LABEL_KINDS: Mapping[str, LabelKind] = ChainMap[str, Any]({Detection.name: Detection()}, TASKS)  # type: ignore[arg-type]
"""These and boxes."""

__all__ = ["LABEL_KINDS", "TASKS", "LabelKind", "Link", "Task", "Wanted"]
