"""One pass over files of pictures for all that will be wanted of them, so that each is decoded once.

It runs ahead of the steps that ask: what the audit keeps of a picture and the rows of several networks go into the
store together. The steps find them there; what is missing still they compute, and they tell of what cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import UnreadableItem
from regraft.core.parallel import in_order
from regraft.core.row_store import RowStore
from regraft.core.row_table import Filling, Table
from regraft.core.runtime import keep_memory, track
from regraft.core.types import PreprocessSpec
from regraft.data.audit.facts import looked_at
from regraft.data.audit.measure import AHEAD, RECIPE
from regraft.data.digests import Keys
from regraft.data.image.decoding import Picture, fit
from regraft.data.items import PictureFiles
from regraft.data.transforms.loaders import load_item, padded
from regraft.features.engines.base import Engine
from regraft.features.extract import recipe

Fitted = dict[str, Any]
"""What threads made of a picture: its facts, and the picture fitted to each spec, by ``kind``."""


class _Wanted(Protocol):
    """What goes into one table: ``todo`` are the keys of the pictures that this pass adds to it."""

    kind: str
    table: Table
    todo: set[bytes]

    def take(self, key: bytes, made: Any) -> None: ...

    def end(self) -> None: ...


class _Facts:
    kind = "facts"

    def __init__(self, store: RowStore) -> None:
        self.table, self.todo = store.table(RECIPE), set[bytes]()
        self.filling = Filling(self.table)

    def take(self, key: bytes, made: Any) -> None:
        self.filling.add(key, made)

    def end(self) -> None:
        self.filling.flush()


class _Rows:
    """Pictures gather to batches as `regraft.data.transforms.loaders.batches` gives them."""

    def __init__(self, network: Pretrained, engine: Engine, store: RowStore) -> None:
        self.spec, self.engine = network.spec, engine
        # what a picture is fitted to does not depend on how its values are scaled
        shape = PreprocessSpec(height=self.spec.height, width=self.spec.width, resize=self.spec.resize,
                               interpolation=self.spec.interpolation, colour=self.spec.colour)  # fmt: skip
        self.kind = repr(shape)
        self.table, self.todo = store.table(recipe(network, engine)), set[bytes]()
        self.filling, self.waiting = Filling(self.table), list[tuple[bytes, Picture]]()

    def take(self, key: bytes, made: Any) -> None:
        self.waiting.append((key, made))
        if len(self.waiting) == self.engine.batch:
            self._run()

    def _run(self) -> None:
        if self.waiting:
            rows = self.engine.run(padded([p for _, p in self.waiting], self.engine.batch))["pooled"]
            for (key, _), row in zip(self.waiting, rows, strict=False):
                self.filling.add(key, {"pooled": row})
        self.waiting = []

    def end(self) -> None:
        self._run()
        self.filling.flush()


class _Picture(NamedTuple):
    at: int
    key: bytes
    wanted: tuple[_Wanted, ...]


def one_pass(
    items: PictureFiles, learn: NDArray[np.int64], networks: Sequence[tuple[Pretrained, Engine]], store: RowStore
) -> int:
    """Stores the facts of all ``items`` and the rows of those at ``learn``; returns how many rows it computed.

    Where only one table lacks anything there is nothing to share, and nothing is done. What other processes compute is
    left to them. Memory is bounded by a batch a network, the pictures ahead of it, and a shard a table.
    """
    keep_memory()
    keys = Keys(items)
    every, some = set(keys.of.values()), {keys.of[i] for i in learn.tolist() if i in keys.of}
    tables: list[_Wanted] = [_Facts(store), *(_Rows(n, e, store) for n, e in networks)]
    with ExitStack() as stack:
        for one in tables:
            wanted = every if one.kind == "facts" else some
            stack.enter_context(one.table.in_use())
            one.table.check(wanted)
            one.todo = stack.enter_context(one.table.claim(wanted))
        if sum(bool(one.todo) for one in tables) < 2:
            return 0
        first = {key: i for i, key in reversed(keys.of.items())}
        work = [_Picture(i, key, found) for key, i in sorted(first.items(), key=lambda of: of[1])
                if (found := tuple(one for one in tables if key in one.todo))]  # fmt: skip
        made = stack.enter_context(closing(in_order(lambda p: _made(items, p), work, AHEAD)))
        for picture, ready in zip(work, track(made, "looking at pictures", len(work)), strict=True):
            for one in picture.wanted if ready else ():
                one.take(picture.key, ready[one.kind])
        for one in tables:
            one.end()
    return sum(len(one.todo & {*one.table}) for one in tables[1:])


def _made(items: PictureFiles, picture: _Picture) -> Fitted:
    """What is wanted of one picture; nothing where it cannot be read, which is told by who asks for it."""
    found: Fitted = {}
    try:
        if any(one.kind == "facts" for one in picture.wanted):
            pixels, found["facts"] = looked_at(items, picture.at)
        else:
            pixels = load_item(items, picture.at)
        for one in picture.wanted:
            if isinstance(one, _Rows) and one.kind not in found:
                found[one.kind] = fit(pixels, one.spec)
    except UnreadableItem:
        return {}
    return found
