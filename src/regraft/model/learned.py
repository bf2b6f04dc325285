"""Which items a model has learned from: what it takes to recognise them, and near copies of them, and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.backbones.base import Pretrained
from regraft.data.duplicates import MOST, SIGNATURE, resembling
from regraft.data.items import Items
from regraft.features.fingerprints import Fingerprints, fingerprints
from regraft.features.store import RowStore
from regraft.types import Modality


@dataclass(frozen=True)
class Learned:
    """``digests`` (n,) of all items that were learned from, sorted; ``signatures`` (k, 64) of those that may have near
    copies, at most 20,000. See `regraft.features.fingerprints.Fingerprints`.
    """

    digests: NDArray[np.uint64]
    signatures: NDArray[np.uint8]

    @classmethod
    def of(cls, *items: Items, network: Pretrained | None, store: RowStore) -> Learned:
        """Of items that a model on ``network`` has learned from, with labels or without."""
        found = [fingerprints(some, network, store) for some in items]
        return cls._of([f.digests for f in found], [f.signatures for f in found])

    @classmethod
    def _of(cls, digests: list[NDArray[np.uint64]], signatures: list[NDArray[np.uint8]]) -> Learned:
        some = np.concatenate([np.zeros((0, SIGNATURE), np.uint8), *signatures])
        return cls(np.unique(np.concatenate(digests)), np.unique(some[some.any(1)][:MOST], axis=0))

    def __or__(self, other: Learned) -> Learned:
        """What of two a model has learned from one after the other."""
        return self._of([self.digests, other.digests], [self.signatures, other.signatures])

    def among(self, prints: Fingerprints, n: int, modality: Modality) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(n,) which of n items, whose ``prints`` are given, were learned from, and which others are near copies."""
        exact, near = np.zeros(n, bool), np.zeros(n, bool)
        exact[prints.positions] = np.isin(prints.digests, self.digests)
        near[prints.positions] = resembling(prints.signatures, self.signatures, modality)
        return exact, near & ~exact

    def tensors(self) -> dict[str, Tensor]:
        return {"digests": torch.from_numpy(self.digests.view(np.int64)),
                "signatures": torch.from_numpy(self.signatures)}  # fmt: skip

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> Learned:
        """Of what `tensors` gave."""
        return cls(state["digests"].numpy().view(np.uint64), state["signatures"].numpy())
