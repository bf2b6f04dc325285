"""What an audit of labels found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from regraft.data.box_correction_rows import BAD_PLACE, DOUBTFUL, MISSING, OTHER_CLASS

ERROR, TWO_LABELS, EXACT, NEAR, OUTLIER, HARD = (
    "label-error", "copy-two-labels", "duplicate", "near-duplicate", "outlier", "hard",
)  # fmt: skip
KINDS = {
    ERROR: "the label is likely wrong",
    TWO_LABELS: "a copy, to the pixel or nearly, has another label",
    EXACT: "the same picture or text is there twice",
    NEAR: "nearly the same picture or text is there twice",
    OUTLIER: "unlike the other items",
    HARD: "hard to tell, though the label may be right",
}
"""In the order in which they are listed."""

BOX_KINDS = {
    MISSING: "the detector is confident of an object where no box is",
    OTHER_CLASS: "the detector is confident of another class in the place of the box",
    BAD_PLACE: "the detector finds the same class, but overlaps the box (IoU) by 0.1 to 0.5 only",
    DOUBTFUL: "the detector finds nothing near the box, however unsure",
}


@dataclass(frozen=True)
class Finding:
    """One item and what is to be looked at.

    ``kinds`` are some of `KINDS`; ``label`` is the given one and ``suggested`` what models that had not seen it say,
    with its ``probability``. ``self_confidence`` is the probability of the given label, by which errors are listed, and
    ``margin`` that less the largest of another, brought to 0..1: of several classes those of the worst; of numbers
    ``z`` tells, the robust standard deviations it lies off. ``near`` names a copy, with ``near_label``; ``unlike`` says
    how far beyond the threshold an outlier lies. ``neighbours`` are the labels of the items that look most alike to the
    network, ``accepted`` whether the suggestion is to be taken.
    """

    item: str
    kinds: list[str]
    label: str
    suggested: str
    part: str
    digest: str
    probability: float | None = None
    self_confidence: float | None = None
    margin: float | None = None
    z: float | None = None
    near: str = ""
    near_label: str = ""
    unlike: float | None = None
    neighbours: list[str] = field(default_factory=list)
    accepted: bool = False


@dataclass(frozen=True)
class BoxFinding:
    """One box of the picture ``item`` to be looked at, of a ``kind`` of `BOX_KINDS`: given, or (``missing``) found, as
    left, top, right, bottom in pixels. ``score`` is that of the detector's box (None where it found none), ``overlap``
    the IoU of the two, ``learned`` whether the detector learned from this picture.
    """

    item: str
    kind: str
    label: str
    suggested: str
    part: str
    box: list[float]
    found: list[float] | None = None
    score: float | None = None
    overlap: float | None = None
    learned: bool | None = None


@dataclass(frozen=True)
class Audit:
    """What ``regraft audit`` found, and what ``--json`` prints.

    ``findings`` are listed by kind, the worst first; ``counts`` says how many of each kind there are, ``pairs`` how
    many likely errors are of which given and suggested label. ``judged`` of the ``items`` have an answer of models that
    had not seen them; ``headline`` is the figure of these answers by its name. ``learned`` counts the items that the
    ``model``, where one is named, has learned from, None where that is not known. ``expected`` is the share of outliers
    among items like the others. ``threshold`` is the score from which boxes of a detector count as confident.
    """

    data: str
    task: str
    modality: str
    backbone: str
    items: int
    judged: int
    classes: tuple[str, ...]
    how: str
    findings: list[Any]
    counts: dict[str, int]
    headline: dict[str, float] = field(default_factory=dict)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Any] = field(default_factory=list)
    model: str | None = None
    learned: dict[str, int] | None = None
    expected: float | None = None
    threshold: float | None = None
    seconds: float = 0.0
    out: str = ""
