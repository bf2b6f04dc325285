"""What can be said of a training's numbers before anything is read."""

from __future__ import annotations

from typing import Any

from regraft.core.errors import InputError, UnknownName

STATISTICS = ("keep", "learn")
SCHEDULES = ("cosine", "one-cycle")
"""Those of `regraft.training.schedule`."""
_FROM_ONE = ("epochs", "batch", "accumulate", "blocks", "patience", "processes")


def check_training(settings: dict[str, Any]) -> None:
    """Raises ``InputError`` where a number of a training cannot be meant, or a name is unknown; ``lr`` becomes one."""
    method = settings["method"]
    for name in _FROM_ONE:
        if settings.get(name) is not None and settings[name] < 1:
            raise InputError(f"--{name} is {settings[name]}; it must be 1 or more.")
    if settings["blocks"] and method != "last-k":
        raise InputError(f"--blocks is for last-k; {method} has no use for it.")
    lr = settings["lr"]
    if lr not in (None, "auto"):
        try:
            settings["lr"] = float(lr)
        except ValueError:
            raise InputError(f"--lr is {lr!r}; wanted is a number such as 5e-4, or auto.") from None
        if not 0 < settings["lr"] < float("inf"):
            raise InputError(f"--lr is {lr}; it must be above 0.")
    for name, low, high in (("smoothing", 0.0, 0.5), ("ema", 0.0, 0.99999), ("focal", 0.0, 10.0)):
        if settings.get(name) is not None and not low <= settings[name] <= high:
            raise InputError(f"--{name} is {settings[name]}; it must lie between {low:g} and {high:g}.")
    if settings.get("focal") and settings["smoothing"]:
        raise InputError("--focal and --smoothing are two ways with the same targets; leave one out.")
    if settings["accumulate"] and settings["accumulate"] > (settings["batch"] or 32):
        raise InputError(f"--accumulate is {settings['accumulate']}: more pieces than the batch has examples.")
    if settings["batch_norm"] not in (None, *STATISTICS):
        raise UnknownName("way with batch normalisation", settings["batch_norm"], list(STATISTICS))
    if settings["schedule"] not in (None, *SCHEDULES):
        raise UnknownName("schedule", settings["schedule"], list(SCHEDULES))
