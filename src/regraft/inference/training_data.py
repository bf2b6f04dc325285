"""The data that a saved model has learned from, opened again where its fit found it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from regraft.backbones.base import Pretrained
from regraft.core.arrays import subsample
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.open import open_data
from regraft.features.fingerprints import fingerprints
from regraft.models import artefact
from regraft.options.data import HINTS, DataOptions


def opened_again(manifest: dict[str, Any]) -> Dataset:
    """All of what the fit was given; raises ``InputError`` where it is not known or no longer there."""
    settings = manifest["record"].get("settings") or {}
    data = settings.get("data")
    if not isinstance(data, str):
        raise InputError("the model does not say what it has learned from")
    if not data.startswith("embedded:") and not Path(data.partition("#")[0]).expanduser().exists():
        raise InputError(f"{data}, which it has learned from, is not there")
    told = DataOptions(**{k: settings.get(k) for k in (*HINTS, "format")})
    return open_data(data, format=told.format, hints=told.hints())


def learned_items(
    manifest: dict[str, Any], path: str, network: Pretrained, most: int, store: RowStore | None = None
) -> Dataset:
    """At most ``most``, spread over all, of the items that the model at ``path`` has learned from, known again by their
    digests; raises ``InputError`` as `opened_again`, and where none is left.
    """
    known = artefact.learned_by(path)
    if known is None:
        raise InputError("the model does not say what it has learned from")
    whole = opened_again(manifest)
    learned = known.among(whole.items, fingerprints(whole.items, network, store or RowStore())).exact
    some = np.flatnonzero(learned)[subsample(int(learned.sum()), most)]
    if not len(some):
        raise InputError(f"{manifest['record']['settings']['data']} no longer holds what it has learned from")
    return whole.take(some)
