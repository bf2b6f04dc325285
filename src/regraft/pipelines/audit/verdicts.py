"""From what unseen probes say of items to which labels are likely wrong: by what is told of an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.metrics.label_errors import (
    FAR,
    label_errors,
    label_errors_of_several,
    normalised_margin,
    robust_z,
)
from regraft.tasks import LabelKind

CLOSE = 0.6
"""Below this normalised margin, 0.2 between the given label and another, an item is hard to tell."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verdicts:
    """Of n items: which are likely ``wrong``, and which merely ``hard``; ``order`` (n,) is lower the more likely they
    are wrong; ``figures`` are those of each item by name, ``suggested`` what it would be else.
    """

    wrong: NDArray[np.bool_]
    hard: NDArray[np.bool_]
    order: Floats
    suggested: list[str]
    figures: dict[str, Floats]


def in_words(kind: LabelKind, label: Any, classes: Sequence[str]) -> str:
    """A label as a person writes it: a class, several joined by ``|`` (``none``: none of them), or a number."""
    said = kind.in_words(label, classes)
    if isinstance(said, list):
        return "|".join(said) or "none"
    return f"{said:.9g}" if isinstance(said, float) else str(said)


def verdicts(kind: LabelKind, y: NDArray[Any], said: Floats, classes: Sequence[str]) -> Verdicts:
    """Labels (n,) or (n, K), and what models that had not seen the items said of them: probabilities (n, K), or numbers
    (n, 1).
    """
    if kind.numbers:
        return _of_numbers(y, said[:, 0])
    return _of_several(kind, y, said, classes) if kind.several else _of_classes(y, said, classes)


def _of_classes(y: NDArray[Any], p: Floats, classes: Sequence[str]) -> Verdicts:
    found, margin = label_errors(y, p), normalised_margin(y, p)
    others = p.copy()
    others[np.arange(len(y)), y] = -np.inf
    best = others.argmax(1)
    figures = {"probability": p[np.arange(len(y)), best], "self_confidence": found.self_confidence, "margin": margin}
    order = np.where(found.wrong, found.self_confidence, margin)
    return Verdicts(found.wrong, ~found.wrong & (margin < CLOSE), order, [classes[k] for k in best], figures)


def _of_several(kind: LabelKind, y: NDArray[Any], p: Floats, classes: Sequence[str]) -> Verdicts:
    marks, sure = label_errors_of_several(y, p)
    wrong = np.asarray(marks.any(1))
    worst, lowest = sure.argmin(1), sure.min(1)
    flip = marks.copy()
    flip[np.flatnonzero(~wrong), worst[~wrong]] = True  # what is merely hard would be otherwise in its worst mark
    figures = {"probability": np.where(flip, 1 - sure, 1.0).min(1), "self_confidence": lowest, "margin": lowest}
    suggested = [in_words(kind, row, classes) for row in np.where(flip, 1 - y, y)]
    return Verdicts(wrong, ~wrong & (lowest < CLOSE), lowest, suggested, figures)


def _of_numbers(y: NDArray[Any], values: Floats) -> Verdicts:
    z = robust_z(y - values)
    return Verdicts(np.abs(z) >= FAR, np.zeros(len(y), bool), -np.abs(z), [f"{v:.6g}" for v in values], {"z": z})
