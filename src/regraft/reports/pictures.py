"""The page of ``regraft explain`` for pictures: one file that fetches nothing."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from regraft.core.files import write_text
from regraft.data.image.drawing import thumbnail, tinted
from regraft.reports.templates import rendered

if TYPE_CHECKING:
    from regraft.explanation.pictures import PictureExplanation, PictureExplanations

SIDE, NEAR = 360, 120
WHAT = {
    "grad-cam": "what in the last map of the network speaks for the answer (Grad-CAM)",
    "rollout": "which patches reach the answer through attention, whatever the class (attention rollout)",
    "occlusion": "how far the answer falls where a window is grey (occlusion)",
}


def write_picture_explanations(path: Path, found: PictureExplanations) -> Path:
    """Writes the page: each picture beside its map, the answer, and the training pictures nearest to it."""
    rows = [{"input": p.input, "label": p.label, "probability": p.probability, "explained": p.explained,
             "plain": _source(thumbnail(p.picture, SIDE, p.box)), "map": _source(overlay(p)),
             "neighbours": [{**n, "source": _source(thumbnail(n["picture"], NEAR))} for n in p.neighbours]}
            for p in found.pictures]  # fmt: skip
    methods = list(dict.fromkeys(p.method for p in found.pictures))
    write_text(path, rendered("pictures.html.j2", f=found, rows=rows, what=[WHAT[m] for m in methods],
                              against="occlusion" in methods))  # fmt: skip
    return path


def overlay(one: PictureExplanation, side: int = SIDE) -> Image.Image:
    """A picture under its map, the longer side ``side`` pixels, see `regraft.data.image.drawing.tinted`."""
    return tinted(thumbnail(one.picture, side, one.box), one.map)


def _source(image: Image.Image) -> str:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
