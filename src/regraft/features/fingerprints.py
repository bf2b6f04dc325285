"""What items are recognised by when they come again, to the bit or nearly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.data.audit.duplicates import SIGNATURE, picture_signatures
from regraft.data.audit.facts import Facts
from regraft.data.audit.measure import facts
from regraft.data.items import Items
from regraft.data.text.texts import text_prints
from regraft.features.encoders.table import row_prints


class Fingerprints(NamedTuple):
    """Of the m items that can be read, at ``positions`` (m,): ``digests`` (m,) uint64 of the pixels, of the normalised
    texts, or of the cells of a row; ``signatures`` (m, 64) uint8, which those of near copies resemble (see
    `regraft.data.audit.duplicates.resembling`), zero for items that have none.
    """

    positions: NDArray[np.int64]
    digests: NDArray[np.uint64]
    signatures: NDArray[np.uint8]


def fingerprints(items: Items, network: Pretrained | None, store: RowStore) -> Fingerprints:
    """The fingerprints of ``items``. Rows of a table are those of what ``network`` reads of them, and have no near
    copies.
    """
    if items.modality == "table":
        positions, digests = row_prints(items, network)
        return Fingerprints(positions, digests, np.zeros((len(digests), SIGNATURE), np.uint8))
    if items.modality == "text":
        return Fingerprints(*text_prints(items))
    found, _ = facts(items, store)
    assert isinstance(found, Facts)
    return Fingerprints(found.positions, found.pixels, picture_signatures(found))
