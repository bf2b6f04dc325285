"""A detector applied to pictures: boxes, scores and classes of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from regraft.core.boxes import Found
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.runtime import track
from regraft.data.image.decoding import Picture
from regraft.data.image.tiling import merged, tiles
from regraft.data.items import Items
from regraft.data.writers.detections import Answer
from regraft.models.detectors.base import BATCH, FLOOR, Detector

Named = tuple[str, Picture | str]
"""The name of a picture, and the picture or why there is none."""


def loaded(items: Items, i: int) -> Named:
    """One of ``items`` to be looked at."""
    try:
        return items.name(i), items.load(i)
    except UnreadableItem as error:
        return items.name(i), str(error)


def answered(detector: Detector, some: list[Named], floor: float = FLOOR, size: int | None = None) -> list[Answer]:
    """What is found on each of ``some`` pictures, looked at together, or with ``size`` in overlapping tiles of at most
    so many pixels a side.
    """
    pictures = [p for _, p in some if not isinstance(p, str)]
    if size is None:
        found = iter(detector.detections(pictures, floor=floor))
    else:
        found = (_tiled(detector, p, floor, size) for p in pictures)
    return [Answer(name, 0, 0, Found.none(), None, p) if isinstance(p, str)
            else Answer(name, p.shape[1], p.shape[0], next(found), p) for name, p in some]  # fmt: skip


def _tiled(detector: Detector, picture: Picture, floor: float, size: int) -> Found:
    parts = tiles(picture, size)
    found = detector.detections([t.picture for t in parts], floor=floor)
    return merged(parts, found, picture.shape[1], picture.shape[0])


def stream(
    detector: Detector, items: Items, floor: float = FLOOR, label: str = "detections"
) -> Iterator[dict[int, Answer]]:
    """What is found on each picture by its position, batch by batch in their order; the pictures are let go."""
    for start in track(range(0, len(items), BATCH), label, -(-len(items) // BATCH)):
        places = range(start, min(start + BATCH, len(items)))
        answers = answered(detector, [loaded(items, i) for i in places], floor)
        yield {i: replace(one, picture=None) for i, one in zip(places, answers, strict=True)}


def detections(detector: Detector, items: Items, floor: float = FLOOR) -> list[Found]:
    """What is found on each of ``items`` with a score of at least ``floor``; raises ``DataError`` where one cannot be
    read.
    """
    found = []
    for answer in (one for some in stream(detector, items, floor) for one in some.values()):
        if answer.error:
            raise DataError(f"{answer.name} cannot be used: {answer.error}.")
        found.append(answer.found)
    return found
