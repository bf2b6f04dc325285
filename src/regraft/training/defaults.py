"""What a training takes where nothing was said: epochs by the number of items, rates, the loop's settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.training.state import Settings

GENTLE_ON_TEXTS = 0.2


def default_epochs(n: int, text: bool = False) -> int:
    """Enough passes for a few hundred steps at least, few where a pass is long already; fewer over texts."""
    if text:
        return int(np.clip(round(20_000 / n), 3, max(10, 40 // -(-n // 32))))
    return int(np.clip(round(20_000 / n), 4, 20))


def rate_of(lr: float | str | None) -> float | None:
    """The top rate that was named; None for the method's own, or where a range test is to find it."""
    return None if lr in (None, "auto") else float(lr)  # type: ignore[arg-type]


def loop_settings(
    settings: dict[str, Any], task: str, targets: NDArray[Any], data: str, batch_norm: str = "learn"
) -> Settings:
    """What was asked for, over the loop's defaults."""
    balance = None
    if settings["class_weight"] == "balanced":
        counts = np.maximum(targets.sum(0), 1)
        balance = tuple((len(targets) / (len(counts) * counts)).tolist())
    names = ("batch", "accumulate", "schedule", "ema", "smoothing", "focal", "mix", "patience", "batch_norm")
    asked = {"batch_norm": batch_norm} | {k: settings[k] for k in names if settings[k] is not None}
    if asked.get("focal"):
        asked["smoothing"] = 0.0
    return Settings(task=task, class_weight=balance, seed=settings["seed"], data=data, **asked)
