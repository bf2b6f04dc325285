"""What a person should know about the data before training."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from regraft.data.dataset import Dataset
from regraft.errors import DataError, UnreadableItem
from regraft.runtime import track
from regraft.types import Problem


def class_problems(data: Dataset) -> list[Problem]:
    """Classes too small to learn or judge; what the format noted while reading comes first."""
    found = list(data.problems)
    for name, count in data.class_counts().items():
        if count == 1:
            found.append(Problem("tiny-class", name, "has one example: it is learned from, and cannot be judged"))
        elif count == 0:
            found.append(Problem("empty-class", name, "has no example here"))
    return found


def require_classes(data: Dataset) -> None:
    """Raises ``DataError`` unless two classes or more have an example."""
    present = [name for name, count in data.class_counts().items() if count]
    if len(present) < 2:
        what = f"one class ({present[0]})" if present else "no labelled item"
        raise DataError(f"{data.name} holds {what} to learn from; a classifier needs two classes or more.")


def unreadable(data: Dataset) -> Iterator[Problem]:
    """Decodes every item and yields those that cannot be, in order."""

    def check(i: int) -> Problem | None:
        try:
            data.items.load(i)
        except UnreadableItem as error:
            return Problem("unreadable", data.items.name(i), str(error))
        return None

    with ThreadPoolExecutor(2) as pool:
        for found in track(pool.map(check, range(len(data)), chunksize=64), "reading items", len(data)):
            if found is not None:
                yield found


def share_seen(data: Dataset, seen: np.ndarray) -> float:
    """The share of pictures whose pixels are among ``seen``, sorted uint64 `pixel_digest`s of a pretraining set."""
    from regraft.data.pictures import pixel_digest

    digests = []
    for i in range(len(data)):
        try:
            digests.append(int.from_bytes(pixel_digest(data.items.load(i)), "little"))
        except UnreadableItem:
            continue
    return float(np.isin(np.array(digests, np.uint64), seen).mean()) if digests else 0.0
