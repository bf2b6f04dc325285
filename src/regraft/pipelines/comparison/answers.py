"""What a run said of its judged items, as its folder keeps it; how two are compared is in one class a task."""

from __future__ import annotations

import csv
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Boxes, Found
from regraft.core.errors import InputError
from regraft.metrics import classes as metrics
from regraft.metrics import intervals
from regraft.metrics.detection import map_interval, mean_ap, weighted_precisions
from regraft.metrics.paired_tests import Paired, mcnemar, paired_bootstrap

Groups = NDArray[Any] | None
Figure = tuple[float, list[float]]
"""A headline with its 95 % interval."""


@dataclass(frozen=True)
class Answers(ABC):
    """Of n judged items the ``labels`` in words, equal where they are the same, and what was answered."""

    labels: list[Any]
    METRIC: ClassVar[str]
    SIGN: ClassVar[int] = 1
    """1 where more is better, -1 where less is."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, classes: Sequence[str]) -> tuple[list[str], Self]:
        """The names of the items, and their answers, out of a run's folder."""

    @abstractmethod
    def take(self, at: NDArray[np.int64]) -> Self:
        """Those of the items ``at``."""

    @abstractmethod
    def figure(self, groups: Groups) -> Figure:
        """The headline with its interval."""

    @abstractmethod
    def test(self, groups: Groups) -> str:
        """The name of the test that `against` makes."""

    @abstractmethod
    def against(self, base: Self, groups: Groups, seed: int) -> Paired:
        """By how much these answers are better than those of ``base`` to the same items: more is better."""

    def right(self) -> NDArray[np.bool_] | None:
        """(n,) which answers are right; None where they are more or less so."""
        return None


def _bootstrap(groups: Groups) -> str:
    return f"paired bootstrap over {'items' if groups is None else 'groups'} (halves without replacement)"


def _rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


@dataclass(frozen=True)
class Classes(Answers):
    """One class an item; ``said`` are the names that were answered."""

    said: list[str]
    METRIC = "accuracy"

    @classmethod
    def read(cls, folder: Path, classes: Sequence[str]) -> tuple[list[str], Self]:
        """Out of ``predictions.csv``."""
        rows = _rows(folder)
        return [r["input"] for r in rows], cls([r["label"] for r in rows], [r["predicted"] for r in rows])

    def take(self, at: NDArray[np.int64]) -> Self:
        return type(self)([self.labels[i] for i in at], [self.said[i] for i in at])

    def right(self) -> NDArray[np.bool_]:
        return np.array([y == s for y, s in zip(self.labels, self.said, strict=True)], bool)

    def figure(self, groups: Groups) -> Figure:
        return float(self.right().mean()), intervals.share(self.right(), groups)

    def test(self, groups: Groups) -> str:
        of_groups = ", the answers of whole groups changing places"
        return f"McNemar's exact test{'' if groups is None else of_groups}"

    def against(self, base: Self, groups: Groups, seed: int) -> Paired:
        """McNemar's test, with the interval of `regraft.metrics.intervals.difference`."""
        ours, theirs = (one.right().astype(float) for one in (self, base))
        ends = intervals.difference(ours, theirs, groups)
        return Paired(float((ours - theirs).mean()), ends, mcnemar(ours, theirs, groups))


@dataclass(frozen=True)
class SeveralClasses(Answers):
    """Several classes an item; ``marks`` (n, k) are the true ones and ``probabilities`` (n, k) what was said."""

    marks: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    METRIC = "map"

    @classmethod
    def read(cls, folder: Path, classes: Sequence[str]) -> tuple[list[str], Self]:
        """Out of ``predictions.csv``, the classes in the order of their letters."""
        rows, names = _rows(folder), sorted(classes)
        labels = [tuple(sorted(filter(None, r["label"].split("|")))) for r in rows]
        marks = np.array([[c in y for c in names] for y in labels], np.int64).reshape(len(rows), -1)
        said = np.array([[float(r[f"p:{c}"]) for c in names] for r in rows]).reshape(len(rows), -1)
        return [r["input"] for r in rows], cls(labels, marks, said)

    def take(self, at: NDArray[np.int64]) -> Self:
        return type(self)([self.labels[i] for i in at], self.marks[at], self.probabilities[at])

    def figure(self, groups: Groups) -> Figure:
        found = metrics.multilabel(self.marks, self.probabilities, np.full(self.marks.shape[1], 0.5), groups)
        return found["map"], found["map_ci95"]

    def test(self, groups: Groups) -> str:
        return _bootstrap(groups)

    def against(self, base: Self, groups: Groups, seed: int) -> Paired:
        """The paired bootstrap of the mean average precision."""

        def apart(times: intervals.Ints) -> intervals.Floats:
            ours, theirs = (metrics.weighted_precisions(self.marks, one.probabilities, times) for one in (self, base))
            return mean_over_classes(ours - theirs)

        return paired_bootstrap(apart, len(self.labels), groups, seed=seed)


