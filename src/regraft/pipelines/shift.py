"""What `regraft shift` found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shift:
    """``a_distance`` lies between 0 (alike) and 2; ``mmd`` is 0 for alike domains; ``classes`` holds by class the
    distance of its means over the source's spread, by a probe's guesses on the target (None where it guesses none).

    ``as_it_is`` is the accuracy on the target of a probe of the source, with its interval, None where the target has no
    labels; in it ``on_source`` is that on source items left out, and ``loss`` how much it falls (both None where there
    are too few to leave some out). ``label_shift`` is the divergence, in nats, of the class shares that the probe
    guesses on the target from those of the source (Kullback and Leibler 1951). ``worth`` is yes, no or doubtful,
    ``word`` says so in a sentence. ``map`` are up to 250 items a domain in the plane. ``seen`` is by domain, and in
    ``as_it_is``, the share of items whose labels the network's pretraining saw, None where that is not known.
    """

    source: str
    target: str
    items: dict[str, int]
    backbone: str
    a_distance: dict[str, float]
    mmd: float
    classes: dict[str, float | None]
    label_shift: float
    as_it_is: dict[str, Any] | None
    worth: str
    word: str
    map: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    out: str | None = None
    seen: dict[str, float | None] = field(default_factory=dict)
