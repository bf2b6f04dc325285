"""`predict` for a detector: the boxes on each picture, to read or as files; large pictures in tiles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from regraft.core.boxes import Found
from regraft.core.errors import ArtefactError, InputError, UnknownName, UnreadableItem
from regraft.core.files import output
from regraft.data.image.decoding import Picture
from regraft.data.image.tiling import merged, tiles
from regraft.data.image.video import frames, is_video
from regraft.data.inputs import as_items
from regraft.data.items import Items, PictureFiles
from regraft.data.names import shown
from regraft.data.writers.detections import WRITERS, Answer, record, write_found
from regraft.inference.detector import BoxPredictor, load
from regraft.models.detectors.base import BATCH

Named = tuple[str, Picture | str]


def box_answers(predictor: BoxPredictor, inputs: list[str], size: int | None = None) -> Iterator[Answer]:
    """What is found on each picture of ``inputs`` from the predictor's threshold on, in their order; videos give a
    picture a frame.

    With ``size`` a picture is looked at in overlapping tiles of at most so many pixels a side.
    """
    sources = [(text, None if is_video(text) else _items(text)) for text in inputs]
    pictures = chain.from_iterable(_pictures(text, items) for text, items in sources)
    while some := list(islice(pictures, BATCH)):
        yield from _answered(predictor, some, size)


def _items(text: str) -> Items:
    """The pictures that one argument names."""
    items = as_items(text, modality="image")
    if items.modality != "image":
        raise InputError(f"A detector takes pictures; {text} holds items of the kind {items.modality}.")
    return items


def _pictures(text: str, items: Items | None) -> Iterator[Named]:
    """The pictures of one argument, or, where that is a video, its frames."""
    if items is None:
        yield from frames(text)
    else:
        for i in range(len(items)):
            yield _loaded(text, items, i)


def _loaded(text: str, items: Items, i: int) -> Named:
    """The name of an item as its user would type it, and the picture, or why there is none."""
    name = items.name(i)
    if isinstance(items, PictureFiles):
        name = shown(text if Path(text).is_file() and Path(text).name == name else str(Path(text) / name))
    try:
        return name, items.load(i)
    except UnreadableItem as error:
        return name, str(error)


def _answered(predictor: BoxPredictor, some: list[Named], size: int | None) -> Iterator[Answer]:
    pictures = [p for _, p in some if not isinstance(p, str)]
    if size is None:
        found = iter(predictor.detector.detections(pictures, floor=predictor.threshold))
    else:
        found = (_tiled(predictor, p, size) for p in pictures)
    for name, picture in some:
        if isinstance(picture, str):
            yield Answer(name, 0, 0, Found.none(), None, picture)
        else:
            yield Answer(name, picture.shape[1], picture.shape[0], next(found), picture)


def _tiled(predictor: BoxPredictor, picture: Picture, size: int) -> Found:
    parts = tiles(picture, size)
    found = predictor.detector.detections([t.picture for t in parts], floor=predictor.threshold)
    return merged(parts, found, picture.shape[1], picture.shape[0])


def predict_boxes(
    model: str,
    inputs: list[str],
    *,
    out: str | None = None,
    form: str | None = None,
    tiles: int | None = None,
    device: str = "auto",
) -> tuple[list[dict[str, Any]], int, int]:
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
    predictor = load(model, device=device)
    counts = [0, 0]
    answers = _counted(box_answers(predictor, inputs, tiles), counts)
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
