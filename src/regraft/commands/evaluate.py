"""``regraft evaluate``: a saved model against labelled data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import set_threads
from regraft.core.types import Hints, Problem
from regraft.data.audit.checks import few_judged, share_seen
from regraft.data.open import open_boxes, open_data
from regraft.data.parts import evaluation_part
from regraft.data.relabel import matched_classes, relabel
from regraft.data.splits import open_in_groups
from regraft.inference.detector import load as detector_of
from regraft.inference.evaluation import Evaluation
from regraft.inference.load import load
from regraft.inference.tent import adapting
from regraft.metrics.detection import evaluate as figures_of_boxes
from regraft.models.artefact.detector import is_detector
from regraft.models.detectors.apply import stream
from regraft.pipelines.stages.contamination import apart


def evaluate(
    model: str,
    data: Any,
    *,
    format: str | None = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    encoding: str | None = None,
    group: str | None = None,
    adapt: str | None = None,
    unseen: bool = False,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Evaluation:
    """Judges on the part test of ``data``, else val, else all. Class names are matched, never class numbers.

    ``group`` names what belongs together, by which intervals go; by default what the model's own fit was told, where
    the data has it. ``adapt``: ``tent`` lets the model adapt to the items, without their labels, before it answers.
    Items that the model has learned from, and near copies of them, make the figures too good and are counted;
    ``unseen`` leaves them out. Raises ``InputError`` and its kinds, see `regraft.core.errors`.
    """
    set_threads(threads)
    if is_detector(model):
        if label or text or image or encoding or adapt or engine != "auto":
            raise InputError("--label, --text, --image, --encoding, --adapt and --engine are not for detectors.")
        return evaluate_boxes(model, data, format=format, group=group, unseen=unseen, device=device)
    predictor = load(model, engine=engine, device=device)
    target = predictor.model.target
    settings = predictor.manifest["record"].get("settings", {})
    hints = replace(predictor.hints, label=label, task=target.task, text=text, image=image, encoding=encoding,
                    usual=predictor.model.target_name, drop=_without(settings.get("drop"), group),
                    group=group or settings.get("group"))  # fmt: skip
    whole = (open_data if group else open_in_groups)(data, format=format, hints=hints)
    if whole.target.task != target.task:
        raise DataError(f"{whole.name} is for {whole.target.task} and the model for {target.task}.")
    judged = relabel(evaluation_part(whole), target.classes)
    found = apart(model, predictor.model.network, judged, unseen, RowStore())
    judged = found.data
    if adapt:
        predictor = adapting(predictor, [judged.items], adapt, engine=engine, device=device)
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
    return Evaluation(model, judged.name, len(answers.positions), figures, problems, seen, found.learned, unseen)


def _without(dropped: str | None, name: str | None) -> str | None:
    """The columns that were not looked at, less the one that is asked for now."""
    return ",".join(n for n in (dropped or "").split(",") if n.strip() != name) or None


def evaluate_boxes(
    model: str, data: Any, *, format: str | None, group: str | None, unseen: bool, device: str
) -> Evaluation:
    """`evaluate` for a detector: COCO's figures, see `regraft.metrics.detection.evaluate`."""
    predictor = detector_of(model, device=device)
    classes = tuple(predictor.classes_.tolist())
    whole = open_boxes(data, format, Hints(group=group))
    judged, left = matched_classes(evaluation_part(whole), classes)
    known = apart(model, None, judged, unseen, RowStore())
    judged = known.data
    problems = [*whole.problems, *known.problems]
    problems += [Problem("class-unknown", name, f"{count} boxes of it are not judged: the model has no such class")
                 for name, count in left.items()]  # fmt: skip
    problems += few_judged(judged)
    truth, found, read = [], [], []
    for i, one in stream(predictor.detector, judged.items):
        if isinstance(one, str):
            problems.append(Problem("unreadable", judged.items.name(i), one))
        else:
            read.append(i)
            truth.append(judged.y[i])
            found.append(one)
    if not truth:
        raise DataError(f"None of the pictures of {judged.name} can be read.")
    figures = figures_of_boxes(truth, found, classes, None if judged.groups is None else judged.groups[read])
    return Evaluation(model, judged.name, len(truth), figures, problems, None, known.learned, unseen)
