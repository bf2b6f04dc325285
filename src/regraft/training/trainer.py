"""The one entry of everything that trains: a learner, its phases, feed and targets in; the best weights and a record
out.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import OWN, Body, Pretrained
from regraft.core.row_store import RowStore
from regraft.core.runtime import bf16_pays
from regraft.data.transforms.policy import Policy
from regraft.features.labelled import LabelledFeatures
from regraft.methods.base import Phase
from regraft.models.heads import LinearHead
from regraft.options.fit import FitOptions
from regraft.training import loop as loops
from regraft.training.feeds.base import Batches
from regraft.training.feeds.build import Feeds
from regraft.training.logs import Logs
from regraft.training.state import Progress, Settings


@dataclass(frozen=True)
class Side:
    """One of several whose answers are mixed: its ``head`` is on the columns of some ``parts`` of a fusion, by number;
    ``without`` is on all others, mixed as is best without it.
    """

    parts: tuple[int, ...]
    head: LinearHead
    without: LinearHead


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with its head, and a record of how it came about.

    ``logits`` (m, k) are calibrated ones (or numbers, in their unit) of the items with ``labels`` (m,) that were held
    out inside the training part, at the ``positions`` (m,) of its rows; None where there are none. ``chose`` says that
    these items chose the epoch too. Of several networks side by side ``sides`` are those that ``head`` is mixed of.
    """

    network: Pretrained
    head: nn.Module
    record: dict[str, Any]
    logits: NDArray[Any] | None
    labels: NDArray[Any]
    positions: NDArray[np.int64]
    chose: bool = False
    sides: tuple[Side, ...] = ()


@dataclass(frozen=True)
class Initialization:
    """What a training starts from: the network (left as it is; a copy learns), the probe's head on it, and where
    another run's weights were taken, that run's head brought to the classes at hand. ``record`` tells how the probe was
    chosen.
    """

    network: Pretrained
    probe: LinearHead
    record: dict[str, Any]
    warm: LinearHead | None = None


@dataclass(frozen=True)
class TrainingContext:
    """By what options something is trained, and where; checkpoints and logs go to ``folder``."""

    options: FitOptions
    folder: Path
    device: str
    store: RowStore

    @property
    def seed(self) -> int:
        """What decides order, views and halves."""
        return self.options.run.seed

    def with_options(self, **values: Any) -> TrainingContext:
        """The same with other values of options, by name."""
        return replace(self, options=self.options.changed(**values))

    def inside(self, name: str) -> TrainingContext:
        """The same in a folder of its own, which is made."""
        (self.folder / name).mkdir(exist_ok=True)
        return replace(self, folder=self.folder / name)

    def feeds(self, network: Pretrained, policy: Policy, first_trained_block: int = 0) -> Feeds:
        """How items are fed to a learner on ``network`` whose blocks before ``first_trained_block`` are frozen."""
        return Feeds(network, policy, self.seed, self.device, self.store, first_trained_block)

    def train(
        self,
        learner: loops.Trained,
        phases: Sequence[Phase],
        feed: Batches,
        targets: NDArray[Any],
        settings: Settings,
        validate: Callable[[Any], float] | None = None,
        processes: int = 1,
    ) -> tuple[Progress, dict[str, Any]]:
        """Trains ``learner`` in place, see `regraft.training.loop.train`: what happened, and a record of it.

        ``validate`` (lower is better) chooses the epoch; without it the last averaged weights are taken.
        """
        progress = loops.train(
            learner, phases, feed, targets, settings, folder=self.folder / "checkpoints", inner=validate,
            report=Logs(self.folder, bool(self.options.training.tensorboard)), processes=processes,
        )  # fmt: skip
        return progress, {
            "phases": [{k: v for k, v in vars(p).items() if not callable(v) and v is not None} for p in phases],
            "loop": asdict(settings), "bf16": settings.precision == "bf16" or bf16_pays(self.device),
            "left_alone": progress.left_alone,
            "pieces_a_batch": progress.accumulation_steps, "steps": progress.step, "history": progress.history,
        }  # fmt: skip


def changed(base: Pretrained, body: Body, method: str, *, statistics: bool) -> Pretrained:
    """The network ``base`` with the weights of ``body``, frozen; ``statistics`` says whether those of batch
    normalisation were learned anew.
    """
    found = copy.copy(base)
    found.body, found.head, found.source_classes = body.freeze().eval().cpu(), None, ()
    found.recipe, found.files = dict(base.recipe), dict(base.files)
    found.provenance = {k: v for k, v in base.provenance.items() if k != "digest"}
    found.provenance |= {"adapted_by": method, **({"statistics": OWN} if statistics else {})}
    return found


def fingerprint(rows: LabelledFeatures) -> str:
    """Names the items, by their features, and the labels: what a checkpoint must not be resumed without."""
    return hashlib.blake2b(rows.x.tobytes() + rows.targets.tobytes(), digest_size=16).hexdigest()
