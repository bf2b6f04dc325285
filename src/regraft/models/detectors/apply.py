"""A detector applied to pictures: threads decode them and bring them into its frame, an engine runs the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.core.boxes import Found
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.parallel import in_order
from regraft.core.runtime import keep_memory, track
from regraft.data.image.decoding import Picture
from regraft.data.image.tiling import merged, tiles
from regraft.data.items import Items
from regraft.data.transforms.loaders import padded, shape_of
from regraft.data.writers.detections import Answer
from regraft.features.engines.auto import AutoEngine, Sample
from regraft.features.engines.base import Engine, batch_for, make_engine, require
from regraft.models.detectors.base import BATCH, FLOOR, Detector, outside
from regraft.models.detectors.bn_folding import folded
from regraft.models.detectors.frozen import FrozenDetector
from regraft.models.detectors.letterbox import brought

CHUNK, LOOKED_AT = 4 * BATCH, 16
"""How many pictures are sorted by their frames at once, and after how many it is known which frame most have."""

Named = tuple[str, Picture | str]
"""The name of a picture, and the picture or why there is none."""

Frame = tuple[int, int]


class Framed(NamedTuple):
    """A picture of ``shape`` (height, width) as ``pixels`` uint8 of a frame, and by how much the edges of its boxes
    (4,) were enlarged; or ``error``, why there is none. ``picture`` is there where it is wanted later.
    """

    name: str
    shape: tuple[int, int]
    pixels: NDArray[np.uint8]
    ratios: NDArray[np.float64]
    picture: Picture | None = None
    error: str = ""


class DetectorRunner:
    """A detector ready to find boxes: a copy with its batch normalisation folded, an engine for each frame."""

    def __init__(self, detector: Detector, engine: str = "auto", device: str = "cpu") -> None:
        require(engine, device)
        self.detector = folded(detector).to(device)
        self.asked, self.device = engine, device
        self._engines: dict[Frame, Engine] = {}

    @property
    def engine(self) -> str:
        """The name of the engine that runs the frame most pictures have."""
        first = next(iter(self._engines), self.detector.frame)
        return str(self._of(first).describe()["engine"])

    def _of(self, frame: Frame, count: int = 0, sample: Sample = lambda size, count: ()) -> Engine:
        if frame not in self._engines:
            engine = make_engine(FrozenDetector(self.detector, frame), self.asked, self.device)
            if isinstance(engine, AutoEngine):
                engine.settle(count, sample)
            self._engines[frame] = engine
        return self._engines[frame]

    def settle(self, items: Items) -> None:
        """Lets ``auto`` choose, on the first pictures of the frame that most of the first have; another frame goes by
        what was found for it before.
        """
        if self.asked != "auto" or self._engines:
            return
        frames = Counter(self._frame_at(items, i) for i in range(min(len(items), LOOKED_AT)))
        frame = max(frames, key=lambda f: (f is not None, frames[f]), default=None) or self.detector.frame

        def sample(size: int, count: int) -> Iterator[NDArray[np.uint8]]:
            wanted = iter([p for p in self.framed(items.take(np.arange(min(2 * size * count, len(items)))))
                           if p.pixels.shape[:2] == frame])  # fmt: skip
            while len(some := [p.pixels for p in islice(wanted, size)]) == size and (count := count - 1) >= 0:
                yield np.stack(some)

        self._of(frame, len(items), sample)

    def _frame_at(self, items: Items, i: int) -> Frame | None:
        try:
            return self.detector.frame_of(*shape_of(items, i)[:2])
        except UnreadableItem:
            return None

    def framed(self, items: Items, keep: bool = False) -> Iterator[Framed]:
        """Each of ``items`` in its frame, in their order, made by threads some ahead; ``keep`` the pictures too."""
        return in_order(lambda i: self.in_frame(*loaded(items, i), keep), range(len(items)), BATCH if keep else CHUNK)

    def in_frame(self, name: str, picture: Picture | str, keep: bool = False) -> Framed:
        """One picture brought into its frame."""
        if isinstance(picture, str):
            return Framed(name, (0, 0), np.zeros((0, 0, 3), np.uint8), np.ones(4), error=picture)
        shape = (picture.shape[0], picture.shape[1])
        made = brought(picture, self.detector.frame_of(*shape), self.detector.stretches)
        return Framed(name, shape, *made, picture if keep else None)

    def answers(self, pictures: Iterable[Framed], floor: float = FLOOR) -> Iterator[Answer]:
        """What is found on each picture, in their order; few are held at a time."""
        keep_memory()
        waiting = iter(pictures)
        while some := list(islice(waiting, CHUNK)):
            found = self.found(some, floor)
            yield from (Answer(p.name, p.shape[1], p.shape[0], f, p.picture, p.error)
                        for p, f in zip(some, found, strict=True))  # fmt: skip

    def found(self, pictures: Sequence[Framed], floor: float = FLOOR) -> list[Found]:
        """What is found on each of some pictures, run together where they have one frame."""
        answers = [Found.none()] * len(pictures)
        frames = [p.pixels.shape[:2] for p in pictures]
        for frame in dict.fromkeys(f for f, p in zip(frames, pictures, strict=True) if not p.error):
            chosen = [i for i, f in enumerate(frames) if f == frame]
            engine = self._of((frame[0], frame[1]))
            for start in range(0, len(chosen), engine.batch):
                some = chosen[start : start + engine.batch]
                rows = engine.run(padded([pictures[i].pixels for i in some], batch_for(len(some), engine.batch)))
                for i, answer in zip(some, self._decoded(rows, [pictures[i] for i in some], floor), strict=True):
                    answers[i] = answer
        return answers

    @torch.inference_mode()
    def _decoded(
        self, rows: dict[str, NDArray[np.floating]], pictures: Sequence[Framed], floor: float
    ) -> Iterator[Found]:
        height, width = pictures[0].pixels.shape[:2]
        outputs = [torch.from_numpy(rows[name][: len(pictures)]).to(self.device) for name in self.detector.outputs]
        for one, p in zip(self.detector.decoded(outputs, (height, width), floor), pictures, strict=True):
            yield outside(one, p.ratios, *p.shape)

    def tiled(self, name: str, picture: Picture | str, size: int, floor: float = FLOOR) -> Answer:
        """What is found on one picture that is looked at in overlapping tiles of at most ``size`` pixels a side."""
        if isinstance(picture, str):
            return Answer(name, 0, 0, Found.none(), error=picture)
        parts = tiles(picture, size)
        found = self.found([self.in_frame(name, t.picture) for t in parts], floor)
        width, height = picture.shape[1], picture.shape[0]
        return Answer(name, width, height, merged(parts, found, width, height), picture)

    def stream(self, items: Items, floor: float = FLOOR, label: str = "detections") -> Iterator[dict[int, Answer]]:
        """What is found on each picture by its position, some at a time in their order; the pictures are let go."""
        self.settle(items)
        answers = enumerate(self.answers(self.framed(items), floor))
        for _ in track(range(0, len(items), CHUNK), label, -(-len(items) // CHUNK)):
            yield dict(islice(answers, CHUNK))

    def detections(self, items: Items, floor: float = FLOOR) -> list[Found]:
        """What is found on each of ``items`` with a score of at least ``floor``; raises ``DataError`` where one cannot
        be read.
        """
        found = []
        for answer in (one for some in self.stream(items, floor) for one in some.values()):
            if answer.error:
                raise DataError(f"{answer.name} cannot be used: {answer.error}.")
            found.append(answer.found)
        return found


def loaded(items: Items, i: int) -> Named:
    """One of ``items`` to be looked at."""
    try:
        return items.name(i), items.load(i)
    except UnreadableItem as error:
        return items.name(i), str(error)
