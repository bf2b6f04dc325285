"""What an evaluation of a saved model found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regraft.core.types import Problem


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model on ``items`` labelled items; unreadable ones are in ``problems``.

    ``seen`` is the share of the items whose labels the network's own pretraining saw, None where that is not known.
    ``learned`` counts the items of the data that the model has learned from, ``exact`` those themselves and ``near``
    their near copies (None where the model does not know); with ``unseen`` they are left out, else judged too.
    """

    model: str
    data: str
    items: int
    metrics: dict[str, Any]
    problems: list[Problem]
    seen: float | None = None
    learned: dict[str, int] | None = None
    unseen: bool = False
