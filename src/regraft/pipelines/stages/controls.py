"""The controls that transfer has to beat: no features (the most frequent class, the mean), raw input (of texts:
`tfidf`), the same network untrained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.backbones.modules.base import is_module, left_undrawn, untrained
from regraft.core.row_store import RowStore
from regraft.core.types import LabelSpec
from regraft.data.items import Items
from regraft.data.splits import Split
from regraft.features.extract import Extracted
from regraft.features.fusion import learned, learns, parts_of
from regraft.features.labelled import LabelledFeatures
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.models.model import Model
from regraft.options.evaluation import check_controls
from regraft.pipelines.context import Kept
from regraft.tasks import TASKS


@dataclass(frozen=True)
class Control:
    """What one control says of the judged items: probabilities (n, k), or numbers (n, 1); how they become answers, as
    in `Model.decision`; and the forward passes it cost.
    """

    name: str
    probabilities: NDArray[np.float64]
    decision: dict[str, Any]
    computed: int = 0


@dataclass(frozen=True)
class ControlKit:
    """What a control needs of the run it stands beside: the same items, learner and engine."""

    split: Split
    train: LabelledFeatures
    judged: LabelledFeatures
    learn: Callable[..., Any]
    engine: str
    device: str
    store: RowStore
    size: int | None = None
    kept: Kept = field(default_factory=Kept)

    def rows(self, name: str, make: Callable[[], Pretrained]) -> tuple[Pretrained, Extracted, Extracted]:
        """The network of that name with what it had to learn from the training items, and the rows of these and of the
        judged ones.
        """
        network = self.kept.networks[name] = self.kept.networks.get(name) or make()
        train, val = self.split.train, self.split.val
        assert val is not None
        learning = train.items.take(self.train.items)
        if val is train and not learns(network):
            if name not in self.kept.rows:
                self.kept.rows[name] = Runner(network, self.engine, self.device).stored(train.items, self.store)
            rows = self.kept.rows[name]
            return network, rows.at(self.train.items), rows.at(self.judged.items)
        network = learned(network, learning)
        runner = Runner(network, self.engine, self.device)
        judged = val.items.take(self.judged.items)
        return network, runner.stored(learning, self.store), runner.stored(judged, self.store)


def run_controls(wanted: str, network: Pretrained, kit: ControlKit) -> list[Control]:
    """The controls in ``wanted`` (comma-separated; ``none`` for none), on the very items of the run itself."""
    found = []
    for name in check_controls(wanted):
        if name == "majority":
            found.append(constant(kit.split.train.target, kit.train.y, len(kit.judged.y)))
        elif (beside := network_of(name, network)) is not None:
            found.append(_features(beside, network, kit))
    return found


def network_of(control: str, network: Pretrained) -> str | None:
    """The name of the network that a control runs beside ``network``; None where that would tell nothing more."""
    base, alone = network.name.partition("@")[0].partition("[")[0], len(parts_of(network)) == 1
    raw = "tfidf" if network.spec.modality == "text" else "raw"
    if control == "raw" and base != raw:
        return raw
    if control == "random" and is_module(network):
        return None if left_undrawn(network) else f"random:{network.name}"
    if control == "random" and base not in ("raw", "tfidf") and not base.startswith("random:") and alone:
        return f"random:{network.name}"
    return None


def made(name: str, network: Pretrained, items: Items, size: int | None) -> Pretrained:
    """The network of `network_of`, beside ``network``."""
    if name == f"random:{network.name}" and is_module(network):
        return untrained(network)
    return network_for(items, name, size=None if name == "raw" else size)


def constant(target: LabelSpec, labels: NDArray[Any], n: int) -> Control:
    """Always the same answer for n items, by the ``labels`` to learn from: see `regraft.tasks.base.Task.constant`."""
    return Control(*TASKS[target.task].constant(labels, n, len(target.classes)))


def _features(name: str, beside: Pretrained, kit: ControlKit) -> Control:
    """The method of the run, on ``beside``, on the features of another network."""
    train = kit.split.train
    network, of_train, of_val = kit.rows(name, lambda: made(name, beside, train.items, kit.size))
    fitted = kit.learn(of_train.rows, kit.train.y, per_feature_scaling=network.spec.modality == "table",
                       blocks=[p.width for p in parts_of(network)])  # fmt: skip
    model = Model(network, fitted.head, train.target_name, train.target)
    told = kit.train.y if fitted.rows is None else kit.train.y[fitted.rows]
    model.decision, _ = model.decided(fitted.logits, told)  # by answers of its own, as the model's are
    return Control(name, model.probabilities(of_val.rows), model.decision, of_train.computed + of_val.computed)
