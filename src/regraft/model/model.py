"""`Model`: what outlives training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import nn

from regraft import metrics
from regraft.backbones.base import Pretrained
from regraft.types import TargetSpec

HEAD_BATCH = 256


@dataclass
class Model:
    """A frozen or adapted network, the head on its features, and what the head's outputs mean."""

    network: Pretrained
    head: nn.Module
    target_name: str
    target: TargetSpec
    decision: dict[str, Any] = field(default_factory=dict)
    """How probabilities become answers: ``thresholds`` (multilabel), ``abstain_below`` (a confidence)."""

    def logits(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Features (n, D) -> logits (n, K), in blocks of fixed shape so that no row depends on its neighbours."""
        out = []
        for start in range(0, rows.shape[0], HEAD_BATCH):
            block: Any = rows[start : start + HEAD_BATCH]
            padded = np.zeros((HEAD_BATCH, rows.shape[1]), rows.dtype)
            padded[: block.shape[0]] = block.toarray() if issparse(block) else block
            with torch.inference_mode():
                out.append(self.head(torch.from_numpy(padded)).numpy()[: block.shape[0]])
        return np.concatenate(out) if out else np.zeros((0, len(self.target.classes)), np.float32)

    def probabilities(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Features (n, D) -> probabilities (n, K) in float64: of the classes, or (multilabel) of each class."""
        return self.from_logits(self.logits(rows))

    def from_logits(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Logits (n, K) -> probabilities (n, K): softmax, or sigmoid where several classes may be true."""
        z = logits.astype(np.float64)
        if self.target.task == "multilabel":
            return 1 / (1 + np.exp(-z))
        p = np.exp(z - z.max(1, keepdims=True)) if len(z) else z
        probabilities: NDArray[np.float64] = p / p.sum(1, keepdims=True)
        return probabilities

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """(K,) probabilities from which on a class is said to be there (multilabel)."""
        return np.array(self.decision.get("thresholds") or [0.5] * len(self.target.classes))

    def answers(self, probabilities: NDArray[Any]) -> list[str]:
        """(n,) class names; where several may be true, those above their thresholds, joined by ``|``."""
        names = self.target.classes
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

    def figures(self, labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, Any]:
        """The figures of merit that fit the task, see `regraft.metrics`."""
        if self.target.task == "multilabel":
            return metrics.multilabel(labels, probabilities, self.thresholds)
        return metrics.classification(labels, probabilities)
