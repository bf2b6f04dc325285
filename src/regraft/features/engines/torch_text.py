"""Running a frozen network on texts: windows of like length together, in batches of fixed shapes."""

from __future__ import annotations

import copy
from collections import defaultdict
from importlib import metadata
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import pack, windows
from regraft.core.runtime import bf16_pays

TOKENS_A_BATCH = {"cpu": 512}
"""By device, 8192 on any accelerator. Large ones gain nothing on a CPU, and the last of a length is never full."""


def padded(length: int) -> int:
    """The length that a window of ``length`` tokens is padded to: a multiple of 4, above 32 of 8, above 64 of 16."""
    step = 4 if length <= 32 else 8 if length <= 64 else 16
    return max(step, -(-length // step) * step)


class TextEngine:
    """PyTorch, in bfloat16 where that pays. A text's row depends on the text alone, to the bit: its windows are padded
    to a length that follows from theirs, and each padded length is run in batches of one shape.
    """

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        self.batch = 2048
        self.device = device
        self.at_once = TOKENS_A_BATCH.get(device, 8192)
        self.longest = network.spec.tokens
        self.tokeniser = network.tokeniser
        self.width = network.width
        multiplies = any(isinstance(m, nn.Linear) for m in network.body.modules())
        self.precision = torch.bfloat16 if multiplies and bf16_pays(device) else torch.float32
        self.body = copy.deepcopy(network.body).to(device).eval()
        for parameter in self.body.parameters():  # not the buffers: tables of positions need their digits
            parameter.data = parameter.data.to(self.precision)

    def describe(self) -> dict[str, Any]:
        kind = torch.backends.cpu.get_cpu_capability() if self.device == "cpu" else self.device
        found = {"engine": "text", "version": torch.__version__, "on": kind, "tokens a batch": self.at_once,
                 "precision": str(self.precision).removeprefix("torch.")}  # fmt: skip
        for library in ("transformers", "tokenizers", "jieba", "pypinyin", "simplemma"):
            try:
                found[library] = metadata.version(library)
            except metadata.PackageNotFoundError:
                continue
        return found

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        """Texts (B,) -> ``{"pooled": (B, D)}`` in float32: the mean over a text's windows by the tokens they hold."""
        texts = list(dict.fromkeys(data.tolist()))
        cut = [windows(row, self.longest, self.tokeniser) for row in self.tokeniser.encode(texts)]
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
        rows: dict[tuple[int, ...], NDArray[np.float32]] = {}
        for length, alike in by_length.items():
            size = max(1, self.at_once // length)
            for start in range(0, len(alike), size):
                some = alike[start : start + size]
                # what is missing to the batch's shape are copies of its first row
                x = pack([*some, *[some[0]] * (size - len(some))], length, self.tokeniser).to(self.device)
                with torch.inference_mode():
                    out = self.body.features(x).float().cpu().numpy()
                rows.update(zip(some, out, strict=False))
        return rows
