"""``regraft evaluate``: a saved model against labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regraft import metrics
from regraft.commands.split import relabel
from regraft.data.audit import share_seen
from regraft.data.parts import evaluation_part
from regraft.data.sources import open_data
from regraft.predictor import load
from regraft.runtime import set_threads
from regraft.types import Problem


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model on ``items`` labelled items; unreadable ones are in ``problems``.

    ``seen`` is the share of the items whose labels the network's own pretraining saw, None where that is not known.
    """

    model: str
    data: str
    items: int
    metrics: dict[str, Any]
    problems: list[Problem]
    seen: float | None = None


def evaluate(
    model: str,
    data: str,
    *,
    format: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Evaluation:
    """Judges on the part test of ``data``, else val, else all. Class names are matched, never class numbers."""
    set_threads(threads)
    predictor = load(model, engine=engine, device=device)
    whole = open_data(data, format=format)
    judged = relabel(evaluation_part(whole), predictor.model.target.classes)
    answers = predictor.answer(judged.items)
    problems = [Problem("unreadable", judged.items.name(i), why) for i, why in sorted(answers.failed.items())]
    figures = metrics.classification(judged.y[answers.positions], answers.probabilities)
    digests = predictor.model.network.seen
    seen = None if digests is None else share_seen(judged, digests)
    return Evaluation(model, judged.name, len(answers.positions), figures, problems, seen)
