"""What a fit of a detector is told."""

from __future__ import annotations

from typing import Any

from regraft.core.errors import InputError
from regraft.methods.finetuning.detector import DEFAULT
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.options.evaluation import CONTROLS
from regraft.options.fit import FitOptions, Meaning, raise_all
from regraft.training import detector as boxes

CONTROL = "scratch"


def checked(options: FitOptions, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the defaults of detectors; raises ``InputError`` naming what cannot be meant."""
    settings = settings | {"method": settings["method"] or DEFAULT, "batch": settings["batch"] or boxes.LEARNED}
    if settings["init"] and not settings["detector"] and not settings["backbone"]:
        name, backbone = catalog.named(artefact.recipe_of(settings["init"]))
        settings |= {"detector": name, "backbone": backbone}
    settings["detector"] = settings["detector"] or catalog.DEFAULT
    found = []
    if settings["controls"] not in ("none", CONTROLS, CONTROL):
        found.append(f"--controls {settings['controls']} is not for detectors; theirs is {CONTROL}, or none.")
    if settings["controls"] == settings["method"]:
        found.append(f"--controls {CONTROL}: the method is its own control; leave one of the two out.")
    if settings["engine"] not in ("auto", "torch"):
        found.append(f"--engine {settings['engine']} is not for detectors; they run on torch.")
    if not settings["refit"]:
        found.append("--no-refit: detectors are not trained again on the judged pictures.")
    raise_all([*options.wrong(Meaning(settings["method"], "detector", "single", "detection")),
               *map(InputError, [*found, *boxes.wrong(settings)])])  # fmt: skip
    catalog.check(settings["detector"], settings["backbone"])
    return settings
