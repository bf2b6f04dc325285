"""A saved model against labelled data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, Problem
from regraft.data.audit.checks import few_judged, share_seen
from regraft.data.dataset import Dataset
from regraft.data.open import open_boxes, open_data
from regraft.data.parts import evaluation_part
from regraft.data.relabel import matched_classes, relabel
from regraft.data.splits import open_in_groups
from regraft.features.fingerprints import fingerprints
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.inference.tent import adapting
from regraft.metrics.detection import evaluate as figures_of_boxes
from regraft.models import artefact
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


def evaluated(
    predictor: AnyPredictor, model: str, data: Any, hints: Hints, *, format: str | None = None,
    adapt: str | None = None, unseen: bool = False, engine: str = "auto", device: str = "auto",
) -> Evaluation:  # fmt: skip
    """What the ``predictor`` of ``model`` is worth on ``data``, see `regraft.commands.evaluate.evaluate`."""
    predictor.refuse({"label": hints.label, "text": hints.text, "image": hints.image, "encoding": hints.encoding,
                      "adapt": adapt})  # fmt: skip
    if isinstance(predictor, BoxPredictor):
        return _boxes(predictor, model, open_boxes(data, format, hints), unseen)
    if isinstance(predictor, TaskPredictor):
        raise artefact.unnamed(model, predictor.tasks)
    whole, target = opened_for(predictor, data, format, hints), predictor.model.target
    if whole.target.task != target.task:
        raise DataError(f"{whole.name} is for {whole.target.task} and the model for {target.task}.")
    found = apart(model, predictor.model.network, relabel(evaluation_part(whole), target.classes), unseen, RowStore())
    if adapt:
        predictor = adapting(predictor, [found.data.items], adapt, engine=engine, device=device)
    return _answers(predictor, model, found, unseen)


def opened_for(predictor: Predictor, data: Any, format: str | None, hints: Hints) -> Dataset:
    """The data, read as the model's own fit read its."""
    settings = predictor.manifest["record"].get("settings", {})
    dropped = ",".join(n for n in (settings.get("drop") or "").split(",") if n.strip() != hints.group)
    known = replace(
        hints, task=predictor.model.target.task, usual=predictor.model.target_name, drop=dropped or None,
        group=hints.group or settings.get("group"), kept=predictor.hints.kept,
    )  # fmt: skip
    return (open_data if hints.group else open_in_groups)(data, format=format, hints=known)


def _answers(predictor: Predictor, model: str, found: Judged, unseen: bool) -> Evaluation:
    """The figures that fit the task, see `regraft.models.model.Model.figures`."""
    judged, answers = found.data, predictor.answer(found.data.items)
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
    return Evaluation(model, judged.name, len(answers.positions), figures, problems, seen, found.learned, unseen)


def _boxes(predictor: BoxPredictor, model: str, whole: Dataset, unseen: bool) -> Evaluation:
    """COCO's figures, see `regraft.metrics.detection.evaluate`."""
    classes = tuple(predictor.classes_.tolist())
    judged, left = matched_classes(evaluation_part(whole), classes)
    known = apart(model, None, judged, unseen, RowStore())
    judged = known.data
    problems = [*whole.problems, *known.problems]
    problems += [Problem("class-unknown", name, f"{count} boxes of it are not judged: the model has no such class")
                 for name, count in left.items()]  # fmt: skip
    problems += few_judged(judged)
    answers = [one for some in predictor.stream(judged.items, threshold=FLOOR) for one in some.values()]
    problems += [Problem("unreadable", one.name, one.error) for one in answers if one.error]
    read = [i for i, one in enumerate(answers) if not one.error]
    if not read:
        raise DataError(f"None of the pictures of {judged.name} can be read.")
    figures = figures_of_boxes([judged.y[i] for i in read], [answers[i].found for i in read], classes,
                               None if judged.groups is None else judged.groups[read])  # fmt: skip
    return Evaluation(model, judged.name, len(read), figures, problems, None, known.learned, unseen)


@dataclass(frozen=True)
class Judged:
    """What is judged on; ``learned`` counts the items of the data that the model has learned from: ``exact`` those
    themselves, ``near`` their near copies, None where the model does not know. ``digests`` (m,) are those of the judged
    items that can be read.
    """

    data: Dataset
    learned: dict[str, int] | None
    digests: NDArray[np.uint64]
    problems: list[Problem]


def apart(model: str, network: Pretrained | None, data: Dataset, unseen: bool, store: RowStore) -> Judged:
    """``data`` beside what ``model``, on ``network``, has learned from, which is listed; where ``unseen`` is wanted,
    without those items.

    Raises ``InputError`` where ``unseen`` is wanted and the model does not know them, ``DataError`` where no item is
    left.
    """
    known = artefact.learned_by(model)
    if known is None and unseen:
        raise InputError(
            f"--unseen: {model} does not know what it learned from (it was saved by an older regraft, or began with "
            "--init from such a one): fit it again, or judge it without --unseen on items that you kept apart."
        )
    prints = fingerprints(data.items, network, store)
    if known is None:
        return Judged(data, None, prints.digests, [])
    found = known.among(data.items, prints)
    if not unseen:
        said = found.problems("the figures are too good; --unseen leaves them out")
        return Judged(data, found.counts(), prints.digests, said)
    rest = ~found.either
    if len(data) and not rest.any():
        raise DataError(f"--unseen: the model {model} has learned from every item of {data.name}, or from near copies "
                        "of it, so none is left: judge it on others.")  # fmt: skip
    return Judged(data.take(np.flatnonzero(rest)), found.counts(), prints.digests[rest[prints.positions]],
                  found.problems("they are left out"))  # fmt: skip
