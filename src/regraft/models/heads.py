"""What turns features into answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from regraft.core.registry import Registry


class ScaledHead(nn.Module):
    """Features x (N, D) as ``(x - mean) / scale``, and a last layer ``linear`` that can be cooled."""

    mean: Tensor
    scale: Tensor
    linear: nn.Linear

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def scaled(self, x: Tensor) -> Tensor:
        """Features (n, D) in units of the training's spread around its mean."""
        return (x - self.mean) / self.scale

    def apply_temperature(self, temperature: float) -> None:
        """Divides the logits by ``temperature`` for good."""
        self.restate(1 / temperature, 0.0)

    def restate(self, unit: float, zero: float) -> None:
        """Outputs become ``unit * output + zero`` for good."""
        with torch.no_grad():
            self.linear.weight.mul_(unit)
            self.linear.bias.mul_(unit).add_(zero)


class LinearHead(ScaledHead):
    """Logits ``((x - mean) / scale) @ weight.T + bias`` from features x (N, D) to (N, K)."""

    kind = "linear"

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features)
        self.linear = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.scaled(x))
        return logits

    @classmethod
    def of(cls, mean: NDArray[Any], scale: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any],
           dtype: np.dtype[Any]) -> LinearHead:  # fmt: skip
        """From arrays: mean and scale (D,), weight (D, K), bias (K,); kept in ``dtype``, that of the features."""
        head = cls(*weight.shape)
        named = {"mean": mean, "scale": scale, "linear.weight": weight.T, "linear.bias": bias}
        state = {k: torch.from_numpy(np.ascontiguousarray(v.astype(dtype))) for k, v in named.items()}
        head.load_state_dict(state, assign=True)
        return head.requires_grad_(False).eval()

    @classmethod
    def zero(cls, features: int, outputs: int) -> LinearHead:
        """A head that favours no class."""
        head = cls(features, outputs)
        nn.init.zeros_(head.linear.weight)
        nn.init.zeros_(head.linear.bias)
        return head


class MLPHead(ScaledHead):
    """One hidden layer: scaled features (N, D) to logits (N, K)."""

    kind = "mlp"
    hidden = 256

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features)
        self.first = nn.Linear(features, self.hidden)
        self.drop = nn.Dropout(0.2)
        self.linear = nn.Linear(self.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.drop(torch.relu(self.first(self.scaled(x)))))
        return logits


def normed(head: ScaledHead) -> ScaledHead:
    """The rows of a linear head as lengths times directions, which learn apart (Salimans and Kingma 2016)."""
    parametrizations.weight_norm(head.linear)
    return head


def settled(head: Any) -> Any:
    """A head in its own form again, after `normed`."""
    if parametrize.is_parametrized(head.linear):
        parametrize.remove_parametrizations(head.linear, "weight")
    return head


def logits_of(head: nn.Module, rows: Any, piece: int = 4096) -> NDArray[np.float64]:
    """What a head says of rows (n, D), which may be sparse: (n, K), so many at once."""
    logits = []
    for start in range(0, rows.shape[0], piece):
        x = rows[start : start + piece]
        with torch.inference_mode():
            logits.append(head(torch.from_numpy(np.asarray(x.toarray() if issparse(x) else x))).double().numpy())
    return np.concatenate(logits)


HEADS = Registry(
    "head", {LinearHead.kind: "regraft.models.heads:LinearHead", MLPHead.kind: "regraft.models.heads:MLPHead"}
)
