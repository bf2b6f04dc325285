"""Which items a fit has learned from, for the model that it saves; and which of those to judge on are among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.data.dataset import Dataset
from regraft.errors import DataError, InputError
from regraft.features.fingerprints import fingerprints
from regraft.features.store import RowStore
from regraft.model import artefact
from regraft.model.learned import Learned
from regraft.types import Problem

KIND = "learned-from"


def learned_from(
    *data: Dataset | None, network: Pretrained | None, settings: dict[str, Any], store: RowStore
) -> Learned | None:
    """All items of ``data`` and those of the run that training started from (``--init``); None where that does not know
    its own.
    """
    own = Learned.of(*(d.items for d in data if d is not None), network=network, store=store)
    if settings["init"] is None:
        return own
    before = artefact.learned_by(settings["init"])
    return None if before is None else before | own


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
    exact, near = known.among(prints, len(data), data.modality)
    count = {"exact": int(exact.sum()), "near": int(near.sum())}
    held = np.flatnonzero(exact | near)
    if not len(held):
        return Judged(data, count, prints.digests, [])
    if unseen and len(held) == len(data):
        raise DataError(f"--unseen: {model} has learned from every item of {data.name}{_besides(count)}, so none is "
                        "left: judge it on others.")  # fmt: skip
    first = data.items.name(int(np.flatnonzero(exact if exact.any() else near)[0]))
    first += f" and {len(held) - 1} more" if len(held) > 1 else ""
    said = Problem(KIND, first, _said(count, len(data), data.modality == "table", unseen))
    if not unseen:
        return Judged(data, count, prints.digests, [said])
    rest = ~(exact | near)
    return Judged(data.take(np.flatnonzero(rest)), count, prints.digests[rest[prints.positions]], [said])


def _besides(count: dict[str, int]) -> str:
    return f" ({count['near']} of them near copies)" if count["near"] else ""


def _said(count: dict[str, int], n: int, rows: bool, unseen: bool) -> str:
    """How many of n items, or rows of a table, are known, and what follows from that."""
    exact, near = count["exact"], count["near"]
    if rows:
        text = f"{exact} of {n} rows hold the values of rows that the model learned from"
        more = "unless they do so by chance, as rows of few coarse columns may, "
    elif exact:
        text = f"{exact} of {n} items {'is' if exact == 1 else 'are'} among those that the model learned from"
        text += f", {near} more {'is a near copy' if near == 1 else 'are near copies'}" if near else ""
        more = ""
    else:
        text = f"{near} of {n} items {'is a near copy' if near == 1 else 'are near copies'} of some that the model "
        text, more = text + "learned from", ""
    return f"{text}: left out" if unseen else f"{text}: {more}the figures are too good; --unseen leaves them out"
