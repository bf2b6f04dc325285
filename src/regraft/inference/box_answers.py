"""`predict` for a detector: the boxes on each picture, to read or as files; large pictures in tiles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import chain
from typing import Any

from regraft.core.errors import ArtefactError, InputError, UnknownName
from regraft.core.files import output
from regraft.data.image.video import frames, is_video
from regraft.data.inputs import as_items
from regraft.data.items import Items, JoinedItems
from regraft.data.writers.detections import WRITERS, Answer, record, write_found
from regraft.inference.detector import BoxPredictor
from regraft.inference.streaming import as_typed
from regraft.models.detectors.apply import DetectorRunner, Framed, Named, loaded


def box_answers(
    predictor: BoxPredictor, inputs: list[str], size: int | None = None, *, keep: bool = False
) -> Iterator[Answer]:
    """What is found on each picture of ``inputs`` from the predictor's threshold on, in their order; videos give a
    picture a frame.

    With ``size`` a picture is looked at in overlapping tiles of at most so many pixels a side. With ``keep`` the
    answers hold the pictures.
    """
    runner, sources = predictor.runner, [(text, None if is_video(text) else _items(text)) for text in inputs]
    files = [items for _, items in sources if items is not None]
    if files and size is None:
        runner.settle(reduce(JoinedItems, files))
    if size is not None:
        for text, items in sources:
            yield from (runner.tiled(*one, size, predictor.threshold) for one in _pictures(text, items))
        return
    framed = chain.from_iterable(_framed(runner, text, items, keep) for text, items in sources)
    yield from runner.answers(framed, predictor.threshold)


def _framed(runner: DetectorRunner, text: str, items: Items | None, keep: bool) -> Iterator[Framed]:
    """The pictures of one argument in their frames."""
    if items is None:
        yield from (runner.in_frame(name, picture, keep) for name, picture in frames(text))
    else:
        for one in runner.framed(items, keep):
            yield one._replace(name=as_typed(text, one.name, items))


def _items(text: str) -> Items:
    """The pictures that one argument names."""
    items = as_items(text, modality="image")
    if items.modality != "image":
        raise InputError(f"A detector takes pictures; {text} holds items of the kind {items.modality}.")
    return items


def _pictures(text: str, items: Items | None) -> Iterator[Named]:
    """The pictures of one argument, named as its user would type them, or, where that is a video, its frames."""
    if items is None:
        yield from frames(text)
    else:
        for name, picture in (loaded(items, i) for i in range(len(items))):
            yield as_typed(text, name, items), picture


def predict_boxes(
    predictor: BoxPredictor, inputs: list[str], *, out: str | None = None, form: str | None = None,
    tiles: int | None = None,
) -> tuple[list[dict[str, Any]], int, int]:  # fmt: skip
    """The records of all pictures (none where they went to the folder ``out`` as ``form``), how many there were, and
    how many could not be read.
    """
    if form is not None and form not in WRITERS:
        raise UnknownName("format", form, WRITERS)
    if out is None and form is not None:
        raise InputError(f"--as {form} needs --out, the folder to make.")
    folder = None if out is None else output(out)
    if folder is not None and folder.exists():
        raise ArtefactError(f"{out} exists: choose another --out; nothing was touched.")
    counts = [0, 0]
    answers = _counted(box_answers(predictor, inputs, tiles, keep=form == "pictures"), counts)
    if folder is None:
        rows = [record(answer, predictor.detector.classes) for answer in answers]
        return rows, counts[0], counts[1]
    write_found(answers, predictor.detector.classes, folder, form or "json")
    return [], counts[0], counts[1]


def _counted(answers: Iterator[Answer], counts: list[int]) -> Iterator[Answer]:
    for answer in answers:
        counts[0] += 1
        counts[1] += bool(answer.error)
        yield answer
