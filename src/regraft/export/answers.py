"""What an exported model of classes or numbers says, whatever its items are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regraft.core.errors import InputError
from regraft.data.items import Items
from regraft.export.base import Arrays, Port
from regraft.inference.predictor import Predictor
from regraft.models.model import Model


def port_of(model: Model) -> Port:
    """The output: ``probabilities``, one a class; or ``numbers``: the value, its quantiles, the ends of an interval
    that `folds` give.
    """
    if not model.numbers:
        return Port("probabilities", "float32", (model.outputs,))
    return Port("numbers", "float32", (model.outputs + (0 if model.folds is None else 2),))


def told_of(predictor: Predictor) -> dict[str, Any]:
    """What the stand-alone script has to know of the answers, and what names the model."""
    model, manifest = predictor.model, predictor.manifest
    decision = dict(model.decision)
    if model.folds is not None:
        decision["interval"] = {**decision["interval"], "by": "output"}
    sigma = decision.get("sigma", 1.0)
    if model.numbers and not isinstance(sigma, int | float):
        raise InputError("The model keeps a sigma for each item that it was judged on, which no other item has: "
                         "export the model of a fit without --folds.")  # fmt: skip
    return {"task": model.target.task, "target": model.target_name, "classes": list(model.target.classes),
            "link": model.task.link, "decision": decision, "network": model.network.name,
            "digests": manifest["files"], "created": manifest["created"],
            "units": {"numbers": sigma} if model.numbers else {}}  # fmt: skip


def answered(predictor: Predictor, items: Items) -> Iterator[tuple[int, Arrays]]:
    """(position, what the artefact itself answers under the name of the output) of each item that can be read."""
    name = port_of(predictor.model).name
    for found in predictor.stream(items, "the artefact's answers"):
        for i, said in zip(found.positions.tolist(), found.probabilities, strict=True):
            yield i, {name: said.astype(np.float32)}


class FoldEnds(nn.Module):
    """The ends of CV+ intervals (`regraft.models.cv_plus.FoldHeads.ends`) in a graph: features (N, D) and the values
    (N, 1) given for them -> (N, 2).
    """

    fold: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        folds, level = model.folds, float(model.decision["interval"]["level"])
        assert folds is not None
        for name in ("centre", "weight", "bias", "missed"):
            self.register_buffer(name, torch.from_numpy(np.array(getattr(folds, name), np.float32)))
        self.register_buffer("fold", torch.from_numpy(np.array(folds.fold, np.int64)))
        # in shares of the smallest: where all are equal these are whole numbers, which float32 adds up exactly
        shares = folds.share / folds.share.min()
        wanted = (level - 1e-9) / float(folds.share.min())
        equal = bool(np.allclose(shares, 1, rtol=1e-9))
        self.wanted = math.ceil(wanted) - 0.5 if equal else wanted * (1 - 1e-6)
        self.register_buffer("share", torch.from_numpy(np.round(shares) if equal else shares).float())

    def forward(self, rows: Tensor, values: Tensor) -> Tensor:
        """See the class."""
        each = ((rows.float() - self.centre) @ self.weight + self.bias)[:, self.fold]  # type: ignore[operator]
        low, high = -self._first(self.missed - each), self._first(each + self.missed)  # type: ignore[operator]
        return torch.cat([torch.minimum(low, values), torch.maximum(high, values)], 1)

    def _first(self, ends: Tensor) -> Tensor:
        """(N, 1) the first of the sorted ends at which the rows so far count as much as the level."""
        along, order = ends.sort(1)
        place = (self.share[order].cumsum(1) < self.wanted).sum(1, keepdim=True)  # type: ignore[index]
        return along.gather(1, place)
