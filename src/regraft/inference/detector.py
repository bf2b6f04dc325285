"""Prediction of boxes: from pictures to what stands on them, by an artefact alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.boxes import Found
from regraft.core.errors import DataError, InputError
from regraft.core.runtime import resolve_device
from regraft.data.inputs import as_items
from regraft.data.items import Items
from regraft.models.artefact import detector as artefact
from regraft.models.detectors.apply import stream
from regraft.models.detectors.base import Detector
from regraft.models.detectors.bn_folding import folded


class BoxPredictor:
    """A detector ready to answer. ``classes_`` are the class names that labels index, ``threshold`` the least score
    that is shown.
    """

    def __init__(self, detector: Detector, manifest: dict[str, Any], *, device: str = "auto") -> None:
        self.detector = folded(detector).to(resolve_device(device))
        self.manifest = manifest
        self.classes_ = np.array(detector.classes)
        self.threshold = float(manifest["target"]["decision"].get("threshold", 0.3))

    def items(self, x: Any) -> Items:
        """``x`` as pictures."""
        items = as_items(x, modality="image")
        if items.modality != "image":
            raise InputError(f"A detector takes pictures; these are of the kind {items.modality}.")
        return items

    def predict(self, x: Any, *, threshold: float | None = None) -> list[Found]:
        """What is found on each picture with a score of at least ``threshold`` (by default the one chosen in training).

        Raises ``DataError`` naming the first picture that cannot be read.
        """
        items = self.items(x)
        answers = []
        for i, one in stream(self.detector, items, self.threshold if threshold is None else threshold):
            if isinstance(one, str):
                raise DataError(f"{items.name(i)} cannot be used: {one}.")
            answers.append(one)
        return answers


def load(path: str | Path, *, device: str = "auto") -> BoxPredictor:
    """The detector of a run or artefact folder, ready to predict; raises ``ArtefactError``."""
    return BoxPredictor(*artefact.load(path), device=device)
