"""What leaves the tool: a graph with its preprocessing inside, and what has to be known to run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.data.items import Items

Kind = Literal["pictures", "texts", "table", "boxes"]
Arrays = dict[str, NDArray[Any]]
"""Arrays by the names of the graph's inputs or outputs."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: ``dtype`` as numpy names it, ``shape`` with a name where any size may stand."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Exportable:
    """What is to be written of one model.

    ``module`` takes the tensors of ``inputs`` in order and gives a tuple of those of ``outputs``; ``example`` are such
    tensors. ``about`` is what the stand-alone script has to know, in JSON: ``kind``, ``task``, ``classes``, decision,
    the specs of preprocessing, digests of the model. ``files`` lie beside the graph by their names (a tokenizer).
    ``feeds`` gives, for real items, what the graph takes of each and what the artefact itself answers (the same names
    as ``outputs``): by these the written file is proven.
    """

    kind: Kind
    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    example: tuple[Tensor, ...]
    about: dict[str, Any]
    feeds: Callable[[Items], Iterator[tuple[Arrays, Arrays]]]
    files: dict[str, bytes] = field(default_factory=dict)


def apart(ours: Arrays, theirs: Arrays) -> float:
    """The largest difference between two answers, infinite where their shapes are unlike."""
    if any(ours[name].shape != theirs[name].shape for name in ours):
        return float("inf")
    return max(
        (float(np.abs(ours[n].astype(float) - theirs[n].astype(float)).max(initial=0.0)) for n in ours), default=0.0
    )
