"""How honestly: what to compare with, what to promise, what to flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from regraft.core.errors import UnknownName
from regraft.options.base import option

CONTROLS = "majority,raw,random"
KNOWN = ("majority", "raw", "random")
"""Those of `regraft.pipelines.stages.controls`."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What figures are found and what they promise."""

    PANEL: ClassVar[str] = "Evaluation"

    controls: str = option(CONTROLS, "majority,raw,random (to compare with), or none; for boxes scratch trains the "
                                     "same detector without transfer too")  # fmt: skip
    cv: int | None = option(
        None, "judge by a cross-validation of so many folds, methods on features [default: where a fifth would be "
        "fewer than 60 items]", low=2, scenarios=("single",), tasks=("classification", "multilabel", "regression"),
        kinds=("features",), reasons=(("training", "is judged on what is held out"),))  # fmt: skip
    accuracy: float | None = option(
        None, "wanted accuracy: unsure items go to a person", low=0, high=1, open_ends=True, such_as="0.98",
        tasks=("classification",), scenarios=("single", "tasks", "domains"),
        reasons=(("multilabel", "it is for one label an item; a multilabel model has thresholds, chosen by itself"),
                 ("target", "no labels are looked at there")))  # fmt: skip
    interval: float | None = option(None, "numbers: conformal intervals of this level, as 0.9", low=0.5, high=1,
                                    such_as="0.9", tasks=("regression",), scenarios=("single", "tasks"))  # fmt: skip
    quantiles: str | Sequence[float] | None = option(
        None, "numbers: predict these too, as 0.05,0.5,0.95", typed=str, tasks=("regression",), scenarios=("single",),
        kinds=("features", "auto"), reasons=(("training", "trains on the mean alone"),))  # fmt: skip
    alpha: float | None = option(None, "numbers: strength of the ridge, 0 for none [default: by evidence]", low=0,
                                 tasks=("regression",), scenarios=("single", "tasks"))  # fmt: skip
    outliers: bool = option(True, "flag what is unlike training", flag="--outliers/--no-outliers",
                            tasks=("classification", "multilabel", "regression"),
                            scenarios=("single", "tasks", "domains", "taught"))  # fmt: skip
    refit: bool = option(True, "learn from all items in the end (probes)", flag="--refit/--no-refit")


def check_controls(wanted: str) -> list[str]:
    """The names in ``wanted``; raises ``UnknownName``."""
    names = [n.strip() for n in wanted.split(",") if n.strip() and n.strip() != "none"]
    for name in names:
        if name not in KNOWN:
            raise UnknownName("control", name, (*KNOWN, "none"))
    return names