@dataclass(frozen=True)
class Numbers(Answers):
    """A number an item; ``said`` (n,) are those that were answered."""

    said: NDArray[np.float64]
    METRIC, SIGN = "rmse", -1

    @classmethod
    def read(cls, folder: Path, classes: Sequence[str]) -> tuple[list[str], Self]:
        """Out of ``predictions.csv``."""
        rows = _rows(folder)
        said = np.array([float(r["predicted"]) for r in rows])
        return [r["input"] for r in rows], cls([float(r["label"]) for r in rows], said)

    def take(self, at: NDArray[np.int64]) -> Self:
        return type(self)([self.labels[i] for i in at], self.said[at])

    def _squares(self) -> NDArray[np.float64]:
        return (np.array(self.labels) - self.said) ** 2

    def figure(self, groups: Groups) -> Figure:
        squares = self._squares()
        return math.sqrt(float(squares.mean())), intervals.root_mean_square(squares, groups)

    def test(self, groups: Groups) -> str:
        return _bootstrap(groups)

    def against(self, base: Self, groups: Groups, seed: int) -> Paired:
        """The paired bootstrap of the root mean square error, theirs less ours."""
        ours, theirs = self._squares(), base._squares()

        def apart(times: intervals.Ints) -> intervals.Floats:
            count = times.sum(1)
            found: intervals.Floats = np.sqrt(times @ theirs / count) - np.sqrt(times @ ours / count)
            return found

        return paired_bootstrap(apart, len(ours), groups, seed=seed)


@dataclass(frozen=True)
class FoundBoxes(Answers):
    """Boxes in pictures: the true ones, those ``found``, and how many classes there are."""

    truth: list[Boxes]
    found: list[Found]
    classes: tuple[str, ...]
    METRIC = "map"

    @classmethod
    def read(cls, folder: Path, classes: Sequence[str]) -> tuple[list[str], Self]:
        """Out of ``detections.json``, the classes in the order of their letters."""
        record = json.loads((folder / "detections.json").read_text(encoding="utf-8"))
        names = tuple(sorted(record["classes"]))
        place = np.array([names.index(c) for c in record["classes"]], np.int64)
        truth, found, labels = [], [], []
        for one in record["pictures"]:
            boxes = dict(one["truth"]) | {"labels": place[np.array(one["truth"]["labels"], np.int64)]}
            truth.append(Boxes(**{k: np.array(v) for k, v in boxes.items()}))
            said = one["found"]
            found.append(Found(np.array(said["xyxy"]), said["scores"], place[np.array(said["labels"], np.int64)]))
            labels.append(sorted(zip(map(tuple, one["truth"]["xyxy"]), boxes["labels"].tolist(), strict=True)))
        return [one["input"] for one in record["pictures"]], cls(labels, truth, found, names)

    def take(self, at: NDArray[np.int64]) -> Self:
        labels, truth, found = ([some[i] for i in at] for some in (self.labels, self.truth, self.found))
        return type(self)(labels, truth, found, self.classes)

    def figure(self, groups: Groups) -> Figure:
        whole = mean_ap(self.truth, self.found, self.classes)
        ends = map_interval(self.truth, self.found, self.classes, groups=groups)
        if whole is None or ends is None:
            raise InputError("The pictures that the runs share hold no true box: there is nothing to compare them by.")
        return whole, ends

    def test(self, groups: Groups) -> str:
        return _bootstrap(groups).replace("items", "pictures")

    def against(self, base: Self, groups: Groups, seed: int) -> Paired:
        """The paired bootstrap of the mean average precision over IoUs of 0.5 to 0.95."""
        k = len(self.classes)

        def apart(times: intervals.Ints) -> intervals.Floats:
            ours, theirs = (weighted_precisions(self.truth, one.found, k, times) for one in (self, base))
            return mean_over_classes(ours - theirs)

        return paired_bootstrap(apart, len(self.labels), groups, seed=seed)


def mean_over_classes(apart: intervals.Floats) -> intervals.Floats:
    """(d, k) differences by class -> (d,) means over the classes that have one; NaN where none has."""
    there = ~np.isnan(apart)
    found: intervals.Floats = np.where(there, apart, 0.0).sum(1) / np.where(there.any(1), there.sum(1), np.nan)
    return found


KINDS: dict[str, type[Answers]] = {
    "classification": Classes, "multilabel": SeveralClasses, "regression": Numbers, "detection": FoundBoxes,
}  # fmt: skip
"""By task."""
