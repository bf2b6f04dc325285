"""A saved model of several tasks, ready to predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError
from regraft.core.runtime import resolve_device
from regraft.core.types import Problem
from regraft.data.items import Items
from regraft.features.extract import Extracted
from regraft.features.runner import Runner
from regraft.inference.base import BasePredictor
from regraft.inference.modules import PictureModule, TextModule
from regraft.inference.predictor import Answers, Predictor
from regraft.models import artefact
from regraft.models.model import Model


class TaskPredictor(BasePredictor[dict[str, Answers]]):
    """Several tasks on one network: one forward pass an item, an answer for each task. Where the parameters were shared
    softly, each task has a network of its own.
    """

    USELESS, WHY = Predictor.USELESS, Predictor.WHY

    def __init__(self, models: dict[str, Model], manifest: dict[str, Any], *, engine: str = "auto",
                 device: str = "auto") -> None:  # fmt: skip
        self.manifest = manifest
        networks = {name: m.network for name, m in models.items()}
        one = len({id(n) for n in networks.values()}) == 1
        whole = next(iter(networks.values())) if one else artefact.side_by_side(networks)
        runner = Runner(whole, engine, resolve_device(device))
        ends = np.cumsum([0, *(n.width for n in networks.values())])
        self.columns = {name: slice(None) if one else slice(int(a), int(b))
                        for name, (a, b) in zip(networks, pairwise(ends), strict=True)}  # fmt: skip
        self.tasks = {name: Predictor(m, {**manifest, **manifest["tasks"][name]}, runner=runner)
                      for name, m in models.items()}  # fmt: skip
        self.first = next(iter(self.tasks.values()))
        self.runner = runner
        self.modality, self.hints = self.first.modality, self.first.hints
        self.classes_ = {name: p.classes_ for name, p in self.tasks.items()}

    def oddities(self, items: Items, others: Iterable[str] = ()) -> list[Problem]:
        """`Predictor.oddities` of all tasks, each once."""
        return list(dict.fromkeys(p for one in self.tasks.values() for p in one.oddities(items, others)))

    def stream(self, items: Items, label: str = "predictions") -> Iterator[dict[str, Answers]]:
        """Answers by task, batch by batch, in the order of the items."""
        for found in self.runner.stream(items, label):
            yield self.answers_of(found)

    def answers_of(self, found: Extracted) -> dict[str, Answers]:
        """The answers by task of one batch of features."""
        return {name: p.answers_of(replace(found, rows=found.rows[:, self.columns[name]]))
                for name, p in self.tasks.items()}  # fmt: skip

    def failed(self, answers: dict[str, Answers]) -> dict[int, str]:
        return next(iter(answers.values())).failed

    def predict_proba(self, x: Any) -> dict[str, NDArray[np.float64]]:
        """(n, k) probabilities by task; raises ``DataError`` naming the first item that cannot be read."""
        for name, p in self.tasks.items():
            if p.model.numbers:
                raise InputError(f"The task {name} gives numbers, not probabilities: predict gives them.")
        return self._all(x)

    def _all(self, x: Any) -> dict[str, NDArray[np.float64]]:
        parts = self.all_of(x)
        return {name: p.joined([a[name] for a in parts]).probabilities for name, p in self.tasks.items()}

    def predict(self, x: Any) -> dict[str, NDArray[Any]]:
        """(n,) class names, or numbers, by task."""
        found = self._all(x)
        return {name: p.said(found[name]) for name, p in self.tasks.items()}

    def to_torch(self) -> dict[str, PictureModule | TextModule]:
        """A module by task, see `Predictor.to_torch`."""
        return {name: p.to_torch() for name, p in self.tasks.items()}

    def describe(self, items: Items, answers: dict[str, Answers]) -> list[tuple[int, dict[str, Any]]]:
        """(position, record) of each item: input, and by task what `Predictor.describe` says; or input, error."""
        by_task = {name: dict(p.describe(items, answers[name])) for name, p in self.tasks.items()}
        found = []
        for i, row in next(iter(by_task.values())).items():
            record: dict[str, Any] = {"input": row["input"]}
            if "error" in row:
                record["error"] = row["error"]
            else:
                record["tasks"] = {n: {k: v for k, v in rows[i].items() if k != "input"} for n, rows in by_task.items()}
            found.append((i, record))
        return found
