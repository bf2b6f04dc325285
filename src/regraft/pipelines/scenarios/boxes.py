"""`fit` for pictures with boxes: from a detector's released weights, or none, to a judged, saved detector."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.border import written_by_regraft
from regraft.core.boxes import Found
from regraft.core.errors import TrainingError
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device, say, set_threads
from regraft.core.types import Problem
from regraft.data.box_splits import BoxSplit, split_boxes
from regraft.data.dataset import Dataset
from regraft.metrics.detection import evaluate, map_gain
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.models.detectors.apply import detections
from regraft.models.detectors.base import Detector
from regraft.models.detectors.bn_folding import folded
from regraft.options.fit import FitOptions
from regraft.pipelines.evidence.detections import write_detections
from regraft.pipelines.result import DetectionResult
from regraft.pipelines.run_folder import RunFolder, finished, folder_for
from regraft.pipelines.stages.contamination import learned_from
from regraft.pipelines.stages.detector import started, untrained_like
from regraft.pipelines.validate_boxes import CONTROL, checked
from regraft.training.detector import learn


def detect(opened: Dataset, options: FitOptions, settings: dict[str, Any]) -> DetectionResult:
    """Learns from the part train, judges on val (or a held-out fifth) and saves.

    ``settings`` are those of `regraft.pipelines.fit.fit`. 15 % of the training pictures, from 100 on, choose the epoch
    (by mAP) and the confidence threshold.
    """
    settings, val = checked(options, settings), options.data.val
    overwrite, resume = options.run.overwrite, options.run.resume
    path = folder_for(settings["out"], settings["data"], settings["method"], resume)
    watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
    if resume and (done := finished(path, settings)):
        say(f"{path} is already finished")
        with written_by_regraft(path):
            return DetectionResult(**{**done, "classes": tuple(done["classes"])})
    set_threads(settings["threads"])
    device, store = resolve_device(settings["device"]), RowStore()
    with watch("audit"):
        split = split_boxes(opened, val, format=settings["format"], seed=settings["seed"], store=store,
                            hints=options.data.hints())  # fmt: skip
    with watch("prepare"):
        detector = started(split, settings)
        if settings["backbone"] is None:  # the one whose weights are on this machine
            settings["backbone"] = catalog.named(detector.recipe)[1]
    with RunFolder(path, settings, overwrite=overwrite, resume=resume) as run:
        job = _Job(run, settings, split, detector.to(device), store, watch, run.work)
        result = job.result()
        run.finish(asdict(result))
    return result


@dataclass
class _Job:
    """One run, after everything was found and before anything is computed."""

    run: RunFolder
    settings: dict[str, Any]
    split: BoxSplit
    detector: Detector
    store: RowStore
    watch: Stopwatch
    place: Path

    def result(self) -> DetectionResult:
        run, settings, split, train = self.run, self.settings, self.split, self.split.train
        run.log("start", settings=settings, split=split.how)
        say(f"{len(train)} pictures to learn from, {len(split.val or ())} to judge on: {split.how}")
        choice, decision = self.learned()
        run.log("trained", **choice, decision=decision)
        found = None if split.val is None else detections(folded(self.detector), split.val.items)
        val = None
        if split.val is not None and found is not None:
            write_detections(run.work, split.val, found, decision["threshold"])
            val = evaluate(list(split.val.y), found, split.val.classes, split.val_groups)
        figures: dict[str, Any] = {"val": val, "controls": {}}
        if split.val is not None and found is not None and split.copied is not None:
            alone = np.flatnonzero(~split.copied)
            left = None if split.val_groups is None else split.val_groups[alone]
            rest = evaluate([split.val.y[i] for i in alone], [found[i] for i in alone], split.val.classes, left)
            figures["val_without_copies"] = {"items": len(alone), **(rest if len(alone) else {})}
        with self.watch("controls"):
            gain = self.gain(found, figures) if settings["controls"] == CONTROL else None
        run.log("judged", val=val, gain=gain)
        judged_on = len(split.val or ()) if val else 0
        record = {
            "name": run.path.name, "data": settings["data"], "method": settings["method"],
            "detector": settings["detector"], "settings": settings, "choice": choice, "trained_on": len(train),
            "judged_on": judged_on,
        }  # fmt: skip
        artefact.save(self.detector.cpu(), run.work / "model", decision=decision, metrics=figures, record=record,
                      learned=learned_from(train, network=None, settings=settings, store=self.store))  # fmt: skip
        return DetectionResult(
            run=str(run.path), task="detection", method=settings["method"], detector=settings["detector"],
            backbone=str(settings["backbone"] or settings["detector"]), engine="torch", metrics=figures, gain=gain,
            seconds=self.watch.record(), cached=False, items={"train": len(train), "val": judged_on},
            boxes=train.class_counts(), classes=train.classes, split=split.how, choice=choice, decision=decision,
            problems=[asdict(p) for p in split.problems],
        )  # fmt: skip

    def gain(self, found: list[Found] | None, figures: dict[str, Any]) -> dict[str, Any] | None:
        """What the detector found, against what the same one from random weights finds after as many epochs; its
        figures go among the controls.
        """
        val, name = self.split.val, self.settings["detector"]
        if val is None or found is None:
            return None
        if self.detector.origin.weights == "random":
            self.split.problems.append(Problem("no-control", name, "it starts from random weights itself: there is no "
                                               "gain of transfer to tell"))  # fmt: skip
            return None
        say("the control: the same detector from random weights")
        random = untrained_like(self.detector, self.split.train.classes, self.settings["seed"])
        place = self.run.work / "control"
        place.mkdir(exist_ok=True)
        control = replace(
            self, detector=random.to(next(self.detector.parameters()).device), place=place,
            settings=self.settings | {"method": CONTROL, "lr": None, "blocks": None}, watch=Stopwatch("extract", "fit"),
        )  # fmt: skip
        try:
            control.learned()
        except TrainingError as error:
            self.split.problems.append(Problem("no-control", name, f"from random weights it did not learn: {error}"))
            return None
        truth, theirs = list(val.y), detections(folded(control.detector), val.items)
        figures["controls"][CONTROL] = evaluate(truth, theirs, val.classes, self.split.val_groups)
        if figures["val"]["map"] is None:
            return None
        return {"against": CONTROL, **map_gain(truth, found, theirs, val.classes, groups=self.split.val_groups)}

    def learned(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Trains the detector; a record of how, and the decision."""
        split = self.split
        return learn(self.detector, split.train, self.settings, groups=split.groups, folder=self.place,
                     store=self.store, watch=self.watch)  # fmt: skip
