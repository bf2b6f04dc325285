"""What can be said of a fit's settings before anything is read."""

from __future__ import annotations

import re
from typing import Any

from regraft.commands.controls import check_controls
from regraft.commands.search import is_auto
from regraft.data.augment import Policy
from regraft.errors import InputError, UnknownName
from regraft.features.engines import ENGINES
from regraft.methods import METHODS
from regraft.training.mixing import MIXES
from regraft.training.schedule import SCHEDULES

TRAINING = ("epochs", "lr", "batch", "accumulate", "blocks", "augment", "mix", "smoothing", "schedule", "ema",
            "patience", "processes", "tensorboard")  # fmt: skip
"""The options of methods that train a network."""

_FROM_ONE = ("epochs", "batch", "accumulate", "blocks", "patience", "processes")


def check(settings: dict[str, Any]) -> None:
    """Raises ``InputError`` naming the first setting that cannot be meant."""
    seed, wanted = settings["seed"], settings["accuracy"]
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"--seed is {seed}; it must be a whole number from 0.")
    if wanted is not None and not 0 < wanted < 1:
        raise InputError(f"--accuracy is {wanted}; it must lie between 0 and 1, such as 0.98.")
    if settings["class_weight"] not in (None, "balanced"):
        raise UnknownName("class weight", settings["class_weight"], ["balanced"])
    if settings["size"] is not None and settings["size"] < 8:
        raise InputError(f"--size is {settings['size']}; pictures have at least 8 pixels a side.")
    if settings["budget"] is not None:
        seconds_of(settings["budget"])
        if settings["method"] != "auto" and not is_auto(settings["backbone"]):
            raise InputError(
                f"--budget is for --method auto or --backbone auto; {settings['method']} has no use for it."
            )
    if is_auto(settings["backbone"]) and (settings["weights"] or settings["init"]):
        raise InputError("--backbone auto chooses a network with its weights; leave out --weights and --init.")
    check_controls(settings["controls"])
    if settings["engine"] != "auto":
        ENGINES.get(settings["engine"])
    _training(settings)


def _training(settings: dict[str, Any]) -> None:
    method = settings["method"]
    closed = hasattr(METHODS.get(method), "fit_features")
    for name in TRAINING:
        value, option = settings[name], "--" + name.replace("_", "-")
        if value is None:
            continue
        if closed:
            raise InputError(f"{option} is for methods that train a network; {method} has no use for it.")
        if name in _FROM_ONE and value < 1:
            raise InputError(f"{option} is {value}; it must be 1 or more.")
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
    for name, low, high in (("smoothing", 0.0, 0.5), ("ema", 0.0, 0.99999)):
        if settings[name] is not None and not low <= settings[name] <= high:
            raise InputError(f"--{name} is {settings[name]}; it must lie between {low:g} and {high:g}.")
    if settings["accumulate"] and settings["accumulate"] > (settings["batch"] or 32):
        raise InputError(f"--accumulate is {settings['accumulate']}: more pieces than the batch has examples.")
    if settings["mix"] not in (None, *MIXES):
        raise UnknownName("mix", settings["mix"], MIXES)
    if settings["schedule"] not in (None, *SCHEDULES):
        raise UnknownName("schedule", settings["schedule"], list(SCHEDULES))
    if settings["augment"]:
        Policy(settings["augment"]).operations  # noqa: B018 raises where a name is unknown


def seconds_of(budget: str) -> float:
    """``90s``, ``10m`` or ``2h`` in seconds; raises ``InputError``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not found or not float(found[1]):
        raise InputError(f"--budget is {budget!r}; wanted is a time such as 90s, 10m or 2h.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
