"""What follows the features of a model, as a part of a graph: head, link, the ends of an interval."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from regraft.data.items import Items
from regraft.export.base import Arrays, Port
from regraft.inference.predictor import Answers, Predictor
from regraft.models.cv_plus import FoldHeads
from regraft.models.model import Model


class Head(nn.Module):
    """Features (N, D) -> probabilities (N, K); or numbers with their quantiles in order (N, 1 + q), and the ends
    (N, 2) of the interval where the model has one; float32.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.head, self.link = copy.deepcopy(model.head).to("cpu").eval(), model.task.link
        asked = model.decision.get("interval")
        self.ends: nn.Module | None = None
        if asked is not None:
            self.ends = Around(asked["radius"]) if model.folds is None else Folds(model.folds, asked["level"])

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        outputs = self.head(rows.to(self.head.mean.dtype))  # type: ignore[arg-type]
        if self.link == "softmax":
            return (outputs.softmax(1).float(),)
        if self.link == "sigmoid":
            return (outputs.sigmoid().float(),)
        values = outputs
        if outputs.shape[1] > 1:
            values = torch.cat([outputs[:, :1], outputs[:, 1:].sort(1).values], 1)
        return (values.float(),) if self.ends is None else (values.float(), self.ends(rows, values[:, :1]).float())


class Around(nn.Module):
    """The interval with one radius for all."""

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, rows: Tensor, values: Tensor) -> Tensor:
        return torch.cat([values - self.radius, values + self.radius], 1)


class Folds(nn.Module):
    """The interval of `regraft.models.cv_plus.FoldHeads`, in float64."""

    centre: Tensor
    weight: Tensor
    bias: Tensor
    fold: Tensor
    missed: Tensor
    share: Tensor

    def __init__(self, folds: FoldHeads, level: float) -> None:
        super().__init__()
        self.level = level
        for name, value in vars(folds).items():
            tensor = torch.from_numpy(value.copy())
            self.register_buffer(name, tensor if name == "fold" else tensor.double())

    def forward(self, rows: Tensor, values: Tensor) -> Tensor:
        each = ((rows.double() - self.centre) @ self.weight + self.bias)[:, self.fold]
        values = values.double()
        low, high = -self._reached(self.missed - each), self._reached(each + self.missed)
        return torch.cat([torch.minimum(low, values), torch.maximum(high, values)], 1)

    def _reached(self, ends: Tensor) -> Tensor:
        """(n, m) -> (n, 1) the first of the sorted ends at which the rows so far count as much as the level."""
        along, order = ends.sort(1)
        before = (self.share[order].cumsum(1) < self.level - 1e-9).sum(1, keepdim=True)
        return along.gather(1, before)


def told(predictor: Predictor, items: Items) -> Iterator[tuple[int, Arrays]]:
    """(position, what the model answers as `Head` gives it: arrays of one row) of each item that can be read, computed
    by PyTorch in float32.
    """
    exact = Predictor(predictor.model, predictor.manifest, engine="torch", device="cpu")
    for some in exact.stream(items, "answers to compare with"):
        for row, i in enumerate(some.positions.tolist()):
            yield i, answered(predictor.model, some, row)


def ports(model: Model) -> tuple[Port, ...]:
    """The outputs of `Head`, a row an item."""
    if not model.numbers:
        return (Port("probabilities", "float32", ("items", model.outputs)),)
    found = (Port("values", "float32", ("items", model.outputs)),)
    return found if "interval" not in model.decision else (*found, Port("interval", "float32", ("items", 2)))


def answered(model: Model, answers: Answers, row: int) -> Arrays:
    """What a model answered of one item, as `Head` gives it: arrays of one row."""
    said = answers.probabilities[row : row + 1]
    if not model.numbers:
        return {"probabilities": said.astype("float32")}
    found: Arrays = {"values": said[:, : model.outputs].astype("float32")}
    ends = model.interval(said)
    return found if ends is None else {**found, "interval": ends.astype("float32")}


def decided(predictor: Predictor) -> dict[str, Any]:
    """What turns outputs into answers, in JSON."""
    model = predictor.model
    return {"task": model.target.task, "target": model.target_name, "classes": [*map(str, model.target.classes)],
            "decision": model.decision}  # fmt: skip
