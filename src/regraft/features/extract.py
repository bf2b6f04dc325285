"""From items to stored rows: only what the store does not hold yet is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import UnreadableItem
from regraft.core.row_store import RowStore
from regraft.core.row_table import Filling
from regraft.core.runtime import keep_memory, track
from regraft.data.digests import Keys
from regraft.data.image.decoding import DECODER
from regraft.data.items import Items
from regraft.data.transforms.loaders import batches, load_item
from regraft.features.engines.base import Engine


@dataclass
class Extracted:
    """Rows (m, D) of the items at ``positions`` (m,); ``failed`` maps each other position to the reason.

    ``computed`` is how many forward passes (one an item) were needed.
    """

    rows: NDArray[Any]
    positions: NDArray[np.int64]
    failed: dict[int, str]
    computed: int

    def at(self, items: NDArray[np.int64]) -> Extracted:
        """The rows of some of these ``items`` (k,), all of which could be read; nothing is computed for them."""
        return Extracted(self.rows[np.searchsorted(self.positions, items)], items, {}, 0)


def recipe(network: Pretrained, engine: Engine) -> dict[str, Any]:
    """All that a stored row depends on, besides the item."""
    return {"network": network.name, "digest": network.digest(), "spec": network.spec.to_json(),
            "engine": engine.describe(), "decoder": DECODER}  # fmt: skip


def extract(network: Pretrained, items: Items, engine: Engine, store: RowStore, *, label: str = "") -> Extracted:
    """The pooled features of ``items``, from the store where it has them.

    Memory is bounded by a shard (32 MB) and the batches in flight, besides the rows that are returned. A killed run
    goes on behind its last shard; what another process computes is waited for.
    """
    keep_memory()
    table = store.table(recipe(network, engine))
    keys, filling, computed = Keys(items), Filling(table), 0
    with table.in_use(), closing(keys.shares(table)) as shares:
        for todo in shares:
            if items.modality == "text":  # texts of like length together: less padding
                todo.sort(key=lambda i: _length(items, i), reverse=True)
            for position, row in _forward(network, items, todo, engine, keys.failed, label or network.name):
                filling.add(keys.of[position], {"pooled": row})
            filling.flush()
            computed += len(todo)
        good = keys.stored(table)
        rows = table.rows([keys.of[i] for i in good]) if good else np.zeros((0, network.width), np.float32)
    store.clean(keep=table.folder)
    return Extracted(rows, np.array(good, dtype=np.int64), keys.failed, computed)


def _length(items: Items, i: int) -> int:
    try:
        return len(load_item(items, i))
    except UnreadableItem:  # the loader tells of it
        return 0


def _forward(
    network: Pretrained, items: Items, todo: list[int], engine: Engine, failed: dict[int, str], label: str
) -> Iterator[tuple[int, NDArray[Any]]]:
    count = -(-len(todo) // engine.batch)
    for batch in track(batches(items, todo, network.spec, engine.batch), f"features of {label}", count):
        failed.update(batch.failed)
        if batch.positions:
            rows = engine.run(batch.data)["pooled"]
            yield from zip(batch.positions, rows, strict=False)
