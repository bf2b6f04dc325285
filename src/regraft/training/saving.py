"""What checkpoints may take of a training's time: a share of it, however large the network and slow the disk."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor

from regraft.training import checkpoint

SHARE = 0.05
"""Of the time that a training has taken, all saving together."""
BYTES_A_SECOND = 200e6
"""What a disk is reckoned to take before it was seen."""
TRIED_FROM, TRIED = 64e6, 0.02
"""From how many bytes on it is tried before the first checkpoint, and by what share of them."""


def size(tensors: dict[str, dict[str, Tensor]]) -> int:
    """Bytes."""
    return sum(t.nbytes for table in tensors.values() for t in table.values())


class Saving:
    """How long saving has taken since a training began, and what it will take by what was seen last."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.seconds, self.speed, self.seen = 0.0, BYTES_A_SECOND, False

    def note(self, seconds: float, written: int) -> None:
        """A checkpoint of ``written`` bytes took so long."""
        self.seconds, self.seen = self.seconds + seconds, True
        self.speed = max(written, 1) / max(seconds, 1e-9)

    def affords(self, size: int, anyway: float = 0.0) -> bool:
        """Whether saving ``size`` bytes too leaves all saving its share; or takes no more than ``anyway`` seconds."""
        cost = size / self.speed
        return self.seconds + cost <= SHARE * (time.monotonic() - self.since) or cost <= anyway

    def affords_first(self, size: int, folder: Path, some: dict[str, Tensor]) -> bool:
        """`affords`; where nothing was saved yet and much would be, a part of ``some`` tensors is tried before."""
        if not self.seen and size >= TRIED_FROM and self.affords(size):
            begun = time.monotonic()
            tried = checkpoint.try_disk(folder, some, round(TRIED * size))
            self.note(time.monotonic() - begun, tried)
            self.seen = False
        return self.affords(size)
