"""Tasks by name: what differs by what is told of an item."""

from __future__ import annotations

from regraft.tasks.base import Link, Task, Wanted
from regraft.tasks.classification import Classification
from regraft.tasks.multilabel import Multilabel
from regraft.tasks.regression import Regression

TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Multilabel(), Regression())}

__all__ = ["TASKS", "Link", "Task", "Wanted"]
