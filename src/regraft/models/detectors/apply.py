"""A detector applied to pictures: boxes, scores and classes of each."""

from __future__ import annotations

from collections.abc import Iterator

from regraft.core.boxes import Found
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.runtime import track
from regraft.data.items import Items
from regraft.models.detectors.base import BATCH, FLOOR, Detector


def stream(detector: Detector, items: Items, floor: float = FLOOR) -> Iterator[tuple[int, Found | str]]:
    """(position, what is found) of each picture in order, or why it cannot be read."""
    for start in track(range(0, len(items), BATCH), "detections", -(-len(items) // BATCH)):
        pictures, answers = {}, dict[int, Found | str]()
        for i in range(start, min(start + BATCH, len(items))):
            try:
                pictures[i] = items.load(i)
            except UnreadableItem as error:
                answers[i] = str(error)
        found = detector.detections(list(pictures.values()), floor=floor)
        answers |= zip(pictures, found, strict=True)
        yield from sorted(answers.items())


def detections(detector: Detector, items: Items, floor: float = FLOOR) -> list[Found]:
    """What is found on each of ``items`` with a score of at least ``floor``; raises ``DataError`` where one cannot be
    read.
    """
    answers = []
    for i, one in stream(detector, items, floor):
        if isinstance(one, str):
            raise DataError(f"{items.name(i)} cannot be used: {one}.")
        answers.append(one)
    return answers
