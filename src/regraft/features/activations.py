"""The frozen first blocks of a network, computed once a picture and view, and kept like features."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Body, Pretrained
from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.data.items import Items
from regraft.data.transforms.policy import Augmented, Policy
from regraft.features.engines.base import make_engine
from regraft.features.extract import extract


def prefix_of(network: Pretrained, first_trained_block: int) -> Pretrained:
    """The first ``first_trained_block`` blocks as a network of its own, whose features are the activations behind them.

    Behind the last block they are pooled.
    """
    blocks = copy.deepcopy(network.body.blocks[:first_trained_block])
    pool = network.body.pool if first_trained_block == len(network.body.blocks) else nn.Identity()
    spec = replace(network.spec, resize=None)  # views come at the network's size
    place = (
        f"before block {first_trained_block}"
        if first_trained_block < len(network.body.blocks)
        else "behind the last block, pooled"
    )
    name = f"{network.name}, activations {place}"
    return Pretrained(name, Body(blocks, pool), None, spec, dict(network.recipe), (), {}, files=dict(network.files))


def activation_views(
    network: Pretrained,
    first_trained_block: int,
    items: Items,
    policy: Policy,
    views: int,
    *,
    seed: int,
    device: str,
    store: RowStore,
) -> list[NDArray[Any]]:
    """The activations (n, ...) of each of ``views`` augmented views of the items, which must all be readable."""
    prefix = prefix_of(network, first_trained_block)
    engine = make_engine(prefix, "torch", device)
    found = []
    for view in range(views):
        augmented = Augmented(items, network.spec, policy, seed, view)
        label = f"frozen blocks, view {view + 1} of {views}"
        made = extract(prefix, augmented, engine, store, label=label)
        for i, why in made.failed.items():
            raise DataError(f"{items.name(i)} could be read before and cannot be now: {why}.")
        found.append(made.rows)
    return found
