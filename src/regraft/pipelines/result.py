"""What a fit was and what it reached: what Python gets back and ``--json`` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FitResult:
    """What a fit was and what it reached, and what ``--json`` prints.

    ``metrics["val"]`` holds the figures on items that were not trained on (None where none could be held out),
    ``metrics["controls"]`` the same by control; where some judged items have a copy in training,
    ``metrics["val_without_copies"]``; ``metrics["unlike"]`` tells of those unlike the training data. ``gain`` is the
    accuracy (or map) minus the best control's, or the best control's rmse minus ours; ``gain_over_probe`` that over the
    linear probe, for methods that train a network. ``seen`` is the share of judged pictures whose labels the network's
    pretraining saw, None where that is not known; ``seen_in_training`` that of the training pictures,
    ``seen_in_target`` that of the target's judged ones; ``columns`` what those of a table are
    (`regraft.core.types.Roles`). With ``cross_validation`` (``folds``, ``rounds``) the figures are means over the
    rounds, in each of which every judged item was judged by a model that had not seen it.
    """

    run: str
    task: str
    method: str
    backbone: str
    engine: str
    metrics: dict[str, Any]
    gain: dict[str, Any] | None
    gain_over_probe: dict[str, Any] | None
    seconds: dict[str, float]
    cached: bool
    items: dict[str, int]
    classes: tuple[str, ...]
    split: str
    choice: dict[str, Any]
    decision: dict[str, Any]
    seen: float | None
    seen_in_training: float | None
    rows: dict[str, int]
    problems: list[dict[str, str]] = field(default_factory=list)
    columns: dict[str, Any] | None = None
    cross_validation: dict[str, int] | None = None
    seen_in_target: float | None = None


@dataclass(frozen=True)
class DetectionResult:
    """What a fit of a detector was and what it reached, and what ``--json`` prints.

    ``metrics["val"]`` holds COCO's figures on pictures that were not trained on (None where none could be held out),
    see `regraft.metrics.detection.evaluate`; where some judged pictures have a copy in training, ``val_without_copies``
    those without them; ``metrics["controls"]["scratch"]`` those of the same detector from random
    weights, where it was asked for, and ``gain`` what transfer adds to its ``map``. ``decision`` holds the
    ``threshold`` from which boxes are shown.
    """

    run: str
    task: str
    method: str
    detector: str
    backbone: str
    engine: str
    metrics: dict[str, Any]
    gain: dict[str, Any] | None
    seconds: dict[str, float]
    cached: bool
    items: dict[str, int]
    boxes: dict[str, int]
    classes: tuple[str, ...]
    split: str
    choice: dict[str, Any]
    decision: dict[str, Any]
    problems: list[dict[str, str]] = field(default_factory=list)
