"""What follows the features in the graph of a model of texts or rows: as many answers as there are items."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from regraft.data.items import Items
from regraft.export.answers import FoldEnds, answered, port_of
from regraft.export.base import Arrays, Port
from regraft.inference.predictor import Predictor
from regraft.models.model import Model


class Head(nn.Module):
    """Features (N, D) -> probabilities, or numbers with their quantiles in order and the ends of their interval, (N, K)
    in float32.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.head, self.link = copy.deepcopy(model.head).to("cpu").eval().requires_grad_(False), model.task.link
        self.ends = None if model.folds is None else FoldEnds(model)

    def forward(self, rows: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.head(rows.to(self.head.mean.dtype))  # type: ignore[arg-type]
        if self.link == "softmax":
            return found.softmax(1).float()
        if self.link == "sigmoid":
            return found.sigmoid().float()
        if found.shape[1] > 1:
            found = torch.cat([found[:, :1], found[:, 1:].sort(1).values], 1)
        found = found.float()
        return found if self.ends is None else torch.cat([found, self.ends(rows, found[:, :1])], 1)


def output_of(model: Model) -> Port:
    """`port_of` for any number of items."""
    port = port_of(model)
    return Port(port.name, port.dtype, ("items", *port.shape))


def told(predictor: Predictor, items: Items) -> Iterator[tuple[int, Arrays]]:
    """`answered`, as a graph tells it of one item."""
    for i, said in answered(predictor, items):
        yield i, {name: values[None] for name, values in said.items()}
