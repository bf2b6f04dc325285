"""Answers for what a person names: to look at, or streamed to a file, where a killed run can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from regraft.core.errors import DataError, InputError
from regraft.core.files import output
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.items import Items, PictureFiles
from regraft.inference.answer_files import ENDINGS, Bulk, Row, columns_of
from regraft.inference.box_answers import predict_boxes
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.inference.sorting import Sorter
from regraft.inference.streaming import Rows, content, opened
from regraft.inference.tent import adapting


@dataclass(frozen=True)
class PredictResult:
    """``predictions`` holds one record an item, unless they went to the file ``out``; ``resumed`` counts the items
    that an interrupted run had already done; ``problems`` is what was noticed of the inputs.
    """

    model: str
    items: int
    failed: int
    out: str | None = None
    predictions: list[Row] = field(default_factory=list)
    resumed: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class PredictOptions:
    """How answers are wanted, see `regraft.commands.predict.predict`."""

    out: str | None = None
    form: str | None = None
    tiles: int | None = None
    resume: bool = False
    overwrite: bool = False
    sort_into: str | None = None
    copy: bool = False
    adapt: str | None = None
    text: str | None = None
    image: str | None = None
    encoding: str | None = None
    engine: str = "auto"
    device: str = "auto"


def named(inputs: str | PurePath | Sequence[str | PurePath]) -> list[str]:
    """The inputs as a person would type them; raises ``DataError`` where they are data in memory."""
    given = [inputs] if isinstance(inputs, str | PurePath) else inputs
    odd = [given] if not isinstance(given, list | tuple) else [g for g in given if not isinstance(g, str | PurePath)]
    if odd:
        raise DataError(f"The inputs are of the type {type(odd[0]).__name__}; wanted are paths or texts: "
                        "regraft.load(model).predict(x) takes DataFrames, arrays and pictures.")  # fmt: skip
    return [str(one) for one in given]


def answered(predictor: AnyPredictor, model: str, inputs: list[str], wanted: PredictOptions) -> PredictResult:
    """What the ``predictor`` of ``model`` says of each of ``inputs``; raises ``InputError`` naming the option that
    cannot be meant.
    """
    predictor.refuse(vars(wanted))
    if isinstance(predictor, BoxPredictor):
        boxes, items, failed = predict_boxes(predictor, inputs, out=wanted.out, form=wanted.form, tiles=wanted.tiles)
        return PredictResult(model, items, failed, wanted.out, boxes)
    _check(predictor, model, wanted)
    hints = replace(predictor.hints, text=wanted.text, image=wanted.image, encoding=wanted.encoding)
    read = [(one, opened(predictor, one, hints)) for one in inputs]
    sources = [(one, found.items) for one, found in read]
    problems = [p for _, found in read for p in (*found.problems, *predictor.oddities(found.items))]
    if wanted.adapt:
        predictor = adapting(predictor, [items for _, items in sources], wanted.adapt, engine=wanted.engine,
                             device=wanted.device)  # fmt: skip
    rows = Rows(predictor, sources, _sorter(predictor, [items for _, items in sources], wanted))
    if wanted.out is None:
        kept = [row for row, _, _ in rows.stream(0)]
        return PredictResult(model, rows.total, sum("error" in r for r in kept), None, kept, problems=problems)
    about = {"model": predictor.manifest["files"], "inputs": inputs, "names": rows.digest(),
             "sort_into": wanted.sort_into, **({"adapt": wanted.adapt} if wanted.adapt else {})}  # fmt: skip
    columns = columns_of(predictor.model) if isinstance(predictor, Predictor) else {}
    with Bulk(output(wanted.out), about, columns, resume=wanted.resume, overwrite=wanted.overwrite) as bulk:
        resumed = min(bulk.done, rows.total)
        bulk.check(rows.digests(resumed))
        try:
            for row, some, position in rows.stream(resumed):
                bulk.add(row, content(some, position))
        except KeyboardInterrupt:
            say(f"{bulk.work} is kept: the same command with --resume goes on")
            raise
        failed = bulk.finish()
    return PredictResult(model, rows.total, failed, wanted.out, resumed=resumed, problems=problems)


def _check(predictor: Predictor | TaskPredictor, model: str, wanted: PredictOptions) -> None:
    """What can be said of the options before anything is read."""
    ending = None if wanted.out is None else Path(wanted.out).suffix.lower()
    if wanted.copy and not wanted.sort_into:
        raise InputError("--copy is for --sort-into.")
    if ending is not None and ending not in ENDINGS:
        raise InputError(f"--out {wanted.out} has an unknown ending; known are {', '.join(ENDINGS)}.")
    if isinstance(predictor, TaskPredictor) and (wanted.sort_into or ending not in (None, ".jsonl")):
        raise InputError(f"{model} answers {len(predictor.tasks)} tasks: --out takes a .jsonl file for them; for one "
                         f"of them name it, as {model}#{next(iter(predictor.tasks))}.")  # fmt: skip
    for option, column, kind in (("text", wanted.text, "text"), ("image", wanted.image, "image")):
        if column and predictor.modality != kind:
            raise InputError(f"--{option} {column}: {model} reads items of the kind {predictor.modality}.")


def _sorter(predictor: Predictor | TaskPredictor, items: list[Items], wanted: PredictOptions) -> Sorter | None:
    """What puts the pictures into folders, where that is asked for."""
    if wanted.sort_into is None:
        return None
    if isinstance(predictor, Predictor) and predictor.model.numbers:
        raise InputError("--sort-into makes a folder a class, and the model gives numbers.")
    if not all(isinstance(some, PictureFiles) for some in items):
        raise InputError("--sort-into takes picture files; arrays have no file to link or copy.")
    return Sorter(output(wanted.sort_into, "--sort-into"), wanted.copy, map(str, predictor.classes_))
