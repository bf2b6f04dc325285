"""A teacher: a saved model whose answers are learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from regraft.options.base import option
from regraft.options.training import TRAINED

TEMPERATURE, LABEL_WEIGHT = 2.0, 0.3


@dataclass(frozen=True)
class DistillationOptions:
    """Who teaches, and on what."""

    PANEL: ClassVar[str] = "A teacher"

    teacher: str | None = option(None, "learn from the answers of this model too: a run of the same task, as 'regraft "
                                       "distill' does", metavar="RUN", tasks=("classification",))  # fmt: skip
    unlabelled: Any = option(None, "with --teacher: items that it answers beside those of DATA, labels are not "
                                   "looked at; DATA itself, where none of its labels are to be looked at", typed=str,
                             scenarios=("taught",))  # fmt: skip
    temperature: float | None = option(None, f"soften the teacher's answers by so much [default: {TEMPERATURE:g}]",
                                       low=1, high=100, kinds=TRAINED, scenarios=("taught",))  # fmt: skip
    label_weight: float | None = option(None, "how much the label of an item counts beside the teacher's answer "
                                              f"[default: {LABEL_WEIGHT:g}]", low=0, high=1,
                                        scenarios=("taught",))  # fmt: skip
