"""Which of the items to judge a model on it has learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.features.fingerprints import fingerprints
from regraft.models import artefact


@dataclass(frozen=True)
class Judged:
    """What is judged on; ``learned`` counts the items of the data that the model has learned from: ``exact`` those
    themselves, ``near`` their near copies, None where the model does not know. ``digests`` (m,) are those of the judged
    items that can be read.
    """

    data: Dataset
    learned: dict[str, int] | None
    digests: NDArray[np.uint64]
    problems: list[Problem]


def apart(model: str, network: Pretrained | None, data: Dataset, unseen: bool, store: RowStore) -> Judged:
    """``data`` beside what ``model``, on ``network``, has learned from, which is listed; where ``unseen`` is wanted,
    without those items.

    Raises ``InputError`` where ``unseen`` is wanted and the model does not know them, ``DataError`` where no item is
    left.
    """
    known = artefact.learned_by(model)
    if known is None and unseen:
        raise InputError(
            f"--unseen: {model} does not know what it learned from (it was saved by an older regraft, or began with "
            "--init from such a one): fit it again, or judge it without --unseen on items that you kept apart."
        )
    prints = fingerprints(data.items, network, store)
    if known is None:
        return Judged(data, None, prints.digests, [])
    found = known.among(data.items, prints)
    if not unseen:
        said = found.problems("the figures are too good; --unseen leaves them out")
        return Judged(data, found.counts(), prints.digests, said)
    rest = ~found.either
    if len(data) and not rest.any():
        raise DataError(f"--unseen: the model {model} has learned from every item of {data.name}, or from near copies "
                        "of it, so none is left: judge it on others.")  # fmt: skip
    return Judged(data.take(np.flatnonzero(rest)), found.counts(), prints.digests[rest[prints.positions]],
                  found.problems("they are left out"))  # fmt: skip
