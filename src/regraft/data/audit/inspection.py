"""What `regraft inspect` found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from regraft.core.types import Problem


@dataclass(frozen=True)
class Inspection:
    """What was recognised in the data, of the items that can be read.

    ``parts`` maps part -> items, ``targets`` label column -> task. Of pictures, ``sizes`` maps WxH -> items; of texts,
    ``languages`` maps language -> items, and ``lengths`` holds the ``median`` and ``max`` in characters. Of boxes,
    ``classes`` counts them, ``boxes`` holds how many there are in ``all``, how many are ``small`` (up to 32 x 32
    pixels), ``medium`` (up to 96 x 96), ``large``, the ``most`` in one picture, and ``pictures_without``;
    ``box_classes`` maps class -> the number of its ``pictures`` and its ``median`` box as WxH.
    Of a label that is a number, ``numbers`` holds ``min``, ``median`` and ``max``; of a table, ``columns`` maps each
    to its kind, and ``roles`` says what the columns are for.
    """

    name: str
    format: str
    evidence: str
    task: str
    modality: str
    items: int
    classes: dict[str, int]
    targets: dict[str, str]
    parts: dict[str, int]
    sizes: dict[str, int]
    problems: list[Problem]
    languages: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    boxes: dict[str, int] = field(default_factory=dict)
    box_classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Any] | None = None
