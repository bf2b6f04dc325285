"""What a fit can be carried out on: one data set, a target domain, several domains, several tasks, boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from regraft.core.border import written_by_regraft
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device, say, set_threads
from regraft.options.fit import FitOptions, Meaning, is_auto
from regraft.pipelines import run_folder
from regraft.pipelines.result import FitResult
from regraft.pipelines.validate import check, recorded

STEPS = ("open", "import", "prepare", "audit", "extract", "controls", "fit", "judge", "save")
"""What the seconds of a fit are told by."""


class Line(NamedTuple):
    """How a task of several is carried out: the whole ``fit`` of its data, or the second half of one that was prepared
    (see `regraft.pipelines.fit`).
    """

    fit: Callable[[Any, FitOptions, Any], Any]
    complete: Callable[[Scenario], Any]


class Scenario(ABC):
    """One fit on its way. `regraft.pipelines.fit.carry_out` calls the steps in the order in which they stand here, each
    once; what one of them finds, the later ones take from the object.

    ``options`` are those asked for; what they left open is settled on the way, and is what the run records. ``names``
    are those of the data.
    """

    run: run_folder.RunFolder
    device: str
    store: RowStore

    def __init__(self, options: FitOptions, names: str | list[str], meaning: Meaning) -> None:
        self.options, self.names, self.meaning = options.changed(method=meaning.method), names, meaning
        self.watch = Stopwatch(*STEPS)

    @cached_property
    def path(self) -> Path:
        """The run folder; raises ``InputError`` where one is to be resumed and none is there."""
        run = self.options.run
        return run_folder.folder_for(run.out, self.stem, self.how, run.resume)

    @property
    def stem(self) -> str:
        """The data that the folder is named after where nobody named it."""
        return str(self.names)

    @property
    def how(self) -> str:
        """What follows there."""
        return self.meaning.method

    @property
    def settings(self) -> dict[str, Any]:
        """The options by name as the run keeps them."""
        return recorded(self.options, self.names)

    def check(self) -> None:
        """Raises ``InputError`` naming every option that cannot be meant."""
        check(self.options, self.meaning, self.names)

    def finished(self) -> Any:
        """The result of the run that is to be resumed, where it was done already; else None."""
        if not self.options.run.resume:
            return None
        if is_auto(self.options.network.backbone):
            self.options = self.options.changed(**run_folder.remembered(self.path))
        done = run_folder.finished(self.path, self.settings)
        if not done:
            return None
        say(f"{self.path} is already finished")
        with written_by_regraft(self.path):
            return self.read_result(done)

    def read_result(self, done: dict[str, Any]) -> Any:
        """The result of a run that was done before, from its record."""
        return FitResult.read(done)

    def prepare(self) -> None:
        """What is computed on, with how many threads, and where rows are kept."""
        set_threads(self.options.network.threads)
        self.device, self.store = resolve_device(self.options.network.device), RowStore()

    def early(self) -> AbstractContextManager[None]:
        """Around the steps after which the folder of the run is there at the latest."""
        return nullcontext()

    @abstractmethod
    def split(self) -> None:
        """What to learn from and what to judge on."""

    @abstractmethod
    def load_network(self) -> None:
        """The network that knowledge is taken from."""

    def run_folder(self) -> run_folder.RunFolder:
        """The folder of the run in the making."""
        run = self.options.run
        return run_folder.RunFolder(self.path, self.settings, overwrite=run.overwrite, resume=run.resume)

    def extract(self) -> None:  # noqa: B027 not every scenario does
        """What the frozen network makes of the items, where the scenario takes features."""

    @abstractmethod
    def learn(self) -> None:
        """The model."""

    @abstractmethod
    def evaluate(self) -> None:
        """Its figures on items that it had not seen, beside those of its controls, and what a person can look at."""

    def refit(self) -> None:  # noqa: B027 not every scenario does
        """The same model, learned from all items, where that can be done without training."""

    @abstractmethod
    def save(self) -> None:
        """The artefact, in the folder of the run."""

    @abstractmethod
    def result(self) -> Any:
        """What the fit was and what it reached, a dataclass."""
