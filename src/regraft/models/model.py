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
from regraft.core.types import TargetSpec
from regraft.metrics import classes as metrics
from regraft.metrics.numbers import coverage, quantile_figures, regression
from regraft.models.cv_plus import FoldHeads
from regraft.models.outliers import Familiar

HEAD_BATCH = 256


@dataclass
class Model:
    """A frozen or adapted network, the head on its features, and what the head's outputs mean."""

    network: Pretrained
    head: nn.Module
    target_name: str
    target: TargetSpec
    decision: dict[str, Any] = field(default_factory=dict)
    """How outputs become answers: ``thresholds`` (multilabel), ``abstain_below`` (a confidence); for numbers ``sigma``,
    ``interval`` (``level``, ``radius``, ``by``: one radius for all, or `folds`), ``quantiles``.
    """
    familiar: Familiar | None = None
    """What the features of the training items look like, where that can be said."""
    folds: FoldHeads | None = None
    """What the ends of the interval of a number are found by, where it is asked for and not one radius for all."""

    @property
    def numbers(self) -> bool:
        """Whether it answers with numbers, not with classes."""
        return self.target.task == "regression"

    def logits(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Features (n, D) -> logits (n, K), in blocks of fixed shape so that no row depends on its neighbours."""
        out = []
        for start in range(0, rows.shape[0], HEAD_BATCH):
            block: Any = rows[start : start + HEAD_BATCH]
            padded = np.zeros((HEAD_BATCH, rows.shape[1]), rows.dtype)
            padded[: block.shape[0]] = block.toarray() if issparse(block) else block
            with torch.inference_mode():
                x = torch.from_numpy(padded).to(self.head.mean.dtype)  # type: ignore[arg-type]
                out.append(self.head(x).numpy()[: block.shape[0]])
        return np.concatenate(out) if out else np.zeros((0, self.outputs), np.float32)

    @property
    def outputs(self) -> int:
        """K, how many outputs the head has: one a class; for numbers the mean, then one a quantile."""
        return 1 + len(self.decision.get("quantiles", ())) if self.numbers else len(self.target.classes)

    def probabilities(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Features (n, D) -> probabilities (n, K) in float64: of the classes, or (multilabel) of each class; for
        numbers the values (n, 1), then the quantiles, then with `folds` the two ends of the interval.
        """
        found = self.from_logits(self.logits(rows))
        if self.folds is None:
            return found
        return np.hstack([found, self.folds.ends(rows, self.decision["interval"]["level"], found[:, 0])])

    def from_logits(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Logits (n, K) -> probabilities (n, K): softmax, or sigmoid where several classes may be true.

        Numbers stay as they are; quantiles are put in order (Chernozhukov et al. 2010, doi 10.3982/ECTA7880).
        """
        z = logits.astype(np.float64)
        if self.numbers:
            return np.hstack([z[:, :1], np.sort(z[:, 1:], 1)])
        if self.target.task == "multilabel":
            return 1 / (1 + np.exp(-z))
        p = np.exp(z - z.max(1, keepdims=True)) if len(z) else z
        probabilities: NDArray[np.float64] = p / p.sum(1, keepdims=True)
        return probabilities

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """(K,) probabilities from which on a class is said to be there (multilabel); (n, K) where items were judged by
        models with thresholds of their own.
        """
        return np.asarray(self.decision.get("thresholds", [0.5] * len(self.target.classes)))

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
        names = self.target.classes
        if self.numbers:
            return [f"{v:.6g}" for v in probabilities[:, 0]]
        if self.target.task == "multilabel":
            return [
                "|".join(n for n, yes in zip(names, row, strict=True) if yes)
                for row in probabilities >= self.thresholds
            ]
        return [names[i] for i in probabilities.argmax(1)]

    def entropy_bits(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        """(n,) entropy of each answer; where several classes may be true, the sum of theirs."""
        if self.target.task == "multilabel":
            return metrics.entropy_bits(np.stack([probabilities, 1 - probabilities], 2)).sum(1)
        return metrics.entropy_bits(probabilities)

    def figures(
        self, labels: NDArray[Any], probabilities: NDArray[Any], groups: NDArray[Any] | None = None
    ) -> dict[str, Any]:
        """The figures of merit that fit the task, see `regraft.metrics.classes` and
        `regraft.metrics.numbers`; their
        intervals are those of ``groups`` (n,) where some items belong together.
        """
        if self.numbers:
            return self._number_figures(labels, probabilities, groups)
        if self.target.task == "multilabel":
            return metrics.multilabel(labels, probabilities, self.thresholds, groups)
        return metrics.classification(labels, probabilities, groups)

    def _number_figures(self, y: NDArray[Any], values: NDArray[Any], groups: NDArray[Any] | None) -> dict[str, Any]:
        figures = regression(y, values[:, 0], self.sigma, groups)
        ends = self.interval(values)
        if ends is not None:
            figures["interval"] = {
                "level": self.decision["interval"]["level"],
                **coverage(y, ends[:, 0], ends[:, 1], groups),
            }
        if self.outputs > 1:
            figures["quantiles"] = quantile_figures(y, self.quantiles(values), self.decision["quantiles"])
        return figures
