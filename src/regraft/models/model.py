"""`Model`: what outlives training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.core.types import LabelSpec, Problem
from regraft.models.cv_plus import FoldHeads
from regraft.models.outliers import OutlierDetector
from regraft.tasks import TASKS, Task, Wanted
from regraft.tasks.multilabel import thresholds_of

HEAD_BATCH = 256
"""Rows that a head is run on at once; a single row is run alone."""


@dataclass
class Model:
    """A frozen or adapted network, the head on its features, and what the head's outputs mean."""

    network: Pretrained
    head: nn.Module
    target_name: str
    target: LabelSpec
    decision: dict[str, Any] = field(default_factory=dict)
    """How outputs become answers: ``thresholds`` (multilabel), ``abstain_below`` (a confidence); for numbers ``sigma``,
    ``interval`` (``level``, ``radius``, ``by``: one radius for all, or `folds`), ``quantiles``.
    """
    familiar: OutlierDetector | None = None
    """What the features of the training items look like, where that can be said."""
    folds: FoldHeads | None = None
    """What the ends of the interval of a number are found by, where it is asked for and not one radius for all."""

    @property
    def task(self) -> Task:
        """What differs by what it tells of an item."""
        return TASKS[self.target.task]

    @property
    def numbers(self) -> bool:
        """Whether it answers with numbers, not with classes."""
        return self.task.link is None

    @property
    def several(self) -> bool:
        """Whether several of its classes may be true of an item."""
        return self.task.link == "sigmoid"

    def logits(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Features (n, D) -> logits (n, K), in blocks of fixed shape so that no row depends on its neighbours; a single
        row alone agrees with the same among others to 1e-5 of the largest logit.
        """
        out, size = [], HEAD_BATCH if rows.shape[0] > 1 else 1
        for start in range(0, rows.shape[0], size):
            block: Any = rows[start : start + size]
            padded = np.zeros((size, rows.shape[1]), rows.dtype)
            padded[: block.shape[0]] = block.toarray() if issparse(block) else block
            with torch.inference_mode():
                x = torch.from_numpy(padded).to(self.head.mean.dtype)  # type: ignore[arg-type]
                out.append(self.head(x).numpy()[: block.shape[0]])
        return np.concatenate(out) if out else np.zeros((0, self.outputs), np.float32)

    @property
    def outputs(self) -> int:
        """K, how many outputs the head has: one a class; for numbers the mean, then one a quantile."""
        return self.task.outputs(len(self.target.classes), self.decision)

    def probabilities(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Features (n, D) -> probabilities (n, K) in float64: of the classes, or (multilabel) of each class; for
        numbers the values (n, 1), then the quantiles, then with `folds` the two ends of the interval.
        """
        found = self.from_logits(self.logits(rows))
        if self.folds is None:
            return found
        return np.hstack([found, self.folds.ends(rows, self.decision["interval"]["level"], found[:, 0])])

    def from_logits(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Logits (n, K) -> probabilities (n, K), see `regraft.tasks.base.Task.probabilities`."""
        return self.task.probabilities(logits)

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """(K,) probabilities from which on a class is said to be there (multilabel); (n, K) where items were judged by
        models with thresholds of their own.
        """
        return thresholds_of(self.decision, len(self.target.classes))

    @property
    def sigma(self) -> Any:
        """The standard deviation of a number around the value given for it, in its unit; (n,) as with `thresholds`."""
        return self.decision.get("sigma", 1.0)

    def interval(self, values: NDArray[Any]) -> NDArray[np.float64] | None:
        """(n, 2) the ends of the interval asked for, around values (n, 1 or more); None where none was, or where they
        are found by `folds` and the values are not the model's own.
        """
        asked = self.decision.get("interval")
        if asked is None:
            return None
        if self.folds is not None:
            return values[:, -2:] if values.shape[1] == self.outputs + 2 else None
        return np.stack([values[:, 0] - asked["radius"], values[:, 0] + asked["radius"]], 1)

    def quantiles(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """(n, q) those among values (n, 1 or more)."""
        return values[:, 1 : self.outputs]

    def answers(self, probabilities: NDArray[Any]) -> list[str]:
        """(n,) class names; where several may be true, those above their thresholds, joined by ``|``; or numbers."""
        return self.task.answers(probabilities, self.target.classes, self.decision)

    def entropy_bits(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        """(n,) entropy of each answer; where several classes may be true, the sum of theirs; 0 for numbers."""
        return self.task.entropy_bits(probabilities)

    def figures(
        self, labels: NDArray[Any], probabilities: NDArray[Any], groups: NDArray[Any] | None = None
    ) -> dict[str, Any]:
        """The figures of merit that fit the task, see `regraft.metrics`; their intervals are those of ``groups`` (n,)
        where some items belong together.
        """
        ends = self.interval(probabilities) if self.numbers else None
        return self.task.figures(labels, probabilities, self.decision, groups, ends)

    def decided(
        self, outputs: NDArray[Any] | None, labels: NDArray[Any], wanted: Wanted = Wanted(), name: str = "",
        groups: NDArray[Any] | None = None,
    ) -> tuple[dict[str, Any], Problem | None]:  # fmt: skip
        """How outputs become answers, and what a person should know of it: see `regraft.tasks.base.Task.decision`."""
        return self.task.decision(outputs, labels, len(self.target.classes), wanted, name, groups)
