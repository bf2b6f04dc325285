"""Where a run goes, and what of it may vary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from regraft.core.errors import InputError
from regraft.options.base import option


@dataclass(frozen=True)
class RunOptions:
    """The run folder."""

    PANEL: ClassVar[str] = "Output"

    out: str | None = option(None, "the run folder [default: runs/<data>-<method>-<n>]")
    seed: int = option(0, "decides what is held out and the folds", low=0)
    overwrite: bool = option(False, "replace the run folder", flag="--overwrite")
    resume: bool = option(False, "end an interrupted run", flag="--resume")
    track: str | None = option(None, "where the figures are kept too: mlflow or wandb", choices=("mlflow", "wandb"))


def seconds_of(budget: str) -> float:
    """``90s``, ``10m`` or ``2h`` in seconds; raises ``InputError``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not found or not float(found[1]):
        raise InputError(f"--budget is {budget!r}; wanted is a time such as 90s, 10m or 2h.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
