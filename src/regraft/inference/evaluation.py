"""A saved model against labelled data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, Problem
from regraft.data.audit.checks import few_judged, share_seen
from regraft.data.dataset import Dataset
from regraft.data.open import open_boxes, open_data
from regraft.data.parts import evaluation_part
from regraft.data.relabel import matched_classes, relabel
from regraft.data.splits import open_in_groups
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.inference.tent import adapting
from regraft.inference.unseen import apart
from regraft.metrics.detection import evaluate as figures_of_boxes
from regraft.models.artefact import unnamed
from regraft.models.detectors.base import FLOOR


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


@dataclass(frozen=True)
class EvaluationOptions:
    """How a model is judged, see `regraft.commands.evaluate.evaluate`."""

    format: str | None = None
    label: str | None = None
    text: str | None = None
    image: str | None = None
    encoding: str | None = None
    group: str | None = None
    adapt: str | None = None
    unseen: bool = False
    engine: str = "auto"
    device: str = "auto"


def judged(predictor: AnyPredictor, model: str, data: Any, wanted: EvaluationOptions) -> Evaluation:
    """What the ``predictor`` of ``model`` is worth on ``data``; raises ``InputError`` and its kinds."""
    predictor.refuse(vars(wanted))
    if isinstance(predictor, BoxPredictor):
        return _boxes_judged(predictor, model, data, wanted)
    if isinstance(predictor, TaskPredictor):
        raise unnamed(model, predictor.tasks)
    return _answers_judged(predictor, model, data, wanted)


def _answers_judged(predictor: Predictor, model: str, data: Any, wanted: EvaluationOptions) -> Evaluation:
    whole, target = _opened(predictor, data, wanted), predictor.model.target
    if whole.target.task != target.task:
        raise DataError(f"{whole.name} is for {whole.target.task} and the model for {target.task}.")
    found = apart(model, predictor.model.network, relabel(evaluation_part(whole), target.classes), wanted.unseen,
                  RowStore())  # fmt: skip
    judged = found.data
    if wanted.adapt:
        predictor = adapting(predictor, [judged.items], wanted.adapt, engine=wanted.engine, device=wanted.device)
    answers = predictor.answer(judged.items)
    odd = predictor.oddities(judged.items, judged.roles.unused if judged.roles else ())
    told = {(p.kind, p.item) for p in odd}
    problems = [*(p for p in judged.problems if (p.kind, p.item) not in told), *odd, *found.problems]
    problems += [Problem("unreadable", judged.items.name(i), why) for i, why in sorted(answers.failed.items())]
    if not len(answers.positions):
        why = next(iter(f" ({p.item}: {p.message})" for p in problems if p.kind == "unreadable"), "")
        raise DataError(f"None of the items of {judged.name} can be read{why}.")
    truth = judged.y[answers.positions]
    groups = None if judged.groups is None else judged.groups[answers.positions]
    figures = predictor.model.figures(truth, answers.probabilities, groups)
    problems += few_judged(judged)
    digests = predictor.model.network.seen
    seen = None if digests is None else share_seen(found.digests, digests)
    return Evaluation(model, judged.name, len(answers.positions), figures, problems, seen, found.learned, wanted.unseen)


def _opened(predictor: Predictor, data: Any, wanted: EvaluationOptions) -> Dataset:
    """The data, read as the model's own fit read its."""
    settings = predictor.manifest["record"].get("settings", {})
    dropped = ",".join(n for n in (settings.get("drop") or "").split(",") if n.strip() != wanted.group)
    hints = replace(
        predictor.hints, label=wanted.label, task=predictor.model.target.task, text=wanted.text, image=wanted.image,
        encoding=wanted.encoding, usual=predictor.model.target_name, drop=dropped or None,
        group=wanted.group or settings.get("group"),
    )  # fmt: skip
    return (open_data if wanted.group else open_in_groups)(data, format=wanted.format, hints=hints)


def _boxes_judged(predictor: BoxPredictor, model: str, data: Any, wanted: EvaluationOptions) -> Evaluation:
    """COCO's figures, see `regraft.metrics.detection.evaluate`."""
    classes = tuple(predictor.classes_.tolist())
    whole = open_boxes(data, wanted.format, Hints(group=wanted.group))
    judged, left = matched_classes(evaluation_part(whole), classes)
    known = apart(model, None, judged, wanted.unseen, RowStore())
    judged = known.data
    problems = [*whole.problems, *known.problems]
    problems += [Problem("class-unknown", name, f"{count} boxes of it are not judged: the model has no such class")
                 for name, count in left.items()]  # fmt: skip
    problems += few_judged(judged)
    answers = {i: one for some in predictor.stream(judged.items, threshold=FLOOR) for i, one in some.items()}
    problems += [Problem("unreadable", one.name, one.error) for one in answers.values() if one.error]
    read = [i for i, one in answers.items() if not one.error]
    if not read:
        raise DataError(f"None of the pictures of {judged.name} can be read.")
    figures = figures_of_boxes([judged.y[i] for i in read], [answers[i].found for i in read], classes,
                               None if judged.groups is None else judged.groups[read])  # fmt: skip
    return Evaluation(model, judged.name, len(read), figures, problems, None, known.learned, wanted.unseen)
