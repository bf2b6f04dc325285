"""The controls that transfer has to beat: no features (the most frequent class, the mean), raw input (of texts:
`tfidf`), the same network untrained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.commands.split import Rows, Split
from regraft.errors import UnknownName
from regraft.features.choice import network_for
from regraft.features.fusion import learned, parts_of
from regraft.features.rows import Runner
from regraft.features.store import RowStore
from regraft.metrics import best_thresholds, classification, multilabel
from regraft.model.model import Model
from regraft.model.sureness import sureness
from regraft.regression_metrics import regression

KNOWN = ("majority", "raw", "random")


@dataclass(frozen=True)
class Control:
    """One control: its figures and probabilities (n, k), or numbers (n, 1), on the judged items, and the forward passes
    it cost.
    """

    name: str
    figures: dict[str, Any]
    probabilities: NDArray[np.float64]
    computed: int = 0


@dataclass(frozen=True)
class ControlKit:
    """What a control needs of the run it stands beside: the same items, learner and engine."""

    split: Split
    train: Rows
    judged: Rows
    learn: Callable[..., Any]
    engine: str
    device: str
    store: RowStore
    size: int | None = None
    groups: NDArray[Any] | None = None
    """(m,) which of the judged items belong together; None where none do."""


def check_controls(wanted: str) -> list[str]:
    """The names in ``wanted``; raises ``UnknownName``."""
    names = [n.strip() for n in wanted.split(",") if n.strip() and n.strip() != "none"]
    for name in names:
        if name not in KNOWN:
            raise UnknownName("control", name, (*KNOWN, "none"))
    return names


def run_controls(wanted: str, network: Pretrained, kit: ControlKit) -> list[Control]:
    """The controls in ``wanted`` (comma-separated; ``none`` for none), on the very items of the run itself."""
    names = check_controls(wanted)
    base, alone = network.name.partition("@")[0].partition("[")[0], len(parts_of(network)) == 1
    raw = "tfidf" if kit.split.train.modality == "text" else "raw"
    found = []
    for name in names:
        if name == "majority":
            target = kit.split.train.target
            found.append(_mean(kit) if target.task == "regression" else
                         majority(kit.train.y, kit.judged.y, len(target.classes), target.task, kit.groups))  # fmt: skip
        elif name == "raw" and base != raw:
            found.append(_features(raw, kit))
        elif name == "random" and base not in ("raw", "tfidf") and not base.startswith("random:") and alone:
            found.append(_features(f"random:{network.name}", kit))
    return found


def majority(
    train: NDArray[Any], judged: NDArray[Any], k: int, task: str = "classification", groups: NDArray[Any] | None = None
) -> Control:
    """Always the same answer: the training part's class frequencies (Laplace) of k classes, as probabilities."""
    y = train
    shares = (y.sum(0) + 1) / (len(y) + 2) if y.ndim == 2 else (np.bincount(y, minlength=k) + 1) / (len(y) + k)
    probabilities = np.tile(shares, (len(judged), 1))
    if task == "multilabel":
        figures = multilabel(judged, probabilities, np.full(k, 0.5), groups)
    else:
        figures = classification(judged, probabilities, groups)
    return Control("majority", figures, probabilities)


def _mean(kit: ControlKit) -> Control:
    """Always the same answer: the mean of the training part's numbers, as unsure as these are spread."""
    y = kit.train.y
    values = np.full((len(kit.judged.y), 1), y.mean())
    return Control("mean", regression(kit.judged.y, values[:, 0], float(y.std()) or 1.0, kit.groups), values)


def _features(name: str, kit: ControlKit) -> Control:
    """The method of the run on the features of another network."""
    train, val = kit.split.train, kit.split.val
    assert val is not None
    network = network_for(train.items, name, size=None if name == "raw" else kit.size)
    learning = train.items.take(kit.train.items)
    network = learned(network, learning)
    runner = Runner(network, kit.engine, kit.device)
    of_train, of_val = runner.stored(learning, kit.store), runner.stored(val.items.take(kit.judged.items), kit.store)
    fitted = kit.learn(of_train.rows, kit.train.y, own_units=network.spec.modality == "table",
                       blocks=[p.width for p in parts_of(network)])  # fmt: skip
    model = Model(network, fitted.head, train.target_name, train.target)
    if train.target.task == "multilabel" and fitted.logits is not None:
        # a control decides by thresholds of its own, chosen as the model's are
        thresholds = best_thresholds(kit.train.y[fitted.rows], model.from_logits(fitted.logits))
        model.decision = {"thresholds": thresholds.tolist()}
    if train.target.task == "regression" and fitted.logits is not None:
        model.decision = sureness(fitted.logits, kit.train.y[fitted.rows])
    probabilities = model.probabilities(of_val.rows)
    figures = model.figures(kit.judged.y, probabilities, kit.groups)
    return Control(name, figures, probabilities, of_train.computed + of_val.computed)
