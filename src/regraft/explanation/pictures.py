"""Why a picture got its answer: a map over the picture of what the model goes by, and what it has learned from that
looks like it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regraft.core.arrays import stack_rows
from regraft.core.errors import InputError, UnknownName
from regraft.core.types import PreprocessSpec
from regraft.data.image.decoding import Picture, fit
from regraft.data.items import Items, picture_array
from regraft.data.transforms.loaders import load_item
from regraft.explanation import attribution
from regraft.explanation.occlusion import log_odds
from regraft.features.engines.torch import TorchEngine
from regraft.features.fusion import parts_of
from regraft.inference.predictor import Predictor

LONGEST = 640
METHODS = ("auto", "grad-cam", "rollout", "occlusion")


@dataclass(frozen=True)
class PictureExplanation:
    """Why a picture got its ``label`` (a class, or a number in words), with its probability (None for numbers), by
    ``method``. ``explained`` is the class that the map is of. ``map`` (h, w) lies over the whole ``picture`` (uint8),
    1 where the answer goes by it most, 0 where it does not; of occlusion down to -1, what speaks against.
    ``neighbours`` are the training items nearest in features: ``input``, ``label``, ``similarity`` (cosine), and the
    ``picture``. ``box`` is the box explained, of a detector.
    """

    input: str
    label: str
    probability: float | None
    explained: str
    method: str
    map: NDArray[np.float64]
    picture: Picture
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    box: list[float] | None = None

    def record(self) -> dict[str, Any]:
        """The same for JSON, without the pixels: the map in at most 32 x 32 places, each the mean of what it covers."""
        some = [{k: v for k, v in n.items() if k != "picture"} for n in self.neighbours]
        small = resized(self.map, *(min(32, s) for s in self.map.shape))
        return {"input": self.input, "label": self.label, "probability": self.probability, "explained": self.explained,
                "method": self.method, "map": small.round(4), "neighbours": some, "box": self.box}  # fmt: skip


@dataclass(frozen=True)
class PictureExplanations:
    """Why pictures got their answers. ``warning`` says where the model was not shown to be better than its controls,
    ``notes`` what was left out.
    """

    model: str
    pictures: list[PictureExplanation]
    notes: list[str] = field(default_factory=list)
    warning: str | None = None
    out: str | None = None

    def record(self) -> dict[str, Any]:
        """The same for JSON, without pixels."""
        return {"model": self.model, "pictures": [p.record() for p in self.pictures], "notes": self.notes,
                "warning": self.warning, "out": self.out}  # fmt: skip


def resized(found: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """A map at another size, bilinear; made smaller, each place is the mean of what it covers."""
    x = torch.from_numpy(np.ascontiguousarray(found))[None, None]
    y = torch.nn.functional.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)
    made: NDArray[np.float64] = y[0, 0].numpy()
    return made


def place(spec: PreprocessSpec, height: int, width: int) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of what the network sees of a picture: all of it, or the middle that is cut out. What
    lies beyond the picture is padding.
    """
    if spec.resize is None:
        return 0, 0, height, width
    by = min(height, width) / spec.resize
    high, wide = spec.height * by, spec.width * by
    top, left = round((height - high) / 2), round((width - wide) / 2)
    return top, left, top + round(high), left + round(wide)


def laid_over(found: NDArray[np.float64], spec: PreprocessSpec, height: int, width: int) -> NDArray[np.float64]:
    """A map of what the network sees as one of the whole picture, 0 where the network does not look."""
    top, left, bottom, right = place(spec, height, width)
    seen = resized(found, bottom - top, right - left)
    whole = np.zeros((height, width))
    inside = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    whole[inside] = seen[inside[0].start - top : inside[0].stop - top, inside[1].start - left : inside[1].stop - left]
    return whole


