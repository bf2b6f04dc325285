"""What a training takes where nothing was said: epochs by the number of items, rates, augmentation, the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained, word_vectors
from regraft.core.types import Modality
from regraft.data.transforms.policy import Policy, may_flip
from regraft.methods.base import Options
from regraft.options.fit import FitOptions
from regraft.options.training import TrainingOptions
from regraft.training.state import Settings

GENTLE_ON_TEXTS, LAST = 0.2, 4
LOOP = ("batch", "accumulate", "schedule", "ema", "patience", "batch_norm", "smoothing", "focal", "mix")


def default_epochs(n: int, text: bool = False) -> int:
    """Enough passes for a few hundred steps at least, few where a pass is long already; fewer over texts."""
    if text:
        return int(np.clip(round(20_000 / n), 3, max(10, 40 // -(-n // 32))))
    return int(np.clip(round(20_000 / n), 4, 20))


def method_options(training: TrainingOptions, modality: Modality, epochs: int, last: int = LAST) -> Options:
    """What a method is told of a training: what was asked for, over ``epochs`` and ``last`` blocks."""
    rate = None if training.lr in (None, "auto") else float(training.lr)
    return Options(training.epochs or epochs, rate, training.blocks or last,
                   GENTLE_ON_TEXTS if modality == "text" else 1.0)  # fmt: skip


def trains_embeddings(training: TrainingOptions, network: Pretrained) -> bool:
    """Whether word vectors learn with the rest: those of a pretrained network only where that is asked for.

    Of the 118 M weights of e5-small 96 M are such. The texts at hand move few of them, and each step pays for all.
    """
    return bool(training.train_embeddings) or not network.pretrained or not word_vectors(network.body)


def policy_of(training: TrainingOptions, modality: Modality, *classes: tuple[str, ...]) -> Policy:
    """How items are augmented; not mirrored where the ``classes`` of one task would not mean the same."""
    return Policy(training.augment or "light" if modality == "image" else "none", all(map(may_flip, classes)))


def loop_settings(
    options: FitOptions, data: str, network: Pretrained | None = None, *, targets: NDArray[Any] | None = None,
    **usual: Any,
) -> Settings:  # fmt: skip
    """What was asked for, over the ``usual`` and the loop's defaults; ``data`` names what is trained on, ``network``
    the one that is trained where it is no detector. With balanced classes they are weighed by the ``targets`` (n, k).
    """
    training, balance = options.training, None
    if training.class_weight == "balanced" and targets is not None:
        counts = np.maximum(targets.sum(0), 1)
        balance = tuple((len(targets) / (len(counts) * counts)).tolist())
    asked = usual | {k: v for k in LOOP if (v := getattr(training, k)) is not None}
    if asked.get("focal"):
        asked["smoothing"] = 0.0
    if network is not None:
        asked["train_embeddings"] = trains_embeddings(training, network)
    return Settings(class_weight=balance, seed=options.run.seed, data=data, **asked)
