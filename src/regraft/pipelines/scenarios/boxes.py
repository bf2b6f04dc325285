"""Pictures with boxes: from a detector's released weights, or none, to a judged, saved detector."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from regraft.core.boxes import Found
from regraft.core.errors import TrainingError
from regraft.core.runtime import Stopwatch, say
from regraft.core.types import Problem
from regraft.data.box_splits import BoxSplit, split_boxes
from regraft.data.dataset import Dataset
from regraft.data.open import name_of
from regraft.features.labelled import own_engine
from regraft.metrics.detection import evaluate, map_gain
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.models.detectors.apply import DetectorRunner
from regraft.models.detectors.base import Detector
from regraft.options.fit import FitOptions, Meaning
from regraft.pipelines.evidence.detections import write_detections
from regraft.pipelines.result import FitResult
from regraft.pipelines.scenarios.base import Scenario
from regraft.pipelines.stages.contamination import learned_from
from regraft.pipelines.stages.detector import started, untrained_like
from regraft.pipelines.validate_boxes import CONTROL, check, with_defaults
from regraft.training.detector import train_detector
from regraft.training.trainer import TrainingContext


class Boxes(Scenario):
    """A detector, trained on the part train; 15 % of it, from 100 pictures on, choose the epoch (by mAP) and the
    confidence threshold.
    """

    halves: BoxSplit
    detector: Detector
    found: list[Found] | None = None

    def __init__(self, opened: Dataset, data: Any, options: FitOptions) -> None:
        options = with_defaults(options)
        meaning = Meaning(str(options.training.method), "detector", "single", "detection")
        super().__init__(options, name_of(data), meaning)
        self.opened = opened

    def check(self) -> None:
        """Raises ``InputError`` naming every option that cannot be meant."""
        check(self.options, self.meaning)

    def split(self) -> None:
        """The part train, and val or a fifth held out."""
        data = self.options.data
        self.halves = split_boxes(self.opened, data.val, format=data.format, seed=self.options.run.seed,
                                  store=self.store, hints=data.hints())  # fmt: skip

    def load_network(self) -> None:
        """The detector; its backbone, where none was named, is the one whose weights are on this machine."""
        self.detector = started(self.halves, self.options).to(self.device)
        if self.options.network.backbone is None:
            self.options = self.options.changed(backbone=catalog.named(self.detector.recipe)[1])

    def learn(self) -> None:
        """Trains the detector."""
        split = self.halves
        self.run.log("start", settings=self.settings, split=split.how)
        say(f"{len(split.train)} pictures to learn from, {len(split.val or ())} to judge on: {split.how}")
        context = TrainingContext(self.options, self.run.work, self.device, self.store)
        self.choice, self.decision = train_detector(self.detector, split.train, context, self.watch, split.groups)
        self.run.log("trained", **self.choice, decision=self.decision)

    def evaluate(self) -> None:
        """By COCO's figures; beside the same detector from random weights, where that was asked for."""
        val, by, figures = self.halves.val, self.halves.val_groups, dict[str, Any](val=None, controls={})
        if val is not None:
            self.found = self._runner(self.detector).detections(val.items)
            write_detections(self.run.work, val, self.found, self.decision["threshold"], by)
            figures["val"] = evaluate(list(val.y), self.found, val.classes, by)
            if self.halves.copied is not None:
                figures["val_without_copies"] = self._without_copies(val, self.found)
        self.figures, self.gain = figures, None
        if self.options.evaluation.controls == CONTROL:
            with self.watch("controls"):
                self.gain = self._over_control()
        self.run.log("judged", val=figures["val"], gain=self.gain)

    def _runner(self, detector: Detector) -> DetectorRunner:
        return DetectorRunner(detector, own_engine(self.options.network.engine), self.device)

    def _without_copies(self, val: Dataset, found: list[Found]) -> dict[str, Any]:
        """The figures of the judged pictures that have no copy in training."""
        assert self.halves.copied is not None
        alone, groups = np.flatnonzero(~self.halves.copied), self.halves.val_groups
        left = None if groups is None else groups[alone]
        rest = evaluate([val.y[i] for i in alone], [found[i] for i in alone], val.classes, left) if len(alone) else {}
        return {"items": len(alone), **rest}

    def _over_control(self) -> dict[str, Any] | None:
        """What the detector found, against what the same one from random weights finds after as many epochs; its
        figures go among the controls.
        """
        val, name, problems = self.halves.val, str(self.options.network.detector), self.halves.problems
        if val is None or self.found is None:
            return None
        if self.detector.origin.weights == "random":
            problems.append(Problem("no-control", name, "it starts from random weights itself: there is no gain of "
                                    "transfer to tell"))  # fmt: skip
            return None
        say("the control: the same detector from random weights")
        control = untrained_like(self.detector, self.halves.train.classes, self.options.run.seed).to(self.device)
        context = TrainingContext(self.options, self.run.work, self.device, self.store).inside("control")
        try:
            train_detector(control, self.halves.train, context.with_options(method=CONTROL, lr=None, blocks=None),
                           Stopwatch("extract", "fit"), self.halves.groups)  # fmt: skip
        except TrainingError as error:
            problems.append(Problem("no-control", name, f"from random weights it did not learn: {error}"))
            return None
        truth, theirs, by = list(val.y), self._runner(control).detections(val.items), self.halves.val_groups
        self.figures["controls"][CONTROL] = evaluate(truth, theirs, val.classes, by)
        if self.figures["val"]["map"] is None:
            return None
        return {"against": CONTROL, **map_gain(truth, self.found, theirs, val.classes, groups=by)}

    def save(self) -> None:
        """The detector with its figures and a record of what it is."""
        train = self.halves.train
        self.judged_on = len(self.halves.val or ()) if self.figures["val"] else 0
        record = {
            "name": self.path.name, "data": self.names, "method": self.meaning.method,
            "detector": self.options.network.detector, "settings": self.settings, "choice": self.choice,
            "trained_on": len(train), "judged_on": self.judged_on,
        }  # fmt: skip
        known = learned_from(train, network=None, init=self.options.network.init, store=self.store)
        artefact.save(self.detector.cpu(), self.run.work / "model", decision=self.decision, metrics=self.figures,
                      record=record, learned=known)  # fmt: skip

    def result(self) -> FitResult:
        """See `regraft.pipelines.result.FitResult`."""
        network, train = self.options.network, self.halves.train
        return FitResult(
            run=str(self.path), task="detection", method=self.meaning.method, detector=network.detector,
            backbone=str(network.backbone or network.detector), engine=own_engine(network.engine), metrics=self.figures,
            gain=self.gain,
            seconds=self.watch.record(), cached=False, items={"train": len(train), "val": self.judged_on},
            boxes=train.class_counts(), classes=train.classes, split=self.halves.how, choice=self.choice,
            decision=self.decision, problems=[asdict(p) for p in self.halves.problems],
            corrections=self.halves.corrections,
        )  # fmt: skip
