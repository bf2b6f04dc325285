"""Which detector a fit starts from: released weights, another run's, or none."""

from __future__ import annotations

from typing import Any

import torch

from regraft.commands.boxes_split import BoxSplit
from regraft.detection import artefact, catalog
from regraft.detection.base import Detector
from regraft.detection.frames import frame_for
from regraft.errors import InputError, WeightsError
from regraft.runtime import say
from regraft.types import Problem


def started(split: BoxSplit, settings: dict[str, Any]) -> Detector:
    """The detector for the classes of ``split``, in a frame for its pictures.

    What became of the classes that the weights knew is listed in the problems of ``split``.
    """
    name, init, weights, backbone = (settings[k] for k in ("detector", "init", "weights", "backbone"))
    classes, seed = split.train.classes, settings["seed"]
    frame = frame_for(split.shapes.tolist(), settings["size"] or catalog.side_of(name))
    if settings["method"] == "scratch":
        if init or weights:
            raise InputError("--method scratch starts from random weights: leave out --init and --weights.")
        return _ready(catalog.untrained(name, classes, frame=frame, seed=seed, backbone=backbone))
    if init:
        if weights:
            raise InputError(f"--init {init} brings its own weights; leave out --weights {weights}.")
        detector = artefact.load(init)[0].requires_grad_(True)
        wanted = catalog.untrained(name, classes, backbone=backbone).recipe
        if detector.recipe != wanted:
            raise InputError(f"--init {init} holds the detector {detector.recipe}, and {wanted} is asked for: the "
                             "weights of one do not fit the other.")  # fmt: skip
        if not detector.own_frame:
            detector.frame = frame
        detector.with_classes(classes)
    else:
        try:
            detector = catalog.for_classes(name, classes, weights=weights, frame=frame, backbone=backbone, seed=seed)
        except WeightsError as error:
            if weights or not catalog.may_start_anew(name):
                raise
            say(f"{error} Training starts from random weights, which takes more pictures and more epochs.")
            split.problems.append(Problem("no-pretrained-weights", name, f"trained from random weights: {error}"))
            return _ready(catalog.untrained(name, classes, frame=frame, seed=seed, backbone=backbone))
    if detector.own_frame and settings["size"] not in (None, max(detector.frame)):
        raise InputError(f"--size {settings['size']}: {detector.recipe['torchvision']} takes pictures of "
                         f"{max(detector.frame)} pixels only; leave it out.")  # fmt: skip
    if kept := detector.origin.record:
        words = ", ".join(f"{new} from {old}" for new, old in kept["kept"].items()) or "none"
        text = f"rows kept: {words}; new: {', '.join(kept['new'][:8]) or 'none'}; dropped: {kept['dropped']}"
        split.problems.append(Problem("head", init or name, text))
        say(f"head of {init or name}: {text}")
    return _ready(detector)


def untrained_like(detector: Detector, classes: tuple[str, ...], seed: int) -> Detector:
    """The same network from random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _ready(catalog.rebuild(detector.recipe, classes, detector.frame, seed))


def _ready(detector: Detector) -> Detector:
    """With weights as convolutions on CPUs take them fastest."""
    ready: Detector = detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready
