"""What the training of a detector is fed: frames with boxes, or stored maps behind its frozen blocks."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.core.boxes import Boxes
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.locks import Lock
from regraft.core.row_store import RowStore
from regraft.core.row_table import Table
from regraft.core.runtime import track
from regraft.data.items import Items
from regraft.models.detectors.base import Batch, Detector
from regraft.training.feeds.base import ALL, order
from regraft.training.feeds.detection_views import Labelled, View

AHEAD = 2


@dataclass(frozen=True)
class FrameBatches:
    """Pictures decoded and augmented anew each epoch, in one of ``frames`` (height, width), drawn for every batch."""

    items: Items
    boxes: Sequence[Boxes]
    view: View
    frames: Sequence[tuple[int, int]]
    seed: int

    def __len__(self) -> int:
        return len(self.items)

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        parts = order(len(self), self.seed, number, size, share)
        drawn = np.random.default_rng([self.seed, number, 2]).integers(len(self.frames), size=len(parts)).tolist()
        work = [(number, p, self.frames[f]) for p, f in zip(parts, drawn, strict=True)][skip:]
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[Batch]] = deque()
            for i in range(len(work) + AHEAD):
                if i < len(work):
                    waiting.append(pool.submit(self._batch, *work[i]))
                if i >= AHEAD:
                    yield waiting.popleft().result(), work[i - AHEAD][1]

    def _batch(self, number: int, positions: NDArray[np.int64], frame: tuple[int, int]) -> Batch:
        x, boxes = zip(*(self.one(number, int(i), frame) for i in positions), strict=True)
        return Batch([torch.stack(x)], *packed(boxes), frame)

    def one(self, number: int, i: int, frame: tuple[int, int]) -> tuple[torch.Tensor, Boxes]:
        """View ``number`` of item ``i``: its frame, and the boxes there."""
        chance = np.random.default_rng([self.seed, number, *self.items.digest(i)[:8]])
        return self.view(number, i, len(self), self._load, frame, chance)

    def _load(self, i: int) -> Labelled:
        try:
            return self.items.load(i), self.boxes[i]
        except UnreadableItem as error:
            raise DataError(f"{self.items.name(i)} could be read before and cannot be now: {error}.") from error


@dataclass(frozen=True)
class MapBatches:
    """The maps behind the frozen blocks of some views, in the rows of a store; epochs take the views in turn.

    ``keys`` hold a row's name by view and item; ``used`` keeps other processes from deleting the table.
    """

    table: Table
    keys: Sequence[Sequence[bytes]]
    maps: int
    frame: tuple[int, int]
    seed: int
    used: Lock

    def __len__(self) -> int:
        return len(self.keys[0])

    def epoch(
        self, number: int, size: int, skip: int, share: tuple[int, int] = ALL
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        keys = self.keys[number % len(self.keys)]
        for positions in order(len(self), self.seed, number, size, share)[skip:]:
            some = [keys[i] for i in positions]
            maps = [torch.from_numpy(self.table.rows(some, f"map{i}")).float() for i in range(self.maps)]
            boxes = torch.from_numpy(self.table.rows(some, "boxes"))
            yield Batch(maps, boxes[..., :4], boxes[..., 4].long(), self.frame), positions


def packed(boxes: Sequence[Boxes], least: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes of n pictures as float (n, g, 4) and labels int64 (n, g), -1 for none; g is ``least`` or more."""
    most = max([least, *map(len, boxes)])
    xyxy, labels = np.zeros((len(boxes), most, 4), np.float32), np.full((len(boxes), most), -1)
    for i, one in enumerate(boxes):
        xyxy[i, : len(one)], labels[i, : len(one)] = one.xyxy, one.labels
    return torch.from_numpy(xyxy), torch.from_numpy(labels)


def stored_maps(
    detector: Detector, first_trained_block: int, feed: FrameBatches, views: int, store: RowStore
) -> MapBatches:
    """Computes, as far as the store lacks them, the maps behind the first ``first_trained_block`` blocks of ``views``
    augmented views of the items of ``feed``, as float16.
    """
    frame, most = feed.frames[0], max(map(len, feed.boxes), default=0)
    table = store.table({
        "network": f"{detector.kind}, maps behind block {first_trained_block}",
        "weights": weights_of(detector, first_trained_block), "frame": frame, "most": most, "view": str(feed.view),
        "torch": torch.__version__,
    })  # fmt: skip
    used = table.in_use()
    keys = [[_key(feed, number, i) for i in range(len(feed))] for number in range(views)]
    table.check(key for some in keys for key in some)
    todo = [(number, i) for number in range(views) for i in range(len(feed)) if keys[number][i] not in table]
    device = next(detector.parameters()).device
    detector.eval()
    with torch.inference_mode():
        maps = len(
            detector.through([torch.zeros(1, 3, *frame, dtype=torch.uint8, device=device)], 0, first_trained_block)
        )
    for start in track(range(0, len(todo), 16), "maps behind the frozen blocks", -(-len(todo) // 16)):
        some = todo[start : start + 16]
        x, boxes = zip(*(feed.one(number, i, frame) for number, i in some), strict=True)
        with torch.inference_mode():
            found = detector.through([torch.stack(x).to(device)], 0, first_trained_block)
        xyxy, labels = packed(boxes, most)
        arrays: dict[str, NDArray[Any]] = {f"map{i}": m.half().cpu().numpy() for i, m in enumerate(found)}
        arrays["boxes"] = torch.cat([xyxy, labels[..., None].float()], 2).numpy()
        table.append([keys[number][i] for number, i in some], arrays)
    store.clean(keep=table.folder)
    return MapBatches(table, keys, maps, frame, feed.seed, used)


def weights_of(detector: Detector, first_trained_block: int) -> str:
    """Names the weights of the first ``first_trained_block`` blocks."""
    h = hashlib.blake2b(digest_size=16)
    for name, block in detector.body.blocks[:first_trained_block]:
        h.update(f"{name}{block}".encode())
        for value in block.state_dict().values():
            h.update(value.cpu().contiguous().numpy().tobytes())
    return h.hexdigest()


def _key(feed: FrameBatches, number: int, i: int) -> bytes:
    """Names one view of one item with its boxes."""
    boxes = feed.boxes[i]
    mark = hashlib.blake2b(f"{feed.seed}/{number}".encode(), digest_size=16)
    for part in (feed.items.digest(i), boxes.xyxy.tobytes(), boxes.labels.tobytes(), boxes.crowd.tobytes()):
        mark.update(part)
    return mark.digest()
