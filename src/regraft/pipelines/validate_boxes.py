"""What a fit of a detector is told."""

from __future__ import annotations

from typing import Any

from regraft.core.errors import InputError
from regraft.methods.finetuning.detector import DEFAULT
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.options.training import check_training
from regraft.selection.halving import is_auto
from regraft.training import detector as boxes

CONTROL = "scratch"
NOT_FOR_BOXES = ("label", "text", "image", "part", "features", "drop", "class_weight", "budget", "smoothing", "focal",
                 "processes", "accuracy", "group", "alpha", "interval", "quantiles", "target", "target_labels",
                 "mapping", "cv")  # fmt: skip


def checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the defaults of detectors; raises ``InputError`` naming the first that cannot be meant."""
    settings = settings | {"method": settings["method"] or DEFAULT, "batch": settings["batch"] or boxes.LEARNED}
    if settings["init"] and not settings["detector"] and not settings["backbone"]:
        name, backbone = catalog.named(artefact.recipe_of(settings["init"]))
        settings |= {"detector": name, "backbone": backbone}
    settings["detector"] = settings["detector"] or catalog.DEFAULT
    for name in NOT_FOR_BOXES:
        if settings[name] is not None:
            raise InputError(f"--{name.replace('_', '-')} is not for detectors.")
    if not settings["outliers"]:
        raise InputError("--no-outliers: detectors flag none.")
    if settings["controls"] not in ("none", "majority,raw,random", CONTROL):
        raise InputError(f"--controls {settings['controls']} is not for detectors; theirs is {CONTROL}, or none.")
    if settings["controls"] == settings["method"]:
        raise InputError(f"--controls {CONTROL}: the method is its own control; leave one of the two out.")
    if settings["engine"] not in ("auto", "torch"):
        raise InputError(f"--engine {settings['engine']} is not for detectors; they run on torch.")
    if not settings["refit"]:
        raise InputError("--no-refit: detectors are not trained again on the judged pictures.")
    if is_auto(settings["backbone"]):
        raise InputError("--backbone auto is not for detectors; name a network.")
    boxes.check(settings)
    check_training(settings)
    catalog.check(settings["detector"], settings["backbone"])
    return settings
