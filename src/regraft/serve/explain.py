"""Why one item got its answer, by `regraft.explanation`: a map over a picture, or the words of a text."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from regraft.core.errors import InputError, UnknownName
from regraft.data.image.decoding import Picture
from regraft.data.image.drawing import thumbnail, tinted
from regraft.data.items import PictureArray
from regraft.explanation.boxes import explained_boxes
from regraft.explanation.occlusion import effects_of_words
from regraft.explanation.pictures import MapMaker, PictureExplanation, explained
from regraft.inference.detector import BoxPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.serve.inputs import Given, text_of
from regraft.serve.lanes import LONGEST_TEXT, decoded
from regraft.serve.models import Served

SIDE, LONGEST = 480, 2000
"""The longer side of the map that is sent, and of the picture that is explained, in pixels."""


def why(served: Served, given: Given, label: str | None, box: int | None) -> dict[str, Any]:
    """What `/explain` answers. Raises ``InputError`` where there is nothing to explain, or not so."""
    predictor = served.predictor
    if not served.explains:
        raise InputError(f"{served.name} is not explained: that is for pictures, and for texts with classes.")
    if box is not None and not isinstance(predictor, BoxPredictor):
        raise InputError(f"box is for detectors, and {served.name} is none.")
    assert not isinstance(predictor, TaskPredictor)
    if predictor.modality == "text":
        assert not isinstance(predictor, BoxPredictor)
        found = effects_of_words(predictor, text_of(given, LONGEST_TEXT))
        one = next((c for c in found.classes if label in (None, c.label)), None)
        if one is None:
            raise InputError(f"The words are told of {', '.join(c.label for c in found.classes) or 'no class'}, not of "
                             f"{str(label)[:80]!r}.")  # fmt: skip
        words = [{"word": w.word, "effect": w.effect, "start": w.start, "end": w.end} for w in one.words]
        return {"model": served.name, "method": "occlusion", "label": one.label, "probability": one.probability,
                "words": words}  # fmt: skip
    items = PictureArray(_shrunk(decoded(given, served.limits.pixels))[None], [given.name])
    if isinstance(predictor, BoxPredictor):
        if label is not None:
            raise InputError(f"{served.name} is a detector: box names what is explained, the best being 1.")
        made = next(iter(explained_boxes(predictor, items, 1 if box is None else box)))
    else:
        if label is not None and not predictor.model.numbers and label not in predictor.model.target.classes:
            raise UnknownName("class", label[:80], predictor.model.target.classes)
        made = next(iter(explained(MapMaker(predictor), items, label)))
    return {"model": served.name, "method": made.method, "label": made.explained, "answer": made.label,
            "probability": made.probability, "map": _drawn(made)}  # fmt: skip


def _shrunk(picture: Picture) -> Picture:
    """The picture itself, or a smaller one where it is so large that its map would be too."""
    if max(picture.shape[:2]) <= LONGEST:
        return picture
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST, LONGEST))
    return np.asarray(image)


def _drawn(one: PictureExplanation) -> str:
    """The picture under its map, as the address of a PNG that holds itself."""
    held = io.BytesIO()
    tinted(thumbnail(one.picture, SIDE, one.box), one.map).save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
