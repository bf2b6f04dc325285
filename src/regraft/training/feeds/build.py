"""What a training is fed: augmented pictures, stored activations, or texts as token numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import pack
from regraft.core.row_store import RowStore
from regraft.data.dataset import Dataset
from regraft.data.transforms.policy import Policy
from regraft.features.activations import activation_views
from regraft.training.feeds.base import Batches
from regraft.training.feeds.features import RowBatches
from regraft.training.feeds.images import PictureBatches
from regraft.training.feeds.tokens import TextBatches, padded

VIEWS, LONG = 4, 0.98
NO_FEATURES = np.zeros((0, 0), np.float32)
"""Where the first block learns, stored features are not looked at."""


@dataclass(frozen=True)
class Feeds:
    """How items are fed to a learner whose blocks before ``first_trained_block`` are frozen: augmented by ``policy`` to
    learn from, plain to be judged. ``features`` are those of the items (n, D), which count where no block learns.
    """

    network: Pretrained
    policy: Policy
    seed: int
    device: str
    store: RowStore
    first_trained_block: int = 0

    def augmented(self, data: Dataset, features: NDArray[Any] = NO_FEATURES) -> Batches:
        """The items in new views each epoch, or in a few stored ones."""
        return self._fed(data, features, self.policy, VIEWS)

    def plain(self, data: Dataset, features: NDArray[Any] = NO_FEATURES) -> Batches:
        """The items as they are."""
        return self._fed(data, features, Policy("none", self.policy.flips), 1)

    def _fed(self, data: Dataset, features: NDArray[Any], policy: Policy, views: int) -> Batches:
        return make_feed(self.network, self.first_trained_block, data, features, policy, seed=self.seed,
                         device=self.device, store=self.store, views=views)  # fmt: skip


def make_feed(
    network: Pretrained,
    first_trained_block: int,
    data: Dataset,
    features: NDArray[Any],
    policy: Policy,
    *,
    seed: int,
    device: str,
    store: RowStore,
    views: int = VIEWS,
) -> Batches:
    """The items of ``data`` as a learner takes them whose blocks before ``first_trained_block`` are frozen.

    Pictures where the first block learns, else the activations at the border, in ``views`` augmented views a picture,
    kept in the store. Texts as token numbers, or where no block learns their ``features`` (n, D).
    """
    if data.modality != "image" and first_trained_block == len(network.body.blocks):
        return RowBatches([features.astype(np.float32)], seed)
    if data.modality == "text":
        return TextBatches(tokens_of(network, data), partial(pack, made_by=network.tokeniser), seed)
    if first_trained_block == 0:
        return PictureBatches(data.items, network.spec, policy, seed)
    stored = activation_views(
        network, first_trained_block, data.items, policy, views, seed=seed, device=device, store=store
    )
    return RowBatches(stored, seed)


def tokens_of(network: Pretrained, data: Dataset) -> list[list[int]]:
    """The token numbers of each text, none longer than nearly all of them are, the special tokens at the end kept."""
    tokens = network.tokeniser.encode([str(data.items.load(i)) for i in range(len(data))])
    usual = padded(max(1, int(np.quantile([len(t) for t in tokens], LONG)))) if tokens else 8
    longest = min(network.spec.tokens // 8 * 8 or usual, usual)
    behind = network.tokeniser.ends[1]
    return [t if len(t) <= longest else [*t[: longest - behind], *t[len(t) - behind :]] for t in tokens]
