"""What a network's source head says of items: the probabilities of the classes it was pretrained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.core.row_store import RowStore
from regraft.data.items import Items
from regraft.features.engines.torch import TorchEngine
from regraft.features.extract import Extracted, extract

BLOCK = 256


class _HeadEngine(TorchEngine):
    """The whole network, head included, for heads that take the last map."""

    def __init__(self, network: Pretrained, device: str) -> None:
        super().__init__(network, device)
        assert network.head is not None
        self.head = network.head.to(device).eval()

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "output": "source logits"}

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        with torch.inference_mode():
            return {"pooled": self.head(self.body(self.normalise(data))).cpu().numpy()}


def source_probabilities(
    network: Pretrained, items: Items, found: Extracted, store: RowStore, device: str = "cpu"
) -> NDArray[np.float64] | None:
    """(m, z) for the items whose rows are in ``found``; None where the weights have no source head.

    Most heads take pooled features, which are there already; one that takes a map costs a pass of its own, once.
    """
    if network.head is None:
        return None
    if any(isinstance(m, nn.Conv2d) for m in network.head.modules()):
        readable = items.take(found.positions)
        logits = extract(network, readable, _HeadEngine(network, device), store, label=f"{network.name}'s head").rows
    else:
        head = network.head.cpu().eval()
        with torch.inference_mode():
            parts = [head(torch.from_numpy(np.asarray(found.rows[i : i + BLOCK], np.float32))).numpy()
                     for i in range(0, len(found.rows), BLOCK)]  # fmt: skip
        logits = np.concatenate(parts)
    probabilities: NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1)
    return probabilities
