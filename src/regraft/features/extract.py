"""From items to stored rows: only what the store does not hold yet is computed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.data.items import Items
from regraft.data.loaders import batches
from regraft.errors import UnreadableItem
from regraft.features.engines import Engine
from regraft.features.store import RowStore, Table
from regraft.runtime import track

SHARD_BYTES, SHARD_SECONDS = 32 << 20, 20


@dataclass
class Extracted:
    """Rows (m, D) of the items at ``positions`` (m,); ``failed`` maps each other position to the reason.

    ``computed`` is how many forward passes (one an item) were needed.
    """

    rows: NDArray[Any]
    positions: NDArray[np.int64]
    failed: dict[int, str]
    computed: int


def recipe(network: Pretrained, engine: Engine) -> dict[str, Any]:
    """All that a stored row depends on, besides the item."""
    return {"network": network.name, "digest": network.digest(), "spec": network.spec.to_json(),
            "engine": engine.describe(), "decoder": f"pillow {PIL.__version__}"}  # fmt: skip


def extract(network: Pretrained, items: Items, engine: Engine, store: RowStore, *, label: str = "") -> Extracted:
    """The pooled features of ``items``, from the store where it has them.

    Memory is bounded by a shard (32 MB) and the batches in flight, besides the rows that are returned.
    """
    table = store.table(recipe(network, engine))
    keys, failed = _digests(items)
    todo = _first_of_each(keys, table)
    pending: list[tuple[bytes, NDArray[Any]]] = []
    flushed = time.monotonic()
    for position, row in _forward(network, items, todo, engine, failed, label or network.name):
        pending.append((keys[position], row))
        if len(pending) * row.nbytes >= SHARD_BYTES or time.monotonic() - flushed > SHARD_SECONDS:
            _flush(table, pending)
            flushed = time.monotonic()
    _flush(table, pending)
    store.clean(keep=table.folder)
    good = [i for i, key in keys.items() if key in table]
    # equal items share a row, so one that failed has failed for all its copies
    why = {keys[i]: text for i, text in failed.items() if i in keys}
    failed.update({i: why.get(key, "its row could not be stored") for i, key in keys.items() if key not in table})
    rows = table.rows([keys[i] for i in good]) if good else np.zeros((0, network.width), np.float32)
    return Extracted(rows, np.array(good, dtype=np.int64), failed, len(todo))


def _digests(items: Items) -> tuple[dict[int, bytes], dict[int, str]]:
    keys, failed = {}, {}
    for i in range(len(items)):
        try:
            keys[i] = items.digest(i)
        except UnreadableItem as error:
            failed[i] = str(error)
    return keys, failed


def _first_of_each(keys: dict[int, bytes], table: Table) -> list[int]:
    first: dict[bytes, int] = {}
    for i, key in keys.items():
        if key not in table:
            first.setdefault(key, i)
    return list(first.values())


def _forward(
    network: Pretrained, items: Items, todo: list[int], engine: Engine, failed: dict[int, str], label: str
) -> Iterator[tuple[int, NDArray[Any]]]:
    count = -(-len(todo) // engine.batch)
    for batch in track(batches(items, todo, network.spec, engine.batch), f"features of {label}", count):
        failed.update(batch.failed)
        if batch.positions:
            rows = engine.run(batch.data)["pooled"]
            yield from zip(batch.positions, rows, strict=False)


def _flush(table: Table, pending: list[tuple[bytes, NDArray[Any]]]) -> None:
    if pending:
        table.append([k for k, _ in pending], {"pooled": np.stack([r for _, r in pending])})
        pending.clear()
