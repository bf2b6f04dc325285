"""Prediction of boxes: from pictures to what stands on them, by an artefact alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from regraft.core.boxes import Found
from regraft.core.errors import InputError
from regraft.core.runtime import resolve_device
from regraft.core.types import Hints, Modality
from regraft.data.inputs import as_items
from regraft.data.items import Items
from regraft.data.writers.detections import Answer, record
from regraft.inference.base import BasePredictor
from regraft.inference.modules import BoxModule
from regraft.models.detectors.apply import DetectorRunner
from regraft.models.detectors.base import Detector


class BoxPredictor(BasePredictor[dict[int, Answer]]):
    """A detector. ``classes_`` are the class names that labels index, ``threshold`` the least score that is shown."""

    USELESS = ("label", "text", "image", "encoding", "adapt", "resume", "overwrite", "sort_into", "copy")
    WHY = "are not for detectors"
    modality: Modality = "image"

    def __init__(self, detector: Detector, manifest: dict[str, Any], *, engine: str = "auto",
                 device: str = "auto") -> None:  # fmt: skip
        self.runner = DetectorRunner(detector, engine, resolve_device(device))
        self.detector = self.runner.detector
        self.manifest, self.hints = manifest, Hints()
        self.classes_ = np.array(detector.classes)
        self.threshold = float(manifest["target"]["decision"].get("threshold", 0.3))

    def items(self, x: Any) -> Items:
        """``x`` as pictures."""
        items = as_items(x, modality="image")
        if items.modality != "image":
            raise InputError(f"A detector takes pictures; these are of the kind {items.modality}.")
        return items

    def stream(
        self, items: Items, label: str = "detections", threshold: float | None = None
    ) -> Iterator[dict[int, Answer]]:
        """What is found on each picture, by its position, batch by batch in their order."""
        return self.runner.stream(items, self.threshold if threshold is None else threshold, label)

    def to_torch(self) -> BoxModule:
        """The detector as one module of PyTorch on the CPU, which needs no run folder: frames -> boxes; its ``answer``
        takes decoded pictures of any size.
        """
        return BoxModule(self.detector, self.threshold)

    def failed(self, answers: dict[int, Answer]) -> dict[int, str]:
        return {i: one.error for i, one in answers.items() if one.error}

    def describe(self, items: Items, answers: dict[int, Answer]) -> list[tuple[int, dict[str, Any]]]:
        """(position, record) of each picture, see `regraft.data.writers.detections.record`."""
        return [(i, record(one, self.detector.classes)) for i, one in answers.items()]

    def predict(self, x: Any, *, threshold: float | None = None) -> list[Found]:
        """What is found on each picture with a score of at least ``threshold`` (by default the one chosen in training).

        Raises ``DataError`` naming the first picture that cannot be read.
        """
        return [one.found for answers in self.all_of(x, threshold=threshold) for one in answers.values()]
