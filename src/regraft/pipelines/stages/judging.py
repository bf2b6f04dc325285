"""What a model's answers are worth beside those of controls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.metrics.intervals import share
from regraft.tasks import TASKS


def best_control(figures: dict[str, dict[str, Any]], task: str) -> str | None:
    """Of the ``figures`` by control the name of the best; None where there is none."""
    kind = TASKS[task]
    return max(figures, key=lambda name: kind.sign * float(figures[name][kind.headline]), default=None)


def abstaining(
    labels: NDArray[np.int64], probabilities: NDArray[Any], least: Any, groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """On the judged items: the share left to a person, since the answer's confidence is below the ``least``, one for
    all or (n,), and the accuracy of the rest with its interval.
    """
    answered = probabilities.max(1) >= least
    right = (probabilities.argmax(1) == labels)[answered]
    n = len(right)
    ends = share(right, None if groups is None else groups[answered])
    return {"answered": n, "left": float(1 - answered.mean()),
            "accuracy": float(right.mean()) if n else None, "accuracy_ci95": ends}  # fmt: skip
