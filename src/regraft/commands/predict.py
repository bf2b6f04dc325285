"""``regraft predict``: answers for new items; many of them are streamed to a file, and a killed run can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from regraft.core.errors import DataError, InputError
from regraft.core.files import output
from regraft.core.runtime import set_threads
from regraft.core.types import Problem
from regraft.data.items import PictureFiles
from regraft.inference.answer_files import ENDINGS, Bulk, Row, columns_of
from regraft.inference.box_answers import predict_boxes
from regraft.inference.load import load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.inference.sorting import _Sorter
from regraft.inference.streaming import _content, _opened, _Rows
from regraft.inference.tent import adapting
from regraft.models.artefact.detector import is_detector


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


def predict(
    model: str,
    inputs: str | PurePath | Sequence[str | PurePath],
    *,
    out: str | None = None,
    form: str | None = None,
    tiles: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    sort_into: str | None = None,
    copy: bool = False,
    adapt: str | None = None,
    text: str | None = None,
    image: str | None = None,
    encoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> PredictResult:
    """Predicts each of ``inputs``: a picture, a folder or zip of pictures, a table, labelled data (``data.npz#test``);
    for a model of texts a file with one on each line, a folder of text files, or a text itself.

    A table is read by the columns that the model learned from; ``text`` or ``image`` names another one to read.
    Items that cannot be read stand in the answers with an ``error`` in place of a label. With ``out`` (.csv, .jsonl,
    .parquet) memory does not grow with the number of items, and ``resume`` goes on where a killed run stopped.
    For a detector ``out`` is a folder to make, filled as ``form`` says: json, coco, yolo or pictures; ``tiles`` cuts
    large pictures into overlapping ones of so many pixels. ``sort_into`` is a folder to be filled with links (or, with
    ``copy``, copies) of the pictures by class. ``adapt``: ``tent`` lets the model adapt to all
    the items before it answers.
    """
    set_threads(threads)
    inputs = _named(inputs)
    if is_detector(model):
        if resume or overwrite or sort_into or copy or adapt or text or image or encoding or engine != "auto":
            raise InputError("--resume, --overwrite, --sort-into, --copy, --adapt, --text, --image, --encoding and "
                             "--engine are not for detectors.")  # fmt: skip
        boxes, items, failed = predict_boxes(model, inputs, out=out, form=form, tiles=tiles, device=device)
        return PredictResult(model, items, failed, out, boxes)
    if form or tiles:
        raise InputError("--as and --tiles are for detectors.")
    if copy and not sort_into:
        raise InputError("--copy is for --sort-into.")
    if out is not None and Path(out).suffix.lower() not in ENDINGS:
        raise InputError(f"--out {out} has an unknown ending; known are {', '.join(ENDINGS)}.")
    predictor = load_any(model, engine=engine, device=device)
    if isinstance(predictor, TaskPredictor) and (sort_into or (out and Path(out).suffix.lower() != ".jsonl")):
        raise InputError(f"{model} answers {len(predictor.tasks)} tasks: --out takes a .jsonl file for them; for one "
                         f"of them name it, as {model}#{next(iter(predictor.tasks))}.")  # fmt: skip
    for option, column, kind in (("text", text, "text"), ("image", image, "image")):
        if column and predictor.modality != kind:
            raise InputError(f"--{option} {column}: {model} reads items of the kind {predictor.modality}.")
    hints = replace(predictor.hints, text=text, image=image, encoding=encoding)
    read = [(one, _opened(predictor, one, hints)) for one in inputs]
    sources = [(one, found.items) for one, found in read]
    problems = [p for _, found in read for p in (*found.problems, *predictor.oddities(found.items))]
    if adapt:
        predictor = adapting(predictor, [items for _, items in sources], adapt, engine=engine, device=device)
    if sort_into and isinstance(predictor, Predictor) and predictor.model.numbers:
        raise InputError("--sort-into makes a folder a class, and the model gives numbers.")
    if sort_into and not all(isinstance(items, PictureFiles) for _, items in sources):
        raise InputError("--sort-into takes picture files; arrays have no file to link or copy.")
    classes = predictor.classes_.tolist() if isinstance(predictor, Predictor) else []
    sorter = None if sort_into is None else _Sorter(output(sort_into, "--sort-into"), copy, classes)
    rows = _Rows(predictor, sources, sorter)
    if out is None:
        kept = [row for row, _, _ in rows.stream(0)]
        return PredictResult(model, rows.total, sum("error" in r for r in kept), None, kept, problems=problems)
    about = {"model": predictor.manifest["files"], "inputs": [str(t) for t in inputs], "names": rows.digest(),
             "sort_into": sort_into}  # fmt: skip
    columns = columns_of(predictor.model) if isinstance(predictor, Predictor) else {}
    bulk = Bulk(output(out), about, columns, resume=resume, overwrite=overwrite)
    resumed = min(bulk.done, rows.total)
    bulk.check(rows.digests(resumed))
    for row, some, position in rows.stream(resumed):
        bulk.add(row, _content(some, position))
    return PredictResult(model, rows.total, bulk.finish(), out, resumed=resumed, problems=problems)


def _named(inputs: str | PurePath | Sequence[str | PurePath]) -> list[str]:
    """The inputs as a person would type them; raises ``DataError`` where they are data in memory."""
    given = [inputs] if isinstance(inputs, str | PurePath) else inputs
    odd = [given] if not isinstance(given, list | tuple) else [g for g in given if not isinstance(g, str | PurePath)]
    if odd:
        raise DataError(f"The inputs are of the type {type(odd[0]).__name__}; wanted are paths or texts: "
                        "regraft.load(model).predict(x) takes DataFrames, arrays and pictures.")  # fmt: skip
    return [str(one) for one in given]
