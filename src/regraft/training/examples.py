"""The training items by what they serve inside a training: to learn from, to choose by, to find by what is promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.data.dataset import Dataset
from regraft.features.labelled import LabelledFeatures
from regraft.methods.probes.linear_probe import row_weights
from regraft.methods.probes.logistic import targets_of
from regraft.models.heads import LinearHead
from regraft.options.fit import FitOptions
from regraft.tasks import TASKS, Link
from regraft.training.calibration import judged_at_best
from regraft.training.feeds.base import Batches
from regraft.training.feeds.build import Feeds
from regraft.training.learner import Learner
from regraft.training.validation import Validator, promised, validation_parts


@dataclass
class Examples:
    """``data`` are the items of ``rows``; ``learn``, ``hold`` and ``sure`` positions among them: to learn from, to
    choose the epoch by, and to find the temperature and what is promised by. Numbers are learned at a spread of 1:
    ``targets`` (n, k) times ``label_scale``, plus ``label_offset``. ``weights`` (n, k) are those of the classes.
    """

    data: Dataset
    rows: LabelledFeatures
    learn: NDArray[np.int64]
    hold: NDArray[np.int64]
    sure: NDArray[np.int64]
    targets: NDArray[Any]
    label_scale: float
    label_offset: float
    weights: NDArray[Any] | None

    @classmethod
    def of(
        cls, data: Dataset, rows: LabelledFeatures, groups: NDArray[Any] | None, options: FitOptions, *,
        all_learn: bool = False,
    ) -> Examples:  # fmt: skip
        """Those of the items of ``rows`` in ``data``, no group of ``groups`` (n,) torn; with ``all_learn`` nothing is
        held out.
        """
        data, labels = data.take(rows.items), rows.y
        learn, hold, sure = validation_parts(labels, groups, options.run.seed, promised(options))
        if all_learn:
            learn, hold, sure = np.arange(len(labels)), hold[:0], hold[:0]
        scale, offset = 1.0, 0.0
        if data.kind.numbers:
            scale, offset = float(labels[learn].std()) or 1.0, float(labels[learn].mean())
            targets = (labels[:, None] - offset) / scale
        else:
            targets = targets_of(rows.targets, len(data.classes))
        weights = row_weights(targets, options.training.class_weight)
        return cls(data, rows, learn, hold, sure, targets, scale, offset, weights)

    @property
    def taught(self) -> NDArray[Any]:
        """What a step is told: the targets; of a teacher (n, 2k) its answers, then the labels."""
        return self.targets if self.rows.lesson is None else self.rows.lesson.answers_and_labels

    @property
    def numbers(self) -> bool:
        return self.data.kind.numbers

    @property
    def link(self) -> Link | None:
        """How logits become probabilities; None for numbers."""
        return TASKS[self.data.target.task].link

    def to_learn(self, feeds: Feeds) -> Batches:
        """The items that are learned from, augmented."""
        return feeds.augmented(self.data.take(self.learn), self.rows.x[self.learn])

    def validator(self, feeds: Feeds, items: NDArray[np.int64]) -> Validator:
        """What judges a learner by the items at these positions."""
        plain = feeds.plain(self.data.take(items), self.rows.x[items])
        weights = None if self.weights is None else self.weights[items]
        return Validator(plain, self.targets[items], self.link, weights, feeds.device)

    def in_their_scale(self, head: LinearHead) -> LinearHead:
        """A head that gives numbers in their own unit, brought to a spread of 1 in place; others stay as they are."""
        if self.numbers:
            head.restate(1 / self.label_scale, -self.label_offset / self.label_scale)
        return head

    def calibrated(self, learner: Learner, judge: Validator) -> tuple[float, NDArray[Any] | None]:
        """Brings the head to the best temperature on what ``judge`` holds, or for numbers back to their unit; the
        temperature and what it then says of these items, None where there are none.
        """
        temperature, logits = 1.0, None
        if len(judge.targets):
            logits = judge.logits(learner)
            if judge.link is None:
                logits = logits * self.label_scale + self.label_offset
            else:
                _, temperature = judged_at_best(logits, judge.targets, judge.link, judge.weights)
                logits = logits / temperature
        self.finish(learner, temperature)
        return temperature, logits

    def finish(self, learner: Learner, temperature: float) -> None:
        """Brings the head to a ``temperature``, or for numbers back to their unit."""
        head: Any = learner.head
        if self.numbers:
            head.restate(self.label_scale, self.label_offset)
        elif temperature != 1:
            head.apply_temperature(temperature)
