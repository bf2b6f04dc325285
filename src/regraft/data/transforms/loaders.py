"""From items to the fixed batches that a frozen network is run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError, InputError, RegraftError, UnreadableItem
from regraft.core.parallel import in_order
from regraft.core.types import PreprocessSpec
from regraft.data.image.decoding import fit
from regraft.data.items import Items, PictureFiles

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


def shape_of(items: Items, i: int) -> tuple[int, ...]:
    """The shape of a loaded item; files of pictures are not decoded for it. Raises ``UnreadableItem``."""
    found: tuple[int, ...] = items.shape(i) if isinstance(items, PictureFiles) else load_item(items, i).shape
    return found


def sample_of(items: Items) -> NDArray[Any]:
    """The first item that can be read, among up to a thousand, in the place of a file of a picture an empty picture of
    its shape; raises ``DataError`` where there is none.
    """
    why = "there is no item"
    for i in range(min(len(items), 1000)):
        try:
            if isinstance(items, PictureFiles):
                return np.broadcast_to(np.uint8(0), items.shape(i))
            return load_item(items, i)
        except UnreadableItem as error:
            why = f"{items.name(i)}: {error}"
    raise DataError(f"None of the items can be read ({why}).")


def loader(items: Items, spec: PreprocessSpec) -> Callable[[int], Any]:
    """The function that loads item ``i`` as ``spec`` wants it: an array, or a str for texts."""
    if items.modality != spec.modality:
        raise InputError(f"The network takes {_ONE[spec.modality]} and the data holds {_ONE[items.modality]} an item.")
    if spec.modality == "text":
        return lambda i: load_item(items, i)[: spec.characters or None]
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
    """Yields the items at ``positions`` in batches of ``size``, decoded in threads ``ahead`` batches before use."""
    load = loader(items, spec)

    def one(i: int) -> Any:
        try:
            return load(i)
        except UnreadableItem as error:
            return error

    made = in_order(one, positions, ahead * size)
    try:
        for start in range(0, len(positions), size):
            chunk = positions[start : start + size]
            yield _batch([(int(i), row) for i, row in zip(chunk, made, strict=False)], size)
    finally:
        made.close()


def _batch(loaded: list[tuple[int, Any]], size: int) -> Batch:
    failed = {i: str(row) for i, row in loaded if isinstance(row, UnreadableItem)}
    good = [(i, row) for i, row in loaded if not isinstance(row, UnreadableItem)]
    return Batch([i for i, _ in good], padded([row for _, row in good], size) if good else np.zeros((0,)), failed)


def padded(rows: Sequence[Any], size: int) -> NDArray[Any]:
    """At least one loaded item, and padding to ``size``, as one array."""
    if isinstance(rows[0], str):
        data = np.full(size, "", object)
    else:
        data = np.zeros((size, *rows[0].shape), rows[0].dtype)
    data[: len(rows)] = rows
    return data
