"""Which items a model has learned from: what it takes to recognise them, and near copies of them, and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.audit.duplicates import MOST, SIGNATURE, resembling
from regraft.data.items import Items
from regraft.features.fingerprints import Fingerprints, fingerprints

KIND = "learned-from"


@dataclass(frozen=True)
class Known:
    """Which of the n ``items`` to judge on a model has learned from, ``exact`` (n,), and which others are ``near``
    copies (n,) of such.
    """

    items: Items
    exact: NDArray[np.bool_]
    near: NDArray[np.bool_]

    @property
    def either(self) -> NDArray[np.bool_]:
        """(n,) those that are no longer unseen."""
        return self.exact | self.near

    def counts(self) -> dict[str, int]:
        """How many items are ``exact``ly known, and how many are ``near`` copies."""
        return {"exact": int(self.exact.sum()), "near": int(self.near.sum())}

    def problems(self, then: str) -> list[Problem]:
        """What a person should know of it, where there are some; ``then`` says what follows."""
        held = np.flatnonzero(self.either)
        if not len(held):
            return []
        first = self.items.name(int(np.flatnonzero(self.exact if self.exact.any() else self.near)[0]))
        return [Problem(KIND, f"{first} and {len(held) - 1:,} more" if len(held) > 1 else first,
                        f"{self._told()}: {then}")]  # fmt: skip

    def _told(self) -> str:
        exact, near = self.counts().values()
        copies = f"{near:,} {'more ' if exact else f'of {len(self.items):,} items '}"
        copies += "is a near copy" if near == 1 else "are near copies"
        if not exact:
            return f"{copies} of some that the model learned from"
        if self.items.modality == "table":
            rows = f"rows {'holds' if exact == 1 else 'hold'} the values of rows"
            return (f"{exact:,} of {len(self.items):,} {rows} that the model learned from (where columns are few and "
                    "coarse, maybe by chance)")  # fmt: skip
        known = f"{exact:,} of {len(self.items):,} items {'is' if exact == 1 else 'are'} among those that the model "
        return f"{known}learned from" + (f", {copies}" if near else "")


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

    def among(self, items: Items, prints: Fingerprints) -> Known:
        """Which of ``items``, whose ``prints`` are given, were learned from."""
        exact, near = np.zeros(len(items), bool), np.zeros(len(items), bool)
        exact[prints.positions] = np.isin(prints.digests, self.digests)
        near[prints.positions] = resembling(prints.signatures, self.signatures, items.modality)
        return Known(items, exact, near & ~exact)

    def tensors(self) -> dict[str, Tensor]:
        return {"digests": torch.from_numpy(self.digests.view(np.int64)),
                "signatures": torch.from_numpy(self.signatures)}  # fmt: skip

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> Learned:
        """Of what `tensors` gave."""
        return cls(state["digests"].numpy().view(np.uint64), state["signatures"].numpy())
