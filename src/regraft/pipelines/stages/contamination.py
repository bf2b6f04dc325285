"""Which items a fit has learned from, for the model that it saves."""

from __future__ import annotations

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.models import artefact
from regraft.models.learned import Learned


def learned_from(
    *data: Dataset | None, network: Pretrained | None, init: str | None, store: RowStore
) -> Learned | None:
    """All items of ``data`` and those of the run that training started from (``--init``); None where that does not know
    its own.
    """
    own = Learned.of(*(d.items for d in data if d is not None), network=network, store=store)
    if init is None:
        return own
    before = artefact.learned_by(init)
    return None if before is None else before | own
