"""What follows the features in the graph of a model: as many answers as there are items."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from regraft.data.items import Items
from regraft.export.answers import FoldEnds, answered, port_of
from regraft.export.base import Arrays, Port
from regraft.inference.modules import Answering
from regraft.inference.predictor import Predictor
from regraft.models.model import Model


class Head(Answering):
    """Features (N, D) -> probabilities, or numbers with their quantiles in order and the ends of their interval, (N, K)
    in float32.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.ends = None if model.folds is None else FoldEnds(model)
        self.requires_grad_(False)

    def forward(self, rows: Tensor) -> Tensor:
        """See the class. Nothing is widened: a converted graph would lose the output's name."""
        found = self.said(self.head(rows.to(self.head.mean.dtype))).float()  # type: ignore[arg-type]
        return found if self.ends is None else torch.cat([found, self.ends(rows, found[:, :1])], 1)


def output_of(model: Model) -> Port:
    """`port_of` for any number of items."""
    port = port_of(model)
    return Port(port.name, port.dtype, ("items", *port.shape))


def told(predictor: Predictor, items: Items) -> Iterator[tuple[int, Arrays]]:
    """`answered`, as a graph tells it of one item."""
    for i, said in answered(predictor, items):
        yield i, {name: values[None] for name, values in said.items()}
