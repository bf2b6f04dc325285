"""`Runner`: the rows of items, whatever gives them: one network, several side by side, a map learned from the data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.arrays import stack_columns
from regraft.core.row_store import RowStore
from regraft.core.runtime import track
from regraft.data.items import Items
from regraft.data.transforms.loaders import batches, require_modality
from regraft.features.encoders.base import Mapped
from regraft.features.engines.auto import AutoEngine
from regraft.features.engines.base import Engine, batch_for, make_engine
from regraft.features.extract import Extracted, extract
from regraft.features.fusion import parts_of

CHUNK = 512


class Runner:
    """A network ready to give rows: those of its parts side by side, sparse where one of them is."""

    def __init__(self, network: Pretrained, engine: str = "auto", device: str = "cpu") -> None:
        self.network, self.device = network, device
        self.parts: list[tuple[Pretrained, Engine | None]] = [
            (p, None if isinstance(p, Mapped) else make_engine(p, engine, device)) for p in parts_of(network)
        ]
        self.batch = max(CHUNK if e is None else e.batch for _, e in self.parts)

    @property
    def engine(self) -> str:
        """The name of the engine that runs the networks."""
        return next((str(e.describe()["engine"]) for _, e in self.parts if e is not None), "none")

    def stored(self, items: Items, store: RowStore) -> Extracted:
        """The rows of all items that every part can read, from the store where it has them."""
        self._require(items)
        return _side_by_side([self._one(p, e, items, store) for p, e in self.parts])

    def _require(self, items: Items) -> None:
        """All items on their way into a network pass here; the first of them decide what ``auto`` is."""
        for network, engine in self.parts:
            require_modality(items, network.spec, network.name)
            if isinstance(engine, AutoEngine):
                engine.settle(len(items), partial(_first, network, items))

    def engines(self, items: Items) -> list[tuple[Pretrained, Engine]]:
        """The networks that read the items themselves, ready to do so."""
        self._require(items)
        return [(network, engine) for network, engine in self.parts if engine is not None]

    def _one(self, network: Pretrained, engine: Engine | None, items: Items, store: RowStore) -> Extracted:
        if engine is not None:
            return extract(network, items, engine, store)
        assert isinstance(network, Mapped)
        return Extracted(*network.rows_of(items), 0)

    def stream(self, items: Items, label: str) -> Iterator[Extracted]:
        """Rows computed afresh, batch by batch in the order of the items; positions count from the first item.

        Few items come in a small batch, so that a single one costs a single one.
        """
        self._require(items)
        count = -(-len(items) // self.batch)
        if len(self.parts) == 1 and self.parts[0][1] is not None:
            (network, engine), *_ = self.parts
            work = batches(items, range(len(items)), network.spec, batch_for(len(items), self.batch))
            for batch in track(work, label, count):
                rows = np.zeros((0, network.width), np.float32)
                if batch.positions:
                    rows = engine.run(batch.data)["pooled"][: len(batch.positions)]  # type: ignore[union-attr]
                yield Extracted(rows, np.array(batch.positions, np.int64), batch.failed, len(rows))
            return
        for start in track(range(0, len(items), self.batch), label, count):
            chunk = items.take(np.arange(start, min(start + self.batch, len(items))))
            found = _side_by_side([self._fresh(p, e, chunk) for p, e in self.parts])
            failed = {start + i: why for i, why in found.failed.items()}
            yield Extracted(found.rows, found.positions + start, failed, found.computed)

    def _fresh(self, network: Pretrained, engine: Engine | None, items: Items) -> Extracted:
        if engine is None:
            return self._one(network, engine, items, RowStore())
        rows, positions, failed = [np.zeros((0, network.width), np.float32)], [], {}
        for batch in batches(items, range(len(items)), network.spec, batch_for(len(items), engine.batch)):
            failed.update(batch.failed)
            if batch.positions:
                rows.append(engine.run(batch.data)["pooled"][: len(batch.positions)])
                positions += batch.positions
        return Extracted(np.concatenate(rows[1:] or rows), np.array(positions, np.int64), failed, len(positions))


def _first(network: Pretrained, items: Items, size: int, count: int) -> Iterator[NDArray[Any]]:
    """The first items as a `Sample`; batches of which all can be read."""
    work = batches(items, range(min(size * count, len(items))), network.spec, size)
    yield from (batch.data for batch in work if len(batch.positions) == size)


def _side_by_side(found: list[Extracted]) -> Extracted:
    """The rows of the items that all parts could read."""
    if len(found) == 1:
        return found[0]
    common = reduce(np.intersect1d, [f.positions for f in found])
    blocks = []
    for f in found:
        place = {int(p): i for i, p in enumerate(f.positions)}
        blocks.append(f.rows[np.array([place[int(p)] for p in common], np.int64)])
    failed = {i: why for f in found for i, why in f.failed.items()}
    return Extracted(stack_columns(blocks), common, failed, sum(f.computed for f in found))
