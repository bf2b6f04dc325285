"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft import metrics
from regraft.backbones.base import Pretrained
from regraft.commands import runfolder
from regraft.commands.controls import Control, ControlKit, run_controls
from regraft.commands.split import Rows, Split, make_split
from regraft.data.audit import share_seen
from regraft.data.dataset import Dataset
from regraft.errors import DataError, InputError
from regraft.features.choice import network_for
from regraft.features.engines import ENGINES, Engine, make_engine
from regraft.features.extract import extract
from regraft.features.store import RowStore
from regraft.files import new_file
from regraft.methods import METHODS
from regraft.model import artefact
from regraft.model.model import Model
from regraft.runtime import Stopwatch, resolve_device, say, set_threads
from regraft.types import Problem


@dataclass(frozen=True)
class FitResult:
    """What a fit was and what it reached, and what ``--json`` prints.

    ``metrics["val"]`` holds the figures on items that were not trained on (None where none could be held out),
    ``metrics["controls"]`` the same by control. ``gain`` is the accuracy minus the best control's.
    """

    run: str
    task: str
    method: str
    backbone: str
    engine: str
    metrics: dict[str, Any]
    gain: dict[str, Any] | None
    seconds: dict[str, float]
    cached: bool
    items: dict[str, int]
    classes: tuple[str, ...]
    split: str
    choice: dict[str, Any]
    seen: float | None
    rows: dict[str, int]
    problems: list[dict[str, str]] = field(default_factory=list)


def fit(
    data: str,
    *,
    val: str | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    method: str = "linear-probe",
    controls: str = "majority,raw,random",
    out: str | None = None,
    seed: int = 0,
    device: str = "auto",
    engine: str = "auto",
    threads: int | None = None,
    refit: bool = True,
    format: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> FitResult:
    """Learns from the part train, judges on val (or a held-out fifth), then refits on both and saves.

    Writes a run folder: ``model/`` (the artefact), ``run.json``, ``log.jsonl``, ``predictions.csv``. Raises
    ``InputError`` and its kinds, see `regraft.errors`.
    """
    settings: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("overwrite", "resume")}
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"--seed is {seed}; it must be a whole number from 0.")
    METHODS.get(method)
    if engine != "auto":
        ENGINES.get(engine)
    path = Path(out) if out else runfolder.next_out(data, method)
    watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
    if resume and (done := runfolder.finished(path, settings)):
        say(f"{path} is already finished")
        return FitResult(**{**done, "classes": tuple(done["classes"])})

    set_threads(threads)
    where = resolve_device(device)
    with watch("audit"):
        split = make_split(data, val, format=format, seed=seed)
    with watch("prepare"):
        network = network_for(split.train.items, backbone, weights)
        run_engine = make_engine(network, engine, where)
    settings |= {"backbone": network.name}
    with runfolder.RunFolder(path, settings, overwrite=overwrite, resume=resume) as run:
        job = _Job(run, settings, split, network, run_engine, where, RowStore(), watch)
        result = job.result(METHODS.get(method).fit_features, controls)
        run.finish(asdict(result))
    return result


