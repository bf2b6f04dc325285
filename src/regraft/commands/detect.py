"""`fit` for pictures with boxes: from a detector's released weights, or none, to a judged, saved detector."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from regraft.boxes import Found
from regraft.commands.box_evidence import write_detections
from regraft.commands.boxes_split import BoxSplit, inner_pictures, split_boxes
from regraft.commands.detect_settings import POLICY, checked, loop_settings, view_of
from regraft.commands.detect_start import started
from regraft.commands.runfolder import RunFolder, finished, folder_for
from regraft.data.dataset import Dataset
from regraft.data.items import Items
from regraft.detection import artefact
from regraft.detection.base import BATCH, Detector, Framed
from regraft.detection.predictor import stream
from regraft.detection_metrics import best_threshold, evaluate, mean_ap
from regraft.errors import DataError
from regraft.features.store import RowStore
from regraft.methods.base import Options
from regraft.methods.detectors import phases
from regraft.runtime import Stopwatch, bf16_pays, resolve_device, say, set_threads
from regraft.training.batches import Batches
from regraft.training.frames import FrameBatches, stored_maps
from regraft.training.logs import Logs
from regraft.training.loop import train

VIEWS, UNCHOSEN = 4, 0.3


@dataclass(frozen=True)
class DetectionResult:
    """What a fit of a detector was and what it reached, and what ``--json`` prints.

    ``metrics["val"]`` holds COCO's figures on pictures that were not trained on (None where none could be held out),
    see `regraft.detection_metrics.evaluate`. ``decision`` holds the ``threshold`` from which boxes are shown.
    """

    run: str
    task: str
    method: str
    detector: str
    backbone: str
    engine: str
    metrics: dict[str, Any]
    gain: None
    seconds: dict[str, float]
    cached: bool
    items: dict[str, int]
    boxes: dict[str, int]
    classes: tuple[str, ...]
    split: str
    choice: dict[str, Any]
    decision: dict[str, Any]
    problems: list[dict[str, str]] = field(default_factory=list)


def detect(
    opened: Dataset, val: Any, settings: dict[str, Any], *, overwrite: bool = False, resume: bool = False
) -> DetectionResult:
    """Learns from the part train, judges on val (or a held-out fifth) and saves.

    ``settings`` are those of `regraft.commands.fit.fit`. 15 % of the training pictures, from 100 on, choose the epoch
    (by mAP) and the confidence threshold.
    """
    settings = checked(settings)
    path = folder_for(settings["out"], settings["data"], settings["method"], resume)
    watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
    if resume and (done := finished(path, settings)):
        say(f"{path} is already finished")
        return DetectionResult(**{**done, "classes": tuple(done["classes"])})
    set_threads(settings["threads"])
    device, store = resolve_device(settings["device"]), RowStore()
    with watch("audit"):
        split = split_boxes(opened, val, format=settings["format"], seed=settings["seed"], store=store)
    with watch("prepare"):
        detector = started(split, settings)
    with RunFolder(path, settings, overwrite=overwrite, resume=resume) as run:
        job = _Job(run, settings, split, detector.to(device), store, watch)
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

    def result(self) -> DetectionResult:
        run, settings, split, train = self.run, self.settings, self.split, self.split.train
        run.log("start", settings=settings, split=split.how)
        say(f"{len(train)} pictures to learn from, {len(split.val or ())} to judge on: {split.how}")
        choice, decision = self.learned()
        run.log("trained", **choice, decision=decision)
        val = self.judged(split.val, decision["threshold"]) if split.val is not None else None
        figures = {"val": val, "controls": {}}
        run.log("judged", val=val)
        judged_on = len(split.val or ()) if val else 0
        record = {
            "name": run.path.name, "data": settings["data"], "method": settings["method"],
            "detector": settings["detector"], "settings": settings, "choice": choice, "trained_on": len(train),
            "judged_on": judged_on,
        }  # fmt: skip
        artefact.save(self.detector.cpu(), run.work / "model", decision=decision, metrics=figures, record=record)
        return DetectionResult(
            run=str(run.path), task="detection", method=settings["method"], detector=settings["detector"],
            backbone=str(settings["backbone"] or settings["detector"]), engine="torch", metrics=figures, gain=None,
            seconds=self.watch.record(), cached=False, items={"train": len(train), "val": judged_on},
            boxes=train.class_counts(), classes=train.classes, split=split.how, choice=choice, decision=decision,
            problems=[asdict(p) for p in split.problems],
        )  # fmt: skip

    def learned(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Trains the detector; a record of how, and the decision."""
        settings, detector, data = self.settings, self.detector, self.split.train
        learn, hold = inner_pictures(data, self.split.groups, settings["seed"])
        inner = _Inner(data.take(hold))
        epochs = settings["epochs"] or default_epochs(len(learn))
        options = Options(epochs, settings["lr"], settings["blocks"] or 2)
        plan = phases(settings["method"], len(detector.body.blocks), options, detector.kept)
        detector.border = min(p.frozen for p in plan)
        with self.watch("extract"):
            feed = self.feed(data.take(learn), epochs)
        loop = loop_settings(settings, _fingerprint(data.take(learn)))
        with self.watch("fit"):
            progress = train(
                detector, plan, feed, np.zeros((len(learn), 1)), loop, folder=self.run.work / "checkpoints",
                inner=inner.loss if len(hold) else None, report=Logs(self.run.work, bool(settings["tensorboard"])),
            )  # fmt: skip
        detector.body.freeze()
        decision: dict[str, Any] = {"threshold": UNCHOSEN, "chosen_by": "default, since nothing was held out inside"}
        if len(hold):
            best = best_threshold(list(inner.data.y), inner.found(detector))
            decision = {**best, "chosen_by": "best F1 on the inner part"}
        detector.border = 0
        return {
            "phases": [{k: v for k, v in vars(p).items() if not callable(v) and v is not None} for p in plan],
            "loop": asdict(loop), "frame": detector.frame, "stored_views": VIEWS * bool(min(p.frozen for p in plan)),
            "augment": settings["augment"] or POLICY, "origin": asdict(detector.origin),
            "bf16": loop.precision == "bf16" or bf16_pays(str(next(detector.parameters()).device)),
            "steps": progress.step, "history": progress.history, "inner_items": len(hold),
            "inner_map": 1 - progress.best if len(hold) else None,
            "chosen_by": "mAP on the inner part" if len(hold) else "last averaged weights",
        }, decision  # fmt: skip

    def feed(self, data: Dataset, epochs: int) -> Batches:
        """Frames augmented anew each epoch, or the stored maps of some views where the first blocks stay frozen."""
        view = view_of(self.settings, data.classes, epochs)
        feed = FrameBatches(data.items, list(data.y), view, [self.detector.frame], self.settings["seed"])
        if not self.detector.border:
            return feed
        return stored_maps(self.detector, self.detector.border, feed, VIEWS, self.store)

    def judged(self, val: Dataset, threshold: float) -> dict[str, Any]:
        """The figures on ``val``; what was found there goes into the run's folder for the report."""
        found = detections(self.detector, val.items)
        write_detections(self.run.work, val, found, threshold)
        return evaluate(list(val.y), found, val.classes)


