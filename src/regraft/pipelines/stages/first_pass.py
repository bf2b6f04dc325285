"""The pass over files of pictures that a fit begins with where its networks are known beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.items import PictureFiles
from regraft.features.network import default_backbone, network_for
from regraft.features.one_pass import one_pass
from regraft.features.runner import Runner
from regraft.options.evaluation import check_controls
from regraft.options.fit import FitOptions, is_auto
from regraft.options.network import parts_in
from regraft.pipelines.stages.controls import network_of
from regraft.pipelines.stages.network import of_run


def first_pass(
    data: Dataset,
    learn: NDArray[np.int64],
    options: FitOptions,
    given: Pretrained | None,
    store: RowStore,
    device: str,
    made: dict[str, Pretrained],
) -> int:
    """Stores what the audit of ``data`` wants, and of the items at ``learn`` the rows of the network of the fit and of
    its controls, each picture decoded once; returns how many rows were computed. ``made`` are networks by name that do
    not depend on the items, those made here among them.

    It may do less than all of it, or nothing: the steps of the fit compute what they miss, and say what is wrong.
    """
    asked, items = options.network, data.items
    if not isinstance(items, PictureFiles) or is_auto(asked.backbone) or not len(learn):
        return 0
    try:
        some = items.take(learn)
        name = asked.backbone or default_backbone(some)
        if given is None and asked.init is not None:
            given = of_run(asked)[1]
        network = given or made.get(name) or network_for(some, name, asked.weights, asked.size, trains=True)
        beside = [n for c in check_controls(options.evaluation.controls) if (n := network_of(c, network)) is not None]
        networks = [network, *(made.get(n) or network_for(some, n, size=None if n == "raw" else asked.size)
                               for n in beside)]  # fmt: skip
        named = zip((*(() if given else (name,)), *beside), networks[given is not None :], strict=True)
        made.update((n, found) for n, found in named if "raw" not in parts_in(n))
        engines = [pair for n in networks for pair in Runner(n, asked.engine, device).engines(some)]
    except InputError:
        return 0
    return one_pass(items, learn, engines, store)
