"""From a run or artefact folder to what predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.core.errors import InputError
from regraft.inference.detector import BoxPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.models import artefact
from regraft.models.model import Model

AnyPredictor = Predictor | TaskPredictor | BoxPredictor


def load_any(path: str | Path, *, engine: str = "auto", device: str = "auto", backbone: Any = None) -> AnyPredictor:
    """The model of a run or artefact folder, or one task of it (``FOLDER#TASK``), ready to predict, of the class that
    fits what is saved; raises ``ArtefactError``. ``backbone`` is the ``nn.Module`` that it was fitted on, where that
    was the user's own.
    """
    found, manifest = artefact.load_any(path, module=backbone)
    if isinstance(found, Model):
        return Predictor(found, manifest, engine=engine, device=device)
    if isinstance(found, dict):
        return TaskPredictor(found, manifest, engine=engine, device=device)
    return BoxPredictor(found, manifest, engine=engine, device=device)


def load(path: str | Path, *, engine: str = "auto", device: str = "auto") -> Predictor:
    """`load_any`, where one model of classes or numbers is wanted."""
    return Predictor(*artefact.load(path), engine=engine, device=device)


def load_for_texts(path: str | Path, *, reads: str, tells: str, engine: str, device: str) -> Predictor:
    """`load`, where a model of texts and classes is wanted: in words, what ``reads`` texts and ``tells`` classes."""
    return of_texts(load(path, engine=engine, device=device), path, reads=reads, tells=tells)


def of_texts(predictor: Predictor, path: str | Path, *, reads: str, tells: str) -> Predictor:
    """The same of what is loaded already."""
    if predictor.modality != "text":
        kind = {"image": "pictures", "table": "numbers"}[predictor.modality]
        raise InputError(f"{path} is a model of {kind}, and {reads}: a model fitted on texts is wanted.")
    if predictor.model.numbers:
        raise InputError(f"{path} gives numbers, and {tells}: a model fitted on classes is wanted.")
    return predictor
