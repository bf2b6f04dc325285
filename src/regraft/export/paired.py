"""Two answers of a detector side by side: which box of one is which of the other."""

from __future__ import annotations

import numpy as np

from regraft.export.base import Arrays


def paired(said: Arrays, wanted: Arrays, least: float, room: float) -> tuple[Arrays, Arrays]:
    """Both with their boxes in one order: of each wanted box, the best first, the nearest of its class that is left;
    then what finds no partner. Left out is what has none where its score is within ``room`` of the ``least`` that is
    told of: whether that is told, rounding decides.
    """
    left, ours, theirs, alone = [*range(len(said["scores"]))], [], [], []
    for at, (box, label) in enumerate(zip(wanted["boxes"], wanted["labels"], strict=True)):
        of_class = [i for i in left if said["labels"][i] == label]
        nearest = min(of_class, key=lambda i: float(np.abs(said["boxes"][i] - box).max()), default=None)
        if nearest is None or not _touch(said["boxes"][nearest], box):
            alone.append(at)
            continue
        left.remove(nearest)
        ours.append(nearest)
        theirs.append(at)
    ours += [i for i in left if said["scores"][i] > least + room]
    theirs += [i for i in alone if wanted["scores"][i] > least + room]
    return {k: v[ours] for k, v in said.items()}, {k: v[theirs] for k, v in wanted.items()}


def _touch(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes share an area."""
    return bool((np.minimum(a[2:], b[2:]) >= np.maximum(a[:2], b[:2])).all())
