"""What a model has learned from that looks like a picture to it: the training items nearest in features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.image.decoding import Picture
from regraft.data.items import Items
from regraft.data.transforms.loaders import load_item
from regraft.inference.predictor import Predictor
from regraft.inference.training_data import learned_items

NEAREST, MOST = 4, 2000


class Neighbours:
    """The items that the model at ``path`` has learned from, by its features, at most ``MOST`` spread over all.

    They are opened where its fit found them, and known again by their digests. Raises ``InputError`` where that cannot
    be done, with why in words.
    """

    def __init__(self, predictor: Predictor, path: str) -> None:
        store = RowStore()
        self.data = learned_items(predictor.manifest, path, predictor.model.network, MOST, store)
        self.predictor = predictor
        found = predictor.runner.stored(self.data.items, store)
        self.positions, self.rows = found.positions, self._directions(found.rows)

    def _directions(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """(n, D) features as the head sees them, of length 1."""
        head: Any = self.predictor.model.head
        with torch.no_grad():
            scaled = head.scaled(torch.from_numpy(np.asarray(rows)).to(head.mean.dtype)).double().numpy()
        found: NDArray[np.float64] = scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
        return found

    def of(self, items: Items, i: int) -> list[dict[str, Any]]:
        """The ``NEAREST`` to item ``i`` that are not the item itself: ``input``, ``label``, ``similarity`` and the
        ``picture``.
        """
        rows = [f.rows for f in self.predictor.runner.stream(items.take(np.array([i])), "features")]
        alike, found, own = self.rows @ self._directions(rows[0])[0], list[dict[str, Any]](), items.digest(i)
        for j in np.argsort(-alike, kind="stable").tolist():
            at = int(self.positions[j])
            if len(found) == NEAREST:
                break
            if self.data.items.digest(at) != own:
                found.append({"input": self.data.items.name(at), "label": label_of(self.data, at),
                              "similarity": float(alike[j]), "picture": picture_of(self.data, at)})  # fmt: skip
        return found


def label_of(data: Dataset, i: int) -> str:
    """An item's label in words."""
    said = data.kind.in_words(data.y[i], data.classes)
    return "|".join(said) if isinstance(said, list) else f"{said:.6g}" if isinstance(said, float) else str(said)


def picture_of(data: Dataset, i: int) -> Picture:
    """An item's picture."""
    found: Picture = load_item(data.items, i)
    return found
