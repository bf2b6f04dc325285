"""``regraft explain``: what each word of a text, or each place of a picture, does to the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core.errors import InputError
from regraft.core.files import checked_page
from regraft.core.runtime import set_threads
from regraft.explanation.occlusion import Explanation, effects_of_words
from regraft.explanation.pictures import MapMaker, PictureExplanation, PictureExplanations, explained
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor, load, load_any, of_texts
from regraft.inference.multi_task import TaskPredictor
from regraft.models.card import no_gain
from regraft.reports.insights import write_explanation
from regraft.reports.pictures import write_picture_explanations

MOST = 60
"""Pictures on one page."""


def explain(
    model: str,
    text: Any,
    *,
    method: str = "auto",
    label: str | None = None,
    box: int | None = None,
    out: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    backbone: Any = None,
) -> Explanation | PictureExplanations:
    """Of a text: leaves each word out in turn; its effect is how far the log-odds of the class fall. For a model of
    pictures ``text`` is a path, a folder, or what `predict` takes: a map of what each answer goes by, and the training
    pictures nearest in features.

    ``method`` is for pictures: ``grad-cam`` (networks with maps), ``rollout`` (transformers), ``occlusion`` (any
    network), by default the first that can be. ``label`` is the class to explain in place of the one answered, ``box``
    the number of the box that a detector found, the best being 1. ``out`` is a page (.html). ``backbone`` is as for
    `regraft.load`. Raises ``InputError``.
    """
    page = checked_page(out)
    set_threads(threads)
    predictor = load_any(model, engine=engine, device=device, backbone=backbone)
    if isinstance(predictor, TaskPredictor):
        load(model)  # says which tasks there are to choose from
    elif predictor.modality == "image":
        found = _of_pictures(predictor, model, text, method, label, box)
        return replace(found, out=str(write_picture_explanations(page, found))) if page else found
    for name, given in (("method", method != "auto"), ("label", label), ("box", box)):
        if given:
            raise InputError(f"--{name} is for pictures, and {model} is no model of pictures.")
    assert not isinstance(predictor, TaskPredictor | BoxPredictor)
    texts = of_texts(predictor, model, reads="explain takes texts and pictures", tells="explain explains classes")
    said = replace(effects_of_words(texts, text), model=model)
    return replace(said, out=str(write_explanation(page, said))) if page else said


def _of_pictures(
    predictor: AnyPredictor, model: str, given: Any, method: str, label: str | None, box: int | None
) -> PictureExplanations:
    items, notes = predictor.items(given), list[str]()
    if not len(items):
        raise InputError(f"{given} holds no picture to explain.")
    if len(items) > MOST:
        notes.append(f"the first {MOST} of {len(items):,} pictures are explained")
        items = items.take(np.arange(MOST))
    made: Iterator[PictureExplanation]
    if isinstance(predictor, BoxPredictor):
        from regraft.explanation.boxes import explained_boxes

        if label is not None or method not in ("auto", "occlusion"):
            raise InputError(f"{model} is a detector: its boxes are explained by occlusion; --box N names which.")
        made, warning = explained_boxes(predictor, items, 1 if box is None else box), None
    else:
        assert not isinstance(predictor, TaskPredictor)
        if box is not None:
            raise InputError(f"--box {box} is for detectors, and {model} is none.")
        maker, warning = MapMaker(predictor, method), no_gain(predictor.manifest["record"])
        made = explained(maker, items, label)
        try:
            made = _with_neighbours(made, model, maker, items)
        except InputError as error:
            notes.append(f"no training pictures are shown: {error}")
    return PictureExplanations(model, list(made), notes, warning)


def _with_neighbours(
    made: Iterator[PictureExplanation], model: str, maker: MapMaker, items: Any
) -> Iterator[PictureExplanation]:
    """Each with the training pictures nearest to it. Raises ``InputError`` where these are no longer to be found."""
    from regraft.explanation.neighbours import Neighbours

    known = Neighbours(maker.predictor, model)
    return (replace(one, neighbours=known.of(items, i)) for i, one in enumerate(made))
