"""Boxes in pictures, each of one class: how such labels are counted and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core.boxes import classes_present
from regraft.metrics.detection import box_counts
from regraft.tasks.base import Array
from regraft.tasks.named_classes import NamedClasses


class Detection(NamedClasses):
    """Labels are (n,) `regraft.core.boxes.Boxes`; what a detector says of them lies in `regraft.models.detectors`."""

    name, several, by_class, look_at = "detection", True, True, "the figures by class"
    held_out, too_few = "fifth held out of the training pictures", "pictures"

    def counts(self, labels: Array, classes: Sequence[str]) -> dict[str, int]:
        return box_counts(list(labels), classes)

    def strata(self, labels: Array, classes: Sequence[str]) -> Array:
        return classes_present(labels, len(classes))

    def renumbered(self, labels: Array, place: Array, classes: int) -> Array:
        """Boxes of other classes go."""
        found = np.empty(len(labels), object)
        for i, boxes in enumerate(labels):
            kept = boxes.take(place[boxes.labels] >= 0)
            found[i] = replace(kept, labels=place[kept.labels])
        return found

    def in_words(self, label: Any, classes: Sequence[str]) -> Any:
        return sorted(classes[k] for k in label.labels)

    def differ(self, a: Any, b: Any, *, exact: bool) -> bool:
        """Boxes drawn twice never agree to the pixel, so their classes count, and those of pictures that are only near
        may well be others.
        """
        return exact and sorted(a.labels.tolist()) != sorted(b.labels.tolist())
