"""The part held out inside the training part: it chooses the epoch, the temperature, and between methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.commands.split import strata
from regraft.data.augment import Policy
from regraft.data.dataset import Dataset
from regraft.data.parts import hold_out
from regraft.features.prefix import activation_views
from regraft.features.store import RowStore
from regraft.methods.logistic import Link, cross_entropy, optimal_temperature, smoothed_targets
from regraft.training.batches import PictureBatches
from regraft.training.loop import Learner

FROM, SHARE = 100, 0.15


def inner_split(
    labels: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to learn from and positions to choose by: 15 % from 100 items on, else none."""
    if len(labels) < FROM:
        return np.arange(len(labels)), np.zeros(0, np.int64)
    return hold_out(strata(labels), groups, share=SHARE, seed=seed)


def judged_at_best(
    logits: NDArray[Any], targets: NDArray[Any], link: Link, weights: NDArray[Any] | None = None
) -> tuple[float, float]:
    """Log loss at the best temperature, and that temperature: how well the classes are told apart, not how boldly."""
    smooth = smoothed_targets(targets, link)
    temperature = optimal_temperature(logits, smooth, link, weights)
    return cross_entropy(logits / temperature, smooth, link, weights), temperature


class Inner:
    """The held-out items, plain and unaugmented, as a learner takes them from ``border`` on."""

    def __init__(
        self,
        network: Pretrained,
        border: int,
        data: Dataset,
        targets: NDArray[Any],
        link: Link,
        weights: NDArray[Any] | None,
        device: str,
        store: RowStore,
    ) -> None:
        self.network, self.border, self.data, self.targets = network, border, data, targets
        self.link, self.weights = link, weights
        self.device, self.store = device, store
        self._stored: torch.Tensor | None = None

    def logits(self, learner: Learner) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [(learner(x.to(self.device)).float().cpu().numpy(), where) for x, where in self._pieces()]
        found = np.concatenate([z for z, _ in parts]).astype(float)
        found[np.concatenate([where for _, where in parts])] = found.copy()
        return found

    def _pieces(self) -> Iterator[tuple[torch.Tensor, NDArray[np.int64]]]:
        """The activations at the border and their positions; for border 0 the prepared pictures, decoded anew."""
        if not self.border:
            return PictureBatches(self.data.items, self.network.spec, Policy("none"), 0).epoch(0, 64, 0)
        if self._stored is None:
            views = activation_views(self.network, self.border, self.data.items, Policy("none"), 1, seed=0,
                                     device=self.device, store=self.store)  # fmt: skip
            self._stored = torch.from_numpy(views[0])
        return zip(self._stored.split(64), np.array_split(np.arange(len(self.data)), range(64, len(self.data), 64)),
                   strict=True)  # fmt: skip

    def loss(self, learner: Learner) -> float:
        return judged_at_best(self.logits(learner), self.targets, self.link, self.weights)[0]
