"""Which augmentation, and items seen through it; what the operations do, `augment` says, which is imported when one
is carried out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from regraft.core.types import Modality, PreprocessSpec
from regraft.data.image.decoding import Picture
from regraft.data.items import Items
from regraft.options.training import check_augmentation

Rng = np.random.Generator
Operation = Callable[[Any, Rng], Any]

DRAWN = 2
"""How pictures are drawn: a number that changes where the same draw would give other pixels than before."""


def may_flip(classes: Sequence[str]) -> bool:
    """Whether a mirrored picture means the same: not where the classes are letters, digits, or left and right."""
    written = all(re.fullmatch(r"\w|\d+", name) for name in classes)
    sided = any(re.search(r"(?i)\b(left|right)\b", name.replace("_", " ")) for name in classes)
    return not written and not sided


@dataclass(frozen=True)
class Policy:
    """Operations by the name of a policy or a list such as ``crop,flip,blur``; without flips where they would lie."""

    name: str
    flips: bool = True

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations in their order; raises ``UnknownName``."""
        from regraft.data.transforms.augment import OPERATIONS, POLICIES, flip

        check_augmentation(self.name)
        if self.name in POLICIES:
            return tuple(op for op in POLICIES[self.name] if self.flips or op is not flip)
        return tuple(OPERATIONS[n.strip()] for n in self.name.split(","))  # who names flip means it

    def __call__(self, picture: Picture, rng: Rng) -> Picture:
        """Uint8 (h, w, c) -> the same shape."""
        x = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)  # half the time of a tensor
        for operation in self.operations:
            x = operation(x, rng)
        return np.array(x).reshape(picture.shape)


@dataclass(frozen=True)
class Augmented:
    """Items as augmented views at the size of ``spec``; ``view`` numbers the view."""

    items: Items
    spec: PreprocessSpec
    policy: Policy
    seed: int
    view: int
    modality: Modality = "image"

    def __len__(self) -> int:
        return len(self.items)

    def name(self, i: int) -> str:
        return self.items.name(i)

    def digest(self, i: int) -> bytes:
        """The item's own digest turned by the view's, so that each view is stored as a row of its own."""
        mark = f"{DRAWN}{self.policy}{self.spec}{self.seed}/{self.view}".encode()
        turn = hashlib.blake2b(mark, digest_size=16).digest()
        return bytes(a ^ b for a, b in zip(self.items.digest(i), turn, strict=True))

    def load(self, i: int) -> Picture:
        from regraft.data.image.decoding import fit

        picture = fit(self.items.load(i), self.spec)
        seed = [self.seed, self.view, *self.items.digest(i)[:8]]
        return self.policy(picture, np.random.default_rng(seed))

    def take(self, indices: Any) -> Augmented:
        return Augmented(self.items.take(indices), self.spec, self.policy, self.seed, self.view)
