"""Models of pictures as one graph: a decoded picture of any size in, probabilities or numbers out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.core.errors import InputError
from regraft.data.image.decoding import Picture, from_array
from regraft.data.items import Items
from regraft.data.transforms.loaders import load_item
from regraft.export.answers import answered, port_of, told_of
from regraft.export.base import Arrays, Exportable, Port
from regraft.export.heads import Head
from regraft.export.resize import Fitted
from regraft.features.encoders.base import Mapped
from regraft.features.fusion import parts_of
from regraft.inference.load import AnyPredictor
from regraft.inference.modules import PictureModule
from regraft.inference.predictor import Predictor
from regraft.models.model import Model

INPUT = Port("picture", "uint8", ("height", "width", 3))


class PictureGraph(nn.Module):
    """Uint8 (height, width, 3) of any size, red first -> (K,) probabilities, or numbers with their quantiles and the
    ends of their interval.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        inner = PictureModule(model).requires_grad_(False)
        self.specs, self.sizes, self.networks, self.head = inner.specs, inner.sizes, inner.networks, Head(model)
        self.fitted = nn.ModuleList(map(Fitted, self.specs))

    def forward(self, picture: Tensor) -> tuple[Tensor]:
        """See the class."""
        given = zip(self.networks, self.fitted, strict=True)
        return self.said(torch.cat([network(fitted(picture))[0].flatten(1) for network, fitted in given], 1))

    def said(self, rows: Tensor) -> tuple[Tensor]:
        """Features (1, D) -> what is answered."""
        return (self.head(rows)[0],)


def exportable(predictor: AnyPredictor, model: str) -> Exportable:
    """What is to be written of a model of pictures; raises ``InputError`` naming the part that cannot be."""
    assert isinstance(predictor, Predictor)
    for part in parts_of(predictor.model.network):
        if isinstance(part, Mapped):
            raise InputError(f"{part.name}, a part of {model}, is no network and cannot be exported: fit with networks "
                             "alone (--backbone).")  # fmt: skip

    def feeds(items: Items) -> Iterator[tuple[Arrays, Arrays]]:
        for i, said in answered(predictor, items):
            yield {INPUT.name: three_channels(load_item(items, i))}, said

    graph = PictureGraph(predictor.model).eval()
    about = {**told_of(predictor), "preprocess": [spec.to_json() for spec in graph.specs]}
    example = torch.zeros(61, 67, 3, dtype=torch.uint8)
    return Exportable("pictures", graph, (INPUT,), (port_of(predictor.model),), (example,), about, feeds)


def three_channels(picture: NDArray[np.generic]) -> Picture:
    """A picture as items hold it, (h, w) or (h, w, 1 or 3) -> uint8 (h, w, 3)."""
    found = from_array(picture)
    found = found[:, :, None] if found.ndim == 2 else found
    return np.ascontiguousarray(np.broadcast_to(found, (*found.shape[:2], 3)))
