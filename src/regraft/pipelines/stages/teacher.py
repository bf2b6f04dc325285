"""The teacher of a distillation: a saved model, and data as it reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.types import Hints
from regraft.data.dataset import Dataset
from regraft.data.frames import is_frame
from regraft.data.items import Items
from regraft.data.open import name_of
from regraft.data.relabel import relabel
from regraft.data.unlabelled import open_unlabelled
from regraft.features.runner import Runner
from regraft.inference.evaluation import opened_for
from regraft.inference.load import load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.models import artefact
from regraft.models.learned import Learned
from regraft.models.model import Model
from regraft.options.base import TASK_WORDS
from regraft.options.data import DataOptions


@dataclass(frozen=True)
class Teacher:
    """The model of the run or artefact ``path``, ready to answer; ``learned`` are the items that it has learned from,
    None where it does not know them all.
    """

    path: str
    predictor: Predictor
    learned: Learned | None

    @classmethod
    def load(cls, path: str, engine: str, device: str) -> Teacher:
        """Raises ``InputError`` where it does not tell one class an item, of pictures or texts."""
        found = load_any(path, engine=engine, device=device)
        if isinstance(found, TaskPredictor):
            raise artefact.unnamed(path, found.tasks)
        if not isinstance(found, Predictor):
            raise InputError(f"{path} is a detector; a teacher tells one class an item.")
        if found.model.task.link != "softmax":
            what = TASK_WORDS[found.model.target.task]
            raise InputError(f"{path} is for {what}; a teacher tells one class an item: its probabilities are what is "
                             "learned.")  # fmt: skip
        if found.modality == "table":
            raise InputError(f"{path} is a model of a table's rows; a teacher is one of pictures or texts, which a "
                             "smaller network can read.")  # fmt: skip
        return cls(path, found, artefact.learned_by(path))

    @property
    def model(self) -> Model:
        """What answers."""
        return self.predictor.model

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes, in the order of its probabilities."""
        return self.model.target.classes

    @property
    def runner(self) -> Runner:
        """What gives it the rows of items."""
        return self.predictor.runner

    def answers(self, items: Items, store: RowStore) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Probabilities (m, k) of the items that can be read, and their positions (m,); rows are kept in ``store``."""
        if not len(items):
            return np.zeros((0, len(self.classes))), np.zeros(0, np.int64)
        found = self.runner.stored(items, store)
        return self.model.probabilities(found.rows), found.positions

    def labelled(self, data: Any, told: DataOptions) -> Dataset:
        """Labelled data in the teacher's classes, all parts of it. Raises ``DataError`` where it has others."""
        whole = opened_for(self.predictor, data, told.format, _hints(told, label=told.label, group=told.group))
        if whole.target.task != self.model.target.task:
            raise DataError(f"{whole.name} is for {TASK_WORDS[whole.target.task]}, and the teacher {self.path} for one "
                            "class an item.")  # fmt: skip
        return relabel(self._of_its_kind(whole), self.classes)

    def unlabelled(self, data: Any, told: DataOptions) -> Dataset:
        """The items of ``data`` (of its part train, where it has one) without labels. Raises ``InputError`` where there
        are none, or none that the teacher can read.
        """
        found = self._items(data, told)
        if not len(found):
            raise InputError(f"--unlabelled {found.name} holds no items: there is nothing for the teacher to answer.")
        return self._of_its_kind(found)

    def _items(self, data: Any, told: DataOptions) -> Dataset:
        if not (isinstance(data, str | PurePath | Dataset) or is_frame(data)):
            return self.without_labels(name_of(data), self.predictor.items(data))
        hints = _hints(told, kept=self.predictor.hints.kept)
        read = partial(opened_for, self.predictor, format=told.format)
        whole = open_unlabelled(data, self.predictor.modality, hints, read)
        whole = whole.part("train") if "train" in whole.part_names else whole
        return self.without_labels(whole.name, whole.items, problems=whole.problems, roles=whole.roles)

    def without_labels(self, name: str, items: Items, **more: Any) -> Dataset:
        """Items as data of the teacher's task, none with a label."""
        more = {"format": "items"} | more | {"roles": more.get("roles") or self.predictor.hints.kept}
        none, target = np.full(len(items), -1), self.model.target_name
        return Dataset(name, items, {target: self.model.target}, {target: none}, np.full(len(items), ""), **more)

    def _of_its_kind(self, data: Dataset) -> Dataset:
        if data.modality != self.predictor.modality:
            raise InputError(f"{data.name} holds {data.modality} items, and the teacher {self.path} reads "
                             f"{self.predictor.modality} items.")  # fmt: skip
        return data


def _hints(told: DataOptions, **more: Any) -> Hints:
    return Hints(text=told.text, image=told.image, encoding=told.encoding, **more)
