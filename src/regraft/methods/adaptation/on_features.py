"""What methods that adapt from a labelled domain to another without labels have in common.

On features: ``fit_domains(source, labels, target, learn, *, seed) -> Fitted`` takes features (n, D), class indices (n,)
and the target's features (m, D); ``learn`` fits the probe on rows it is given. The head takes the target's features
as the network gives them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.core.errors import InputError
from regraft.methods.base import Fitted
from regraft.methods.probes.logistic import by_own_units
from regraft.models.heads import LinearHead


class Learn(Protocol):
    """Rows (n, D) and class indices (n,) -> a head; ``record`` repeats an earlier choice."""

    def __call__(self, rows: Any, labels: NDArray[Any], *, record: dict[str, Any] | None = None) -> Fitted: ...


def dense(method: str, *rows: Any) -> list[NDArray[np.float64]]:
    """The rows in float64; raises ``InputError`` where they are sparse."""
    if any(issparse(x) for x in rows):
        raise InputError(f"--method {method} takes dense features, and those of tfidf are sparse: self-training, or "
                         "a network for texts, will do.")  # fmt: skip
    return [np.asarray(x, np.float64) for x in rows]


def folded(fitted: Fitted, mean: NDArray[Any], axes: NDArray[Any]) -> Fitted:
    """A head on ``(x - mean) @ axes``, axes (D, d), as a head on x (n, D)."""
    head = fitted.head
    scale, weight = (v.double().numpy() for v in (head.scale, head.linear.weight.detach().T))
    inner = weight / scale[:, None]
    outer = axes @ inner
    bias = head.linear.bias.detach().double().numpy() - head.mean.double().numpy() @ inner - mean @ outer
    d = len(outer)
    head = LinearHead.of(np.zeros(d), np.ones(d), outer, bias, np.dtype(np.float32))
    return Fitted(head, fitted.record, fitted.rows, fitted.logits)


def in_own_units(method: Any, source: Any, labels: NDArray[Any], target: Any, learn: Learn, *, seed: int = 0) -> Fitted:
    """``method.fit_domains`` on columns that have a unit each, as those of a table: by the source's means and spreads,
    which become part of the head.
    """
    units = by_own_units(source)
    fitted: Fitted = method.fit_domains(units(source), labels, units(target), learn, seed=seed)
    mean, scale, weight, bias = (v.detach().double().numpy() for v in (
        fitted.head.mean, fitted.head.scale, fitted.head.linear.weight, fitted.head.linear.bias))  # fmt: skip
    head = LinearHead.of(units.mean + units.scale * mean, units.scale * scale, weight.T, bias, np.dtype(np.float64))
    return replace(fitted, head=head)
