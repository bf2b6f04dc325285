"""What can be exported: for each kind of model the function that says what is to be written of it."""

from __future__ import annotations

from regraft.core.registry import Registry
from regraft.export.base import Exportable
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.models.artefact.read import unnamed

SUBJECTS = Registry("kind of model to export", {
    "image": "regraft.export.pictures:exportable",
    "text": "regraft.export.texts:exportable",
    "table": "regraft.export.table:exportable",
    "boxes": "regraft.export.boxes:exportable",
})  # fmt: skip
"""(what predicts, its path) -> `Exportable`, by the modality of the items; ``boxes`` for detectors."""


def exportable_of(predictor: AnyPredictor, model: str) -> Exportable:
    """What is to be written of a loaded model; raises ``InputError`` naming what cannot be exported."""
    if isinstance(predictor, TaskPredictor):
        raise unnamed(model, predictor.tasks)
    kind = "boxes" if isinstance(predictor, BoxPredictor) else predictor.modality
    found: Exportable = SUBJECTS.get(kind)(predictor, model)
    return found