@dataclass
class _Job:
    """One run, after everything was found and before anything is computed."""

    run: runfolder.RunFolder
    settings: dict[str, Any]
    split: Split
    network: Pretrained
    engine: Engine
    device: str
    store: RowStore
    watch: Stopwatch

    def result(self, learn: Any, controls: str) -> FitResult:
        run, split, watch, seed = self.run, self.split, self.watch, self.settings["seed"]
        run.log("start", settings=self.settings, split=split.how)
        say(f"{len(split.train)} items to learn from, {len(split.val or ())} to judge on: {split.how}")
        with watch("extract"):
            train, computed = self.rows(split.train)
            judged, more = self.rows(split.val)
        computed += more
        if len(set(train.y.tolist())) < 2:
            raise DataError(f"{split.train.name} has fewer than two classes with readable items to learn from.")
        run.log("extracted", rows=len(train.y) + len(judged.y), computed=computed)

        with watch("fit"):
            own_units = self.network.spec.modality == "table"
            fitted = learn(train.x, train.y, len(split.train.classes), seed=seed, own_units=own_units)
        model = Model(self.network, fitted.head, split.train.target_name, split.train.target)
        run.log("fitted", **fitted.record)
        figures: dict[str, Any] = {"val": None, "controls": {}}
        gain = seen = None
        if split.val is not None and len(judged.y):
            probabilities = model.probabilities(judged.x)
            figures["val"] = metrics.classification(judged.y, probabilities)
            with watch("controls"):
                kit = ControlKit(split, train, judged, learn, self.settings["engine"], self.device, self.store, seed)
                tried = run_controls(controls, self.network, kit)
            computed += sum(c.computed for c in tried)
            figures["controls"] = {c.name: c.figures for c in tried}
            gain = _gain(judged.y, probabilities, tried, seed)
            if self.network.seen is not None:
                seen = share_seen(split.val, self.network.seen)
            _write_predictions(run.work / "predictions.csv", split.val, judged, probabilities)
            run.log("judged", val=figures["val"], gain=gain)

        refit = bool(self.settings["refit"] and len(judged.y))
        if refit:
            x, y = np.concatenate([train.x, judged.x]), np.concatenate([train.y, judged.y])
            with watch("fit"):
                model.head = learn(x, y, len(split.train.classes), seed=seed, record=fitted.record).head
        record = {
            "name": run.path.name, "data": self.settings["data"], "method": self.settings["method"],
            "settings": self.settings, "choice": fitted.record, "trained_on": len(train.y) + refit * len(judged.y),
            "judged_on": len(judged.y), "refit": refit, "seen": seen,
        }  # fmt: skip
        artefact.save(model, run.work / "model", metrics=figures, record=record)
        return FitResult(
            run=str(run.path), task=split.train.target.task, method=self.settings["method"],
            backbone=self.network.name, engine=str(self.engine.describe()["engine"]), metrics=figures, gain=gain,
            seconds=watch.record(), cached=computed == 0, items={"train": len(train.y), "val": len(judged.y)},
            classes=split.train.classes, split=split.how, choice=fitted.record, seen=seen,
            rows={"computed": computed}, problems=[asdict(p) for p in split.problems],
        )  # fmt: skip

    def rows(self, data: Dataset | None) -> tuple[Rows, int]:
        """The rows of one part and the forward passes they cost; what cannot be read is listed and left out."""
        if data is None or not len(data):
            nothing = np.zeros(0, np.int64)
            return Rows(np.zeros((0, self.network.width), np.float32), nothing, nothing), 0
        found = extract(self.network, data.items, self.engine, self.store)
        for i, why in sorted(found.failed.items()):
            self.split.problems.append(Problem("unreadable", data.items.name(i), why + "; it is set aside"))
            say(f"set aside: {data.items.name(i)}: {why}")
        if not len(found.rows):
            raise DataError(f"None of the {len(data)} items of {data.name} can be read.")
        return Rows(found.rows, data.y[found.positions], found.positions), found.computed


def _gain(
    labels: NDArray[np.int64], probabilities: NDArray[Any], tried: list[Control], seed: int
) -> dict[str, Any] | None:
    """Accuracy minus that of the best control, with a paired bootstrap interval."""
    if not tried:
        return None
    best = max(tried, key=lambda c: float(c.figures["accuracy"]))
    ours = (probabilities.argmax(1) == labels).astype(float)
    theirs = (best.predicted == labels).astype(float)
    return {**metrics.paired_gain(ours, theirs, seed=seed), "against": best.name, "metric": "accuracy"}


def _write_predictions(path: Path, data: Dataset, judged: Rows, probabilities: NDArray[Any]) -> None:
    classes = data.classes
    bits = metrics.entropy_bits(probabilities)
    with new_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["input", "label", "predicted", "entropy_bits", *(f"p:{c}" for c in classes)])
        for i, y, p, h in zip(judged.items, judged.y, probabilities, bits, strict=True):
            out.writerow([data.items.name(int(i)), classes[y], classes[p.argmax()], f"{h:.6g}",
                          *(f"{v:.9g}" for v in p)])  # fmt: skip
