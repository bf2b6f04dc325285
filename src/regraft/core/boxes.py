"""Boxes on a picture: what stands there (`Boxes`) and what a detector says stands there (`Found`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """The true boxes of one picture.

    ``xyxy`` float64 (k, 4): left, top, right, bottom in pixels of the decoded, EXIF-turned picture, whose left upper
    corner is (0, 0) and whose right lower corner (width, height). ``labels`` int64 (k,) are indices into the class
    names; ``crowd`` bool (k,) marks boxes that count neither for nor against a detector: around many objects, as COCO
    marks them, or, where ``difficult`` bool (k,) marks them too, around one that VOC asks nobody to find.
    """

    xyxy: Floats
    labels: Ints
    crowd: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    difficult: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels, np.int64).reshape(-1)
        object.__setattr__(self, "xyxy", np.asarray(self.xyxy, np.float64).reshape(-1, 4))
        object.__setattr__(self, "labels", labels)
        for name in ("difficult", "crowd"):
            marks = np.asarray(getattr(self, name), np.bool_).reshape(-1)
            object.__setattr__(self, name, marks if len(marks) else np.zeros(len(labels), np.bool_))
        if not len(self.xyxy) == len(self.labels) == len(self.crowd) == len(self.difficult):
            raise ValueError(f"{len(self.xyxy)} boxes, {len(self.labels)} labels and {len(self.crowd)} crowd marks.")
        object.__setattr__(self, "crowd", self.crowd | self.difficult)

    @classmethod
    def none(cls) -> Boxes:
        """A picture without boxes."""
        return cls(np.zeros((0, 4)), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.xyxy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Boxes):
            return NotImplemented
        names = ("xyxy", "labels", "crowd", "difficult")
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)

    __hash__ = None  # type: ignore[assignment]

    def take(self, indices: NDArray[Any]) -> Boxes:
        """The boxes at ``indices`` (numbers, or a mask), in that order."""
        return Boxes(self.xyxy[indices], self.labels[indices], self.crowd[indices], self.difficult[indices])

    @property
    def areas(self) -> Floats:
        """(k,) in square pixels."""
        return areas(self.xyxy)


@dataclass(frozen=True, eq=False)
class Found:
    """What a detector says of one picture, best first.

    ``xyxy`` float64 (k, 4) as in `Boxes`; ``scores`` float64 (k,) in 0..1; ``labels`` int64 (k,).
    """

    xyxy: Floats
    scores: Floats
    labels: Ints

    def __post_init__(self) -> None:
        xyxy = np.asarray(self.xyxy, np.float64).reshape(-1, 4)
        scores = np.asarray(self.scores, np.float64).reshape(-1)
        labels = np.asarray(self.labels, np.int64).reshape(-1)
        if not len(xyxy) == len(scores) == len(labels):
            raise ValueError(f"{len(xyxy)} boxes, {len(scores)} scores and {len(labels)} labels.")
        order = np.argsort(-scores, kind="stable")
        object.__setattr__(self, "xyxy", xyxy[order])
        object.__setattr__(self, "scores", scores[order])
        object.__setattr__(self, "labels", labels[order])

    @classmethod
    def none(cls) -> Found:
        """Nothing found."""
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.xyxy)

    def take(self, indices: NDArray[Any]) -> Found:
        """Those at ``indices`` (numbers, or a mask)."""
        return Found(self.xyxy[indices], self.scores[indices], self.labels[indices])

    def above(self, threshold: float) -> Found:
        """Those whose score is at least ``threshold``."""
        return self.take(self.scores >= threshold)


def classes_present(truth: Iterable[Boxes], classes: int) -> Ints:
    """(n, classes) 1 where a picture holds a box of the class, crowds left out: what a split is stratified by."""
    rows = [np.bincount(np.unique(b.labels[~b.crowd]), minlength=classes) for b in truth]
    found: Ints = np.array(rows, np.int64).reshape(-1, classes)
    return found


def areas(xyxy: Floats) -> Floats:
    """(k, 4) boxes -> (k,) areas; a box that is inside out has none."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


def intersections(a: Floats, b: Floats) -> Floats:
    """(n, 4) and (m, 4) boxes -> (n, m) shared areas."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(sides, 0.0)
    return sides[..., 0] * sides[..., 1]


def iou(a: Floats, b: Floats) -> Floats:
    """(n, 4) and (m, 4) boxes -> (n, m) intersection over union in 0..1; 0 where both have no area."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(xyxy: Floats, width: float, height: float) -> Floats:
    """(k, 4) boxes brought inside a picture of ``width`` x ``height`` pixels."""
    return np.clip(xyxy, 0.0, np.array([width, height, width, height], np.float64))
