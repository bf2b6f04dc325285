"""The facts of an audit, kept like features: a picture is decoded for them once."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import UnreadableItem
from regraft.core.parallel import in_order
from regraft.core.row_store import RowStore
from regraft.core.row_table import Filling, Table
from regraft.core.runtime import track
from regraft.data.audit.duplicates import SMALLEST_SIDE
from regraft.data.audit.facts import THUMB, Facts, facts_of, thumbnail
from regraft.data.digests import Keys
from regraft.data.image.decoding import DECODER, pixel_digest
from regraft.data.items import Items, PictureArray
from regraft.data.text.texts import TextFacts, text_facts

RECIPE = {"network": "audit", "version": 2, "decoder": DECODER}
AHEAD = 64


def facts(items: Items, store: RowStore) -> tuple[Facts | TextFacts, dict[int, str]]:
    """The facts of every picture or text that can be read, and position -> why for the others. Texts are quicker
    looked at again than stored.
    """
    if items.modality == "text":
        return text_facts(items)
    if isinstance(items, PictureArray):
        return _of_array(items), {}
    table = store.table(RECIPE)
    keys, filling = Keys(items), Filling(table)
    with table.in_use(), closing(keys.shares(table)) as shares:
        for todo in shares:
            with closing(in_order(partial(_examined, items), todo, AHEAD)) as examined:
                for i, found in track(examined, "checking pictures", len(todo)):
                    if isinstance(found, str):
                        keys.failed[i] = found
                    else:
                        filling.add(keys.of[i], found)
            filling.flush()
        return _of_table(keys, table), keys.failed


def _of_table(keys: Keys, table: Table) -> Facts:
    good = keys.stored(table)
    order = [keys.of[i] for i in good]
    if not good:
        none = (np.zeros(0, np.uint64), np.zeros((0, THUMB * THUMB), np.uint8), np.zeros((0, 6), np.int32))
        return Facts(np.zeros(0, np.int64), *none)
    pixels = np.ascontiguousarray(table.rows(order, "pixels")).view("<u8").reshape(-1).astype(np.uint64)
    return Facts(np.array(good, np.int64), pixels, table.rows(order, "thumbs"), table.rows(order, "info"))


def _of_array(items: PictureArray) -> Facts:
    """Pictures in memory: cheaper to look at again than to store; small ones need no thumbnail."""
    n = len(items)
    large = n > 0 and min(items.load(0).shape[:2]) > SMALLEST_SIDE
    pixels = np.frombuffer(b"".join(pixel_digest(items.load(i)) for i in range(n)), "<u8").astype(np.uint64)
    thumbs = np.stack([thumbnail(items.load(i)) for i in range(n)]) if large else np.zeros((n, THUMB * THUMB), np.uint8)
    shape = (*items.load(0).shape[:2], 0, 0, 1, 0) if n else (0, 0, 0, 0, 1, 0)
    return Facts(np.arange(n), pixels, thumbs, np.tile(np.array(shape, np.int32), (n, 1)))


def _examined(items: Items, i: int) -> tuple[int, dict[str, NDArray[Any]] | str]:
    try:
        return i, facts_of(items, i)
    except UnreadableItem as error:
        return i, str(error)