class _Inner:
    """The pictures held out inside the training part; what frozen blocks make of them is computed once."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.kept: list[Framed] = []

    def found(self, detector: Detector) -> list[Found]:
        if not detector.border:
            return detections(detector, self.data.items)
        self.kept = self.kept or list(self.framed(detector))
        answers = {i: f for some in self.kept for i, f in zip(some.positions, detector.answers(some), strict=True)}
        return [answers[i] for i in range(len(self.data))]

    def framed(self, detector: Detector) -> Iterator[Framed]:
        """What the frozen blocks make of the pictures, of which a batch at a time is decoded."""
        for start in range(0, len(self.data), BATCH):
            some = range(start, min(start + BATCH, len(self.data)))
            for one in detector.framed([self.data.items.load(i) for i in some]):
                yield one._replace(positions=[start + p for p in one.positions])

    def loss(self, detector: Any) -> float:
        """1 - mAP."""
        return 1 - (mean_ap(list(self.data.y), self.found(detector), self.data.classes) or 0.0)


def detections(detector: Detector, items: Items) -> list[Found]:
    """What is found on each of ``items``; raises ``DataError`` where one cannot be read."""
    answers = []
    for i, one in stream(detector, items):
        if isinstance(one, str):
            raise DataError(f"{items.name(i)} could be read before and cannot be now: {one}.")
        answers.append(one)
    return answers


def default_epochs(n: int) -> int:
    """Enough passes for a few hundred steps at least, few where a pass is long already."""
    return int(np.clip(round(5_000 / n), 12, 60))


def _fingerprint(data: Dataset) -> str:
    """Names the pictures and their boxes: what a checkpoint must not be resumed without."""
    h = hashlib.blake2b(digest_size=16)
    for i, boxes in enumerate(data.y):
        h.update(data.items.digest(i) + boxes.xyxy.tobytes() + boxes.labels.tobytes() + boxes.crowd.tobytes())
    return h.hexdigest()