def scaled(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The map with 1 (or -1) as its strongest."""
    strongest = float(np.abs(found).max(initial=0.0))
    return found / strongest if strongest > 0 else found


class MapMaker:
    """Maps of what a model goes by, by one of ``METHODS``, ``auto`` by the kind of its network. Raises ``InputError``
    where the network has nothing that the method could look at.
    """

    def __init__(self, predictor: Predictor, method: str = "auto") -> None:
        if method not in METHODS:
            raise UnknownName("method of explaining", method, METHODS)
        self.predictor, self.model = predictor, predictor.model
        network = self.model.network
        self.spec, alone = network.spec, len(parts_of(network)) == 1
        body = network.body if alone else None
        self.parts = attribution.halves(body, network.example()) if body is not None else None
        attends = body is not None and self.parts is None and bool(attribution.attention_layers(body))
        able = ["grad-cam"] * (self.parts is not None) + ["rollout"] * attends + ["occlusion"]
        if method not in ("auto", *able):
            wants = "maps of places" if method == "grad-cam" else "attention among all patches"
            raise InputError(f"--method {method} needs {wants}, and {network.name} has none; take "
                             f"{' or '.join(able)}.")  # fmt: skip
        self.method = able[0] if method == "auto" else method
        self.engine = TorchEngine(network, predictor.runner.device) if self.method != "occlusion" else None

    def __call__(self, picture: Picture, output: int) -> NDArray[np.float64]:
        """(h, w) the map over the picture of the model's output number ``output``."""
        height, width = picture.shape[:2]
        if self.engine is None:
            return scaled(_occluded(self.predictor, picture, output))
        x = self.engine.normalise(np.array(fit(picture, self.spec))[None])
        if self.parts is not None:
            found = attribution.grad_cam(self.parts, lambda f: self._score(f, output), x)
        else:
            found = attribution.rollout(self.model.network.body, x)
            found = found - found.min()
        return scaled(laid_over(found, self.spec, height, width))

    def _score(self, features: Tensor, output: int) -> Tensor:
        """A logit of the head, or the number that is given."""
        head: Any = self.model.head
        found: Tensor = head(features.to(head.mean.device, head.mean.dtype))[0, output]
        return found


def windowed(picture: Picture) -> tuple[list[Picture], list[tuple[int, int, int, int]]]:
    """The picture, then one for each of the windows, with the picture's mean colour in it; and the windows."""
    boxes = attribution.windows(*picture.shape[:2])
    colour = picture.reshape(-1, *picture.shape[2:]).mean(0).round().astype(np.uint8)
    made = [picture]
    for top, left, bottom, right in boxes:
        made.append(picture.copy())
        made[-1][top:bottom, left:right] = colour
    return made, boxes


def small(picture: Picture) -> tuple[Picture, float]:
    """The picture with its longer side at most ``LONGEST`` pixels, so that its many copies fit; and by how much."""
    by = min(1.0, LONGEST / max(picture.shape[:2]))
    height, width = (max(1, round(v * by)) for v in picture.shape[:2])
    return (picture if by == 1.0 else fit(picture, replace(PreprocessSpec(), height=height, width=width))), by


def _occluded(predictor: Predictor, picture: Picture, output: int) -> NDArray[np.float64]:
    """How far the log-odds of a class, or a number, fall where a window is grey."""
    height, width = picture.shape[:2]
    made, boxes = windowed(small(picture)[0])
    rows = list(predictor.runner.stream(picture_array(np.stack(made), "windows"), "windows made grey"))
    logits = predictor.model.logits(stack_rows([r.rows for r in rows])).astype(np.float64)
    told = logits[:, output] if predictor.model.numbers else log_odds(logits, predictor.model.several)[:, output]
    found = attribution.occlusion(told[0] - told[1:], boxes, *made[0].shape[:2])
    return resized(found, height, width)


def explained(maker: MapMaker, items: Items, label: str | None = None) -> Iterator[PictureExplanation]:
    """An explanation of each of ``items``, of what the model says or of the class ``label``. Raises ``UnknownName`` for
    a class that the model does not know, ``InputError`` for a picture that cannot be read.
    """
    model, classes = maker.model, maker.model.target.classes
    if label is not None and label not in classes:
        raise UnknownName("class", label, classes) if not model.numbers else InputError(
            f"--class {label}: the model gives numbers.")  # fmt: skip
    for answers in maker.predictor.stream(items):
        for i, why in answers.failed.items():
            raise InputError(f"{items.name(i)} cannot be used: {why}.")
        said = model.answers(answers.probabilities)
        for i, answer, p in zip(answers.positions.tolist(), said, answers.probabilities, strict=True):
            picture = load_item(items, i)
            output = 0 if model.numbers else classes.index(label) if label is not None else int(p.argmax())
            name = model.target_name if model.numbers else classes[output]
            yield PictureExplanation(items.name(i), answer, None if model.numbers else float(p[output]), name,
                                     maker.method, maker(picture, output), picture)  # fmt: skip
