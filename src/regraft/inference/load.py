"""From a run or artefact folder to what predicts."""

from __future__ import annotations

from pathlib import Path

from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.models import artefact


def load(path: str | Path, *, engine: str = "auto", device: str = "auto") -> Predictor:
    """The model of a run or artefact folder, or one task of it (``FOLDER#TASK``), ready to predict; raises
    ``ArtefactError``. A detector is loaded by `regraft.inference.detector.load`.
    """
    model, manifest = artefact.load(path)
    return Predictor(model, manifest, engine=engine, device=device)


def load_any(path: str | Path, *, engine: str = "auto", device: str = "auto") -> Predictor | TaskPredictor:
    """As `load`; a model of several tasks, of which none is named, as a `TaskPredictor`."""
    if artefact.split_task(path)[1] is None:
        models, manifest = artefact.load_tasks(path)
        if "tasks" in manifest:
            return TaskPredictor(models, manifest, engine=engine, device=device)
        return Predictor(models[""], manifest, engine=engine, device=device)
    return load(path, engine=engine, device=device)
