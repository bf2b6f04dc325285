"""Another domain, or several tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from regraft.options.base import option

DOMAIN, TASKS = "Another domain", "Several tasks"
SHARED = ("features", "parameters")
TASK_WEIGHTS = ("uncertainty", "fixed")


@dataclass(frozen=True)
class ScenarioOptions:
    """What more there is than one data set with one label."""

    PANEL: ClassVar[str] = DOMAIN

    target: Any = option(None, "data of another domain to adapt to, without its labels", typed=str,
                         tasks=("classification",))  # fmt: skip
    target_labels: int | None = option(None, "so many items of --target may be learned from with their labels "
                                             "[default: none]", low=1, scenarios=("target",))  # fmt: skip
    mapping: str | None = option(None, "rename classes of --target: kitten=cat,puppy=dog", scenarios=("target",))
    share: str | None = option(None, "several tasks on one network: features (frozen, a head each), parameters (all "
                                     "train it)", choices=SHARED, panel=TASKS)  # fmt: skip
    task_weights: str | None = option(None, "with --share parameters: uncertainty (learned), fixed (all alike) "
                                            "[default: uncertainty]", choices=TASK_WEIGHTS, scenarios=("tasks",),
                                      panel=TASKS)  # fmt: skip
    soft: float | None = option(None, "with --share parameters: a network for each task, drawn together by an L2 "
                                      "term of this strength, such as 0.01", low=0, scenarios=("tasks",),
                                panel=TASKS)  # fmt: skip
