"""What a fit was and what it reached: what Python gets back and ``--json`` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from regraft.core.types import Problem


@dataclass(frozen=True)
class FitResult:
    """What a fit was and what it reached, and what ``--json`` prints.

    ``metrics["val"]`` holds the figures on items that were not trained on (None where none could be held out),
    ``metrics["controls"]`` the same by control; where some judged items have a copy in training,
    ``metrics["val_without_copies"]``; ``metrics["unlike"]`` tells of those unlike the training data, and of several
    domains ``metrics["domains"]`` of each. ``gain`` is the headline of the model (accuracy, map, rmse) against that of
    the best control, more is better; ``gain_over_probe`` that over the linear probe, for methods that train a network.
    ``seen`` is the share of judged pictures whose labels the network's pretraining saw, None where that is not known;
    ``seen_in_training`` that of the training pictures, ``seen_in_target`` that of the target's judged ones;
    ``columns`` what those of a table are (`regraft.core.types.Roles`). With ``cross_validation`` (``folds``,
    ``rounds``) the figures are means over the rounds, in each of which every judged item was judged by a model that had
    not seen it.

    ``corrections`` tell of each data set whose labels a person corrected the ``file``, its ``sha256``, how many items
    were ``relabelled`` and ``taken_out``, and how many of those that ``judged`` have a corrected label;
    of ``boxes`` how many were ``added``, ``dropped`` and ``changed``, and how many rows ``refused``.

    ``default`` says why the network was taken where none was named (`regraft.features.default.Default`), else None.

    Of boxes ``detector`` is the detector and ``boxes`` counts those of the training pictures by class; the figures are
    those of `regraft.metrics.detection.evaluate`, and ``decision`` holds the ``threshold`` from which boxes are shown.
    """

    run: str
    task: str
    method: str
    backbone: str
    engine: str
    metrics: dict[str, Any]
    gain: dict[str, Any] | None
    seconds: dict[str, float]
    cached: bool
    items: dict[str, int]
    classes: tuple[str, ...]
    split: str
    choice: dict[str, Any]
    decision: dict[str, Any]
    gain_over_probe: dict[str, Any] | None = None
    seen: float | None = None
    seen_in_training: float | None = None
    seen_in_target: float | None = None
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)
    columns: dict[str, Any] | None = None
    cross_validation: dict[str, int] | None = None
    corrections: list[dict[str, Any]] = field(default_factory=list)
    detector: str | None = None
    boxes: dict[str, int] | None = None
    default: dict[str, Any] | None = None

    @classmethod
    def read(cls, record: dict[str, Any]) -> Self:
        """The result out of a run's record."""
        return cls(**{**record, "classes": tuple(record["classes"])})


@dataclass(frozen=True)
class Shared:
    """Several tasks by name, each with the result of its own fit; ``run`` holds the artefact that answers all of them.

    ``computed`` are the forward passes that each task still needed. ``problems`` name items that only one task has.
    ``default`` is that of `FitResult`, for all tasks.
    """

    run: str
    backbone: str
    method: str
    tasks: dict[str, FitResult]
    computed: dict[str, int]
    seconds: dict[str, float]
    problems: list[Problem] = field(default_factory=list)
    default: dict[str, Any] | None = None

    @classmethod
    def read(cls, record: dict[str, Any]) -> Self:
        """The result out of a run's record."""
        tasks = {name: FitResult.read(task) for name, task in record["tasks"].items()}
        return cls(**{**record, "tasks": tasks, "problems": [Problem(**p) for p in record["problems"]]})
