"""What the stages of a fit need of it, after everything was found and before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch
from regraft.data.dataset import Dataset
from regraft.data.splits import Split
from regraft.features.extract import Extracted
from regraft.features.labelled import LabelledFeatures
from regraft.features.runner import Runner
from regraft.models.heads import LinearHead
from regraft.options.fit import FitOptions
from regraft.pipelines.run_folder import RunFolder

if TYPE_CHECKING:
    from regraft.training.trainer import TrainingContext


@dataclass(frozen=True)
class Kept:
    """What the folds of a cross-validation, whose items are the same, need not find again: networks by name, and the
    rows of all items.
    """

    networks: dict[str, Pretrained] = field(default_factory=dict)
    rows: dict[str, Extracted] = field(default_factory=dict)


@dataclass
class FitContext:
    """One fit of one data set, ``names`` its name. ``options`` are those asked for, with what was left open settled;
    ``warm`` is the head of ``--init``, brought to the classes at hand.
    """

    run: RunFolder
    options: FitOptions
    names: str
    split: Split
    network: Pretrained
    warm: LinearHead | None
    runner: Runner
    store: RowStore
    watch: Stopwatch
    search: dict[str, Any] | None = None
    choose: Callable[[Split], Pretrained] | None = None
    """Chooses the network by a part of the training items, where it was not named."""
    kept: Kept = field(default_factory=Kept)
    others: tuple[Dataset, ...] = ()
    """What the network has learned from beside the training part: the items of other tasks."""

    @property
    def seed(self) -> int:
        """What decides halves and folds."""
        return self.options.run.seed

    @property
    def numbers(self) -> bool:
        """Whether the label is a number."""
        return self.split.train.kind.numbers

    @property
    def training(self) -> TrainingContext:
        """The same for what trains, in the run's folder."""
        from regraft.training.trainer import TrainingContext

        return TrainingContext(self.options, self.run.work, self.runner.device, self.store)

    def with_options(self, **values: Any) -> FitContext:
        """The same with other values of options, by name."""
        return replace(self, options=self.options.changed(**values))

    def groups_of(self, rows: LabelledFeatures) -> NDArray[Any] | None:
        """(n,) what no choice by these training rows may tear."""
        return None if self.split.groups is None else self.split.groups[rows.items]
