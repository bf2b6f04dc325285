"""What the engines on texts share: windows of like length together, each length in batches of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import pack, windows

TOKENS_A_BATCH = {"cpu": 512}
"""By device, 8192 on any accelerator. Large ones gain nothing on a CPU, and the last of a length is never full."""
LIBRARIES = ("transformers", "tokenizers", "jieba", "pypinyin", "simplemma")


def padded(length: int) -> int:
    """The length that a window of ``length`` tokens is padded to: a multiple of 4, above 32 of 8, above 64 of 16."""
    step = 4 if length <= 32 else 8 if length <= 64 else 16
    return max(step, -(-length // step) * step)


class TextEngine(ABC):
    """A text's row depends on the text alone, to the bit: its windows are padded to a length that follows from theirs.

    With ``FILLED`` each padded length is run in batches of one shape; without it the rows of what runs them do not
    depend on how many there are.
    """

    FILLED: ClassVar[bool] = True

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        self.batch = network.batch
        self.at_once = TOKENS_A_BATCH.get(device, 8192)
        self.longest, self.windows = network.spec.tokens, network.spec.windows
        self.tokeniser = network.tokeniser

    @abstractmethod
    def forward(self, x: Tensor) -> NDArray[np.float32]:
        """Token numbers and mask, int64 (n, 2, length) -> (n, D)."""

    def made_by(self) -> dict[str, Any]:
        """What rows depend on whatever runs the network."""
        found: dict[str, Any] = {"tokens a batch": self.at_once}
        for library in LIBRARIES:
            try:
                found[library] = metadata.version(library)
            except metadata.PackageNotFoundError:
                continue
        return found

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        """Texts (B,) -> ``{"pooled": (B, D)}`` in float32: the mean over a text's windows by the tokens they hold."""
        texts = list(dict.fromkeys(data.tolist()))
        cut = [windows(row, self.longest, self.tokeniser, self.windows) for row in self.tokeniser.encode(texts)]
        of_window = self.rows_of(list(dict.fromkeys(w for parts in cut for w, _ in parts)))
        rows = {}
        for text, parts in zip(texts, cut, strict=True):
            if len(parts) == 1:
                rows[text] = of_window[parts[0][0]]
            else:
                weights = np.array([weight for _, weight in parts], np.float32)
                rows[text] = (weights / weights.sum()) @ np.stack([of_window[w] for w, _ in parts])
        return {"pooled": np.stack([rows[t] for t in data.tolist()])}

    def rows_of(self, found: list[tuple[int, ...]]) -> dict[tuple[int, ...], NDArray[np.float32]]:
        """The features (D,) of each window."""
        by_length: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        for window in found:
            by_length[min(padded(len(window)), self.longest)].append(window)
        work = [(alike[start : start + size], length, size) for length, alike in by_length.items()
                for size in [max(1, self.at_once // length)] for start in range(0, len(alike), size)]  # fmt: skip
        rows: dict[tuple[int, ...], NDArray[np.float32]] = {}
        for (some, _, _), out in zip(work, self.forwards([self._packed(*one) for one in work]), strict=True):
            rows.update(zip(some, out, strict=False))
        return rows

    def _packed(self, some: list[tuple[int, ...]], length: int, size: int) -> Tensor:
        missing = size - len(some) if self.FILLED else 0  # copies of the first row
        return pack([*some, *[some[0]] * missing], length, self.tokeniser)

    def forwards(self, batches: list[Tensor]) -> Iterator[NDArray[np.float32]]:
        """`forward` of each, in their order."""
        return map(self.forward, batches)
