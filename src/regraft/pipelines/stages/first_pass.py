"""The pass over files of pictures that a fit begins with where its networks are known beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.items import PictureFiles
from regraft.features.network import network_for
from regraft.features.one_pass import one_pass
from regraft.features.runner import Runner
from regraft.options.fit import FitOptions, is_auto
from regraft.pipelines.stages.controls import check_controls, network_of


def first_pass(
    data: Dataset, learn: NDArray[np.int64], options: FitOptions, given: Pretrained | None, store: RowStore, device: str
) -> int:
    """Stores what the audit of ``data`` wants, and of the items at ``learn`` the rows of the network of the fit and of
    its controls, each picture decoded once; returns how many rows were computed.

    It may do less than all of it, or nothing: the steps of the fit compute what they miss, and say what is wrong.
    """
    asked, items = options.network, data.items
    if not isinstance(items, PictureFiles) or asked.init is not None or is_auto(asked.backbone) or not len(learn):
        return 0
    try:
        some = items.take(learn)
        network = given or network_for(some, asked.backbone, asked.weights, asked.size, trains=True)
        beside = [network_of(c, network) for c in check_controls(options.evaluation.controls)]
        networks = [network, *(network_for(some, n, size=None if n == "raw" else asked.size) for n in beside if n)]
        engines = [pair for n in networks for pair in Runner(n, asked.engine, device).engines(some)]
    except InputError:
        return 0
    return one_pass(items, learn, engines, store)
