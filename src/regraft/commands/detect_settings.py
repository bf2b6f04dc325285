"""What a fit of a detector is told."""

from __future__ import annotations

from typing import Any

from regraft.commands.search import is_auto
from regraft.commands.settings import check_training
from regraft.data.augment import may_flip
from regraft.data.box_augment import BoxPolicy
from regraft.detection import catalog
from regraft.detection.views import View
from regraft.errors import InputError
from regraft.methods.detectors import DEFAULT, SUMMARIES
from regraft.runtime import say
from regraft.training.state import Settings

BATCH, POLICY = 8, "standard"
STORED = ("head-only", "last-k")
NOT_FOR_BOXES = ("label", "text", "class_weight", "budget", "smoothing", "processes", "accuracy", "group", "alpha",
                 "interval", "quantiles", "target", "mapping")  # fmt: skip


def checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the defaults of detectors; raises ``InputError`` naming the first that cannot be meant."""
    settings = settings | {"method": settings["method"] or DEFAULT, "detector": settings["detector"] or catalog.DEFAULT,
                           "batch": settings["batch"] or BATCH}  # fmt: skip
    if settings["method"] not in SUMMARIES:
        raise InputError(f"--method {settings['method']} is not for detectors; they take {', '.join(SUMMARIES)}.")
    for name in NOT_FOR_BOXES:
        if settings[name] is not None:
            raise InputError(f"--{name.replace('_', '-')} is not for detectors.")
    if not settings["outliers"]:
        raise InputError("--no-outliers: detectors flag none.")
    if settings["controls"] not in ("none", "majority,raw,random"):
        raise InputError(f"--controls {settings['controls']} is not for detectors; --method scratch is their control.")
    if settings["engine"] not in ("auto", "torch"):
        raise InputError(f"--engine {settings['engine']} is not for detectors; they run on torch.")
    if not settings["refit"]:
        raise InputError("--no-refit: detectors are not trained again on the judged pictures.")
    if is_auto(settings["backbone"]):
        raise InputError("--backbone auto is not for detectors; name a network.")
    if settings["lr"] == "auto":
        raise InputError("--lr auto is not for detectors; leave it out, or give a number such as 1e-3.")
    if settings["size"] is not None and settings["size"] < 64:
        raise InputError(f"--size is {settings['size']}; a detector's frame has at least 64 pixels a side.")
    if settings["mix"] not in (None, "none", "mosaic"):
        raise InputError(f"--mix {settings['mix']} is for pictures with one label; detectors take mosaic.")
    if settings["mix"] == "mosaic" and settings["method"] in STORED:
        raise InputError(f"--mix mosaic joins pictures, and {settings['method']} learns from stored maps.")
    if settings["augment"]:
        BoxPolicy(settings["augment"]).steps  # noqa: B018 raises where a name is unknown
    check_training(settings)
    catalog.check(settings["detector"], settings["backbone"])
    return settings


def loop_settings(settings: dict[str, Any], data: str) -> Settings:
    """What was asked for, over the defaults of detectors."""
    names = ("accumulate", "schedule", "ema", "patience", "batch_norm")
    asked = {k: settings[k] for k in names if settings[k] is not None}
    return Settings(**{"batch": settings["batch"], "clip": 10.0, "seed": settings["seed"], "data": data, **asked})


def view_of(settings: dict[str, Any], classes: tuple[str, ...], epochs: int) -> View:
    """How pictures are augmented; not mirrored where the classes would not mean the same, and the last third of the
    epochs without mosaics.
    """
    flips = may_flip(classes)
    if not flips:
        say("pictures are not mirrored: these classes would not mean the same")
    mosaics = round(epochs * 2 / 3) if settings["mix"] == "mosaic" else 0
    return View(BoxPolicy(settings["augment"] or POLICY, flips), mosaics)
