"""What a method cannot do without, and what it says where that is missing: checked once, before it is trained.

A method names its needs in ``NEEDS``. Those of `CHECKS` can be missing; ``source items`` and ``source labels``, of
methods that adapt a network, say what of the labelled domain they learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.options.fit import FitOptions
from regraft.tasks import LABEL_KINDS


@dataclass(frozen=True)
class Offered:
    """What there is for the method of a name: the task of the label, a network, and what the fit was told."""

    method: str
    task: str
    network: Pretrained
    options: FitOptions


def classes(offered: Offered) -> str | None:
    """Labels that are classes."""
    if not LABEL_KINDS[offered.task].numbers:
        return None
    return f"--method {offered.method} is for classes; the label is a number here."


def pairs_of_items(offered: Offered) -> str | None:
    """Several items in a batch, which are compared: there is no loss of an item to smooth or share out."""
    why = f"{offered.method} compares the items of a batch"
    for option in ("smoothing", "focal", "mix"):
        if getattr(offered.options.training, option) not in (None, "none"):
            return f"--{option}: {why} and has no use for it."
    if offered.options.training.batch == 1:
        return f"--batch 1: {why}; it takes two or more."
    return one_process(offered, f"{why}; it takes one")


def one_process(offered: Offered, why: str = "") -> str | None:
    """A training in one process."""
    processes = offered.options.training.processes or 1
    return f"--processes {processes}: {why or f'{offered.method} trains in one'}." if processes > 1 else None


def batch_normalisation(offered: Offered) -> str | None:
    """Batch normalisation whose statistics may change."""
    if not offered.network.body.norms():
        return f"--method {offered.method}: {offered.network.name} has no batch normalisation to adapt."
    if offered.options.training.batch_norm == "keep":
        return f"--batch-norm keep: {offered.method} takes the statistics of the target."
    return None


def whole_network(offered: Offered) -> str | None:
    """A network that learns from its first block on."""
    if not offered.network.body.fixed:
        return None
    return (f"--method {offered.method}: {offered.network.name} has a part that stays as it is, and every domain wants "
            "its own statistics; name one network.")  # fmt: skip


CHECKS: dict[str, Callable[[Offered], str | None]] = {
    "classes": classes, "pairs of items": pairs_of_items, "one process": one_process,
    "batch normalisation": batch_normalisation, "whole network": whole_network,
}  # fmt: skip
KNOWN = (*CHECKS, "source items", "source labels")


def check_needs(method: Any, offered: Offered) -> None:
    """Raises ``InputError`` for the first of the method's needs that is not met."""
    for need in getattr(method, "NEEDS", ()):
        if need in CHECKS and (missing := CHECKS[need](offered)):
            raise InputError(missing)
