"""Which detector a fit starts from: released weights, another run's, or none."""

from __future__ import annotations

from typing import Any

import torch

from regraft.core.errors import InputError, WeightsError
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.box_splits import BoxSplit
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.models.detectors.base import Detector
from regraft.models.detectors.letterbox import frame_for
from regraft.options.fit import FitOptions
from regraft.options.network import NetworkOptions


def started(split: BoxSplit, options: FitOptions) -> Detector:
    """The detector for the classes of ``split``, in a frame for its pictures.

    What became of the classes that the weights knew is listed in the problems of ``split``.
    """
    asked = options.network
    name, init, weights, classes = str(asked.detector), asked.init, asked.weights, split.train.classes
    shapes = split.shapes.tolist()
    told: dict[str, Any] = {"size": asked.size, "backbone": asked.backbone, "seed": options.run.seed}
    if options.training.method == "scratch":
        return catalog.for_classes(name, classes, shapes, scratch=True, weights=init or weights, **told)
    if init:
        detector = _of_run(init, asked, classes, frame_for(shapes, asked.size or catalog.side_of(name)))
    else:
        try:
            detector = catalog.for_classes(name, classes, shapes, weights=weights, **told)
        except WeightsError as error:
            if weights or not catalog.may_start_anew(name):
                raise
            say(f"{error} Training starts from random weights, which takes more pictures and more epochs.")
            split.problems.append(Problem("no-pretrained-weights", name, f"trained from random weights: {error}"))
            return catalog.for_classes(name, classes, shapes, scratch=True, **told)
    if kept := detector.origin.record:
        words = ", ".join(f"{new} from {old}" for new, old in kept["kept"].items()) or "none"
        text = f"rows kept: {words}; new: {', '.join(kept['new'][:8]) or 'none'}; dropped: {kept['dropped']}"
        split.problems.append(Problem("head", init or name, text))
        say(f"head of {init or name}: {text}")
    return detector


def _of_run(init: str, asked: NetworkOptions, classes: tuple[str, ...], frame: tuple[int, int]) -> Detector:
    """The detector of another run with a last layer for ``classes``; raises ``InputError`` where it is not the one that
    is asked for.
    """
    if asked.weights:
        raise InputError(f"--init {init} brings its own weights; leave out --weights {asked.weights}.")
    detector = artefact.load(init)[0].requires_grad_(True)
    wanted = catalog.untrained(str(asked.detector), classes, backbone=asked.backbone).recipe
    if detector.recipe != wanted:
        raise InputError(f"--init {init} holds the detector {detector.recipe}, and {wanted} is asked for: the weights "
                         "of one do not fit the other.")  # fmt: skip
    if not detector.own_frame:
        detector.frame = frame
    detector.origin.weights = f"the run {init} (which started from: {detector.origin.weights})"
    detector.with_classes(classes)
    return catalog.ready(detector, asked.size)


def untrained_like(detector: Detector, classes: tuple[str, ...], seed: int) -> Detector:
    """The same network from random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return catalog.ready(catalog.rebuild(detector.recipe, classes, detector.frame, seed), None)
