"""Prediction: from items to answers, by an artefact alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError
from regraft.core.runtime import resolve_device
from regraft.core.types import Hints, Problem, Roles
from regraft.data.items import Items
from regraft.data.tabular.cells import Cells
from regraft.features.encoders.table import TableNetwork
from regraft.features.engines.openvino_int8 import engine_of_saved
from regraft.features.extract import Extracted
from regraft.features.fusion import parts_of
from regraft.features.reading import reading_problems
from regraft.features.runner import Runner
from regraft.inference.base import BasePredictor
from regraft.inference.modules import PictureModule, TextModule, module_of
from regraft.models.model import Model


@dataclass
class Answers:
    """Probabilities (m, k), or numbers (m, 1) with their quantiles, of the items at ``positions`` (m,); ``failed`` maps
    other positions to the reason. ``unlike`` (m,) marks those unlike the training data, ``scores`` how much, each (m,);
    None where the model does not know what that looks like.
    """

    positions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    failed: dict[int, str]
    unlike: NDArray[np.bool_] | None = None
    scores: dict[str, NDArray[np.float64]] | None = None


def _runner(model: Model, engine: str, device: str) -> Runner:
    return Runner(model.network, engine_of_saved(parts_of(model.network), engine, device), device)


class Predictor(BasePredictor[Answers]):
    """A model of classes or numbers. ``classes_`` are the class names in the order of the probabilities."""

    USELESS, WHY = ("form", "tiles"), "are for detectors"

    def __init__(self, model: Model, manifest: dict[str, Any], *, engine: str = "auto", device: str = "auto",
                 runner: Runner | None = None) -> None:  # fmt: skip
        self.model = model
        self.manifest = manifest
        self.runner = runner or _runner(model, engine, resolve_device(device))
        self.modality = model.network.spec.modality
        self.hints = Hints(kept=Roles.from_json(manifest["record"].get("columns")))
        self.classes_ = np.array(model.target.classes)

    def stream(self, items: Items, label: str = "predictions", *, familiar: bool = True) -> Iterator[Answers]:
        for found in self.runner.stream(items, label):
            yield self.answers_of(found, familiar=familiar)

    def answers_of(self, found: Extracted, *, familiar: bool = True) -> Answers:
        """The answers of one batch of features; without what is unlike the training data where not ``familiar``."""
        known, answers = self.model.familiar if familiar else None, self.model.probabilities(found.rows)
        if known is None:
            return Answers(found.positions, answers, found.failed)
        scores = known.scores(found.rows)
        return Answers(found.positions, answers, found.failed, known.unlike(scores), scores)

    def failed(self, answers: Answers) -> dict[int, str]:
        return answers.failed

    def oddities(self, items: Items, others: Iterable[str] = ()) -> list[Problem]:
        network, roles = self.model.network, self.hints.kept
        if self.modality == "text":
            return reading_problems(network, [items], "the input")
        if not isinstance(network, TableNetwork) or not isinstance(items, Cells):
            return []
        left = {n: why for n, why in (roles.unused if roles else {}).items() if why and n in {*items.columns, *others}}
        return [*network.oddities(items), *(Problem("left-out", n, f"was left out in training ({why}): it is not read")
                                            for n, why in left.items())]  # fmt: skip

    def answer(self, x: Any) -> Answers:
        """All answers at once; items that cannot be read are in ``failed``."""
        return self.joined(list(self.stream(self.items(x))))

    def joined(self, parts: list[Answers]) -> Answers:
        """The answers of several batches as one."""
        if not parts:
            return Answers(np.zeros(0, np.int64), np.zeros((0, self.model.outputs)), {})
        return Answers(
            np.concatenate([p.positions for p in parts]),
            np.concatenate([p.probabilities for p in parts]),
            {i: why for p in parts for i, why in p.failed.items()},
            None if parts[0].unlike is None else np.concatenate([p.unlike for p in parts if p.unlike is not None]),
            None if parts[0].scores is None else
            {k: np.concatenate([p.scores[k] for p in parts if p.scores]) for k in parts[0].scores},
        )  # fmt: skip

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """(n, k) probabilities; raises ``DataError`` naming the first item that cannot be read."""
        if self.model.numbers:
            raise InputError("The model gives numbers, not probabilities: predict gives them.")
        return self.joined(self.all_of(x, familiar=False)).probabilities

    def predict(self, x: Any) -> NDArray[Any]:
        """(n,) class names; where several may be true, joined by ``|``; or (n,) numbers."""
        return self.said(self.joined(self.all_of(x, familiar=False)).probabilities)

    def said(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """What `Predictor.predict` says of outputs (n, k)."""
        return outputs[:, 0] if self.model.numbers else np.array(self.model.answers(outputs))

    def to_torch(self) -> PictureModule | TextModule:
        """The model as one module of PyTorch on the CPU, preprocessing inside, which needs no run folder. Pictures of
        the network's size (or token numbers) -> probabilities or numbers; its ``answer`` takes decoded pictures of any
        size (or texts). Raises ``InputError`` where features come from no network.
        """
        return module_of(self.model)

    def describe(self, items: Items, answers: Answers) -> list[tuple[int, dict[str, Any]]]:
        """(position, record) of each item, in order: input, label, probabilities, entropy_bits; or input, value, sigma;
        or input, error.

        With a threshold to abstain, ``abstain`` says whether the item should be left to a person; where several classes
        may be true, ``labels`` lists them; ``unlike`` says whether the item is unlike the training data, ``distances``
        by how much; ``empty`` whether a row of a table holds no value at all. With an interval, ``low`` and ``high``
        are its ends.
        """
        model = self.model
        found: dict[int, dict[str, Any]] = {
            i: {"input": items.name(i), "error": why} for i, why in answers.failed.items()
        }
        if model.numbers:
            found |= self._numbers(items, answers)
            return self._flagged(items, found, answers)
        labels, bits = model.answers(answers.probabilities), model.entropy_bits(answers.probabilities)
        below = model.decision.get("abstain_below")
        for i, label, p, h in zip(answers.positions, labels, answers.probabilities, bits, strict=True):
            named = {str(c): float(v) for c, v in zip(self.classes_, p, strict=True)}
            row = {"input": items.name(int(i)), "label": label, "probabilities": named, "entropy_bits": float(h)}
            if model.several:
                row["labels"] = label.split("|") if label else []
            if below is not None:
                row["abstain"] = bool(p.max() < below)
            found[int(i)] = row
        return self._flagged(items, found, answers)

    def _flagged(
        self, items: Items, found: dict[int, dict[str, Any]], answers: Answers
    ) -> list[tuple[int, dict[str, Any]]]:
        if answers.unlike is not None and answers.scores is not None:
            for row, i in enumerate(answers.positions.tolist()):
                found[i]["unlike"] = bool(answers.unlike[row])
                found[i]["distances"] = {k: float(v[row]) for k, v in answers.scores.items()}
        if isinstance(self.model.network, TableNetwork) and isinstance(items, Cells):
            empty = set(self.model.network.empty(items, answers.positions.tolist()))
            for i in answers.positions.tolist():
                found[i]["empty"] = i in empty
        return sorted(found.items())

    def _numbers(self, items: Items, answers: Answers) -> dict[int, dict[str, Any]]:
        model, found = self.model, {}
        ends, asked = model.interval(answers.probabilities), model.decision.get("quantiles", ())
        for row, (i, values) in enumerate(zip(answers.positions.tolist(), answers.probabilities.tolist(), strict=True)):
            found[i] = {"input": items.name(i), "value": values[0], "sigma": model.sigma}
            if ends is not None:
                found[i] |= {"low": float(ends[row, 0]), "high": float(ends[row, 1])}
            if asked:
                found[i]["quantiles"] = {f"{q:g}": v for q, v in zip(asked, values[1 : model.outputs], strict=True)}
        return found
