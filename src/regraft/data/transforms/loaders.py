"""From items to the fixed batches that a frozen network is run on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError, InputError, RegraftError, UnreadableItem
from regraft.core.types import PreprocessSpec
from regraft.data.image.decoding import fit
from regraft.data.items import Items

SMALL_SIDE = 64
"""Pictures of at most so many pixels a side are small."""


@dataclass
class Batch:
    """``data`` has a fixed first axis; its first ``len(positions)`` rows are items, the rest is padding.

    Pictures are uint8 (B, height, width, channels), numeric rows float64 (B, columns), texts str objects (B,), the
    padding "". ``failed`` holds what could not be decoded, position -> why.
    """

    positions: list[int]
    data: NDArray[Any]
    failed: dict[int, str] = field(default_factory=dict)


_ONE = {"image": "an image", "text": "a text", "table": "a row of numbers"}


def require_modality(items: Items, spec: PreprocessSpec, name: str) -> None:
    """Raises ``InputError`` where a network of ``spec`` cannot take such items."""
    if items.modality != spec.modality:
        raise InputError(f"{name} takes {_ONE[spec.modality]} an item, and the data holds {_ONE[items.modality]} an "
                         "item.")  # fmt: skip


def load_item(items: Items, i: int) -> Any:
    """The item, as it is; whatever else but ``UnreadableItem`` its reader raises becomes one."""
    try:
        return items.load(i)
    except RegraftError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableItem(f"it cannot be read: {reason}") from error


def sample_of(items: Items) -> NDArray[Any]:
    """The first item that can be read, among up to a thousand; raises ``DataError`` where there is none."""
    why = "there is no item"
    for i in range(min(len(items), 1000)):
        try:
            return load_item(items, i)
        except UnreadableItem as error:
            why = f"{items.name(i)}: {error}"
    raise DataError(f"None of the items can be read ({why}).")


def loader(items: Items, spec: PreprocessSpec) -> Callable[[int], Any]:
    """The function that loads item ``i`` as ``spec`` wants it: an array, or a str for texts."""
    if items.modality != spec.modality:
        raise InputError(f"The network takes {_ONE[spec.modality]} and the data holds {_ONE[items.modality]} an item.")
    if spec.modality == "text":
        return lambda i: load_item(items, i)
    if spec.modality == "table":
        return lambda i: _row(load_item(items, i), spec.columns)
    return lambda i: fit(load_item(items, i), spec)


def _row(row: Any, columns: int) -> NDArray[np.float64]:
    """A row of numbers as float64; one with a gap is no item that a network could take."""
    if len(row) != columns:
        raise InputError(f"The model takes {columns} columns and the table has {len(row)}.")
    numbers = np.asarray(row, np.float64)
    if not np.isfinite(numbers).all():
        at = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise UnreadableItem(f"its value in column {at} is missing or infinite, and the model knows none to put there")
    return numbers


def batches(
    items: Items, positions: Sequence[int], spec: PreprocessSpec, size: int, *, ahead: int = 2
) -> Iterator[Batch]:
    """Yields the items at ``positions`` in batches of ``size``, decoded in threads ``ahead`` batches before use; a
    single batch without threads.
    """
    load = loader(items, spec)
    chunks = [positions[i : i + size] for i in range(0, len(positions), size)]
    if len(chunks) == 1:
        yield _load_batch(load, chunks[0], size)
        return
    with ThreadPoolExecutor(max_workers=2) as pool:
        queue: deque[Future[Batch]] = deque()
        try:
            for chunk in chunks:
                queue.append(pool.submit(_load_batch, load, chunk, size))
                if len(queue) > ahead:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _load_batch(load: Callable[[int], Any], chunk: Sequence[int], size: int) -> Batch:
    rows, good, failed = [], [], {}
    for i in chunk:
        try:
            rows.append(load(i))
            good.append(int(i))
        except UnreadableItem as error:
            failed[int(i)] = str(error)
    if not rows:
        return Batch([], np.zeros((0,)), failed)
    if isinstance(rows[0], str):
        data = np.full(size, "", object)
    else:
        data = np.zeros((size, *rows[0].shape), rows[0].dtype)
    data[: len(rows)] = rows
    return Batch(good, data, failed)
