"""What a fit of a detector is told."""

from __future__ import annotations

from typing import Any

from regraft.commands.settings import check_training
from regraft.data.augment import may_flip
from regraft.detection import catalog
from regraft.detection.views import VIEWS, View
from regraft.errors import InputError, UnknownName
from regraft.methods.detectors import DEFAULT, SUMMARIES
from regraft.runtime import say
from regraft.training.state import Settings

BATCH = 8
NOT_FOR_BOXES = ("label", "text", "class_weight", "budget", "smoothing", "processes", "accuracy", "group")


def checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the defaults of detectors; raises ``InputError`` naming the first that cannot be meant."""
    settings = settings | {"method": settings["method"] or DEFAULT, "detector": settings["detector"] or catalog.DEFAULT,
                           "batch": settings["batch"] or BATCH}  # fmt: skip
    if settings["method"] not in SUMMARIES:
        raise InputError(f"--method {settings['method']} is not for detectors; they take {', '.join(SUMMARIES)}.")
    for name in NOT_FOR_BOXES:
        if settings[name] is not None:
            raise InputError(f"--{name.replace('_', '-')} is not for detectors.")
    if settings["lr"] == "auto":
        raise InputError("--lr auto is not for detectors; leave it out, or give a number such as 1e-3.")
    if settings["size"] is not None and settings["size"] < 64:
        raise InputError(f"--size is {settings['size']}; a detector's frame has at least 64 pixels a side.")
    if settings["mix"] not in (None, "none"):
        raise InputError(f"--mix {settings['mix']} is for pictures with one label.")
    if settings["augment"] not in (None, *VIEWS):
        raise UnknownName("augmentation", settings["augment"], VIEWS)
    check_training(settings)
    catalog.check(settings["detector"], settings["backbone"])
    return settings


def loop_settings(settings: dict[str, Any], data: str) -> Settings:
    """What was asked for, over the defaults of detectors."""
    names = ("accumulate", "schedule", "ema", "patience")
    asked = {k: settings[k] for k in names if settings[k] is not None}
    return Settings(**{"batch": settings["batch"], "clip": 10.0, "seed": settings["seed"], "data": data, **asked})


def view_of(settings: dict[str, Any], classes: tuple[str, ...]) -> View:
    """How pictures are augmented; not mirrored where the classes would not mean the same."""
    view = VIEWS[settings["augment"] or "light"]
    if view.flips and not may_flip(classes):
        say("pictures are not mirrored: these classes would not mean the same")
        return View(False, view.scale, view.colours)
    return view
