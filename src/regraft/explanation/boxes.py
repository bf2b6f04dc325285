"""Why a detector found a box: how far its score falls where a window of the picture is grey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Found, iou
from regraft.core.errors import InputError
from regraft.data.image.decoding import Picture
from regraft.data.items import Items
from regraft.data.transforms.loaders import load_item
from regraft.explanation import attribution
from regraft.explanation.pictures import PictureExplanation, resized, scaled, small, windowed
from regraft.inference.detector import BoxPredictor
from regraft.models.detectors.base import BATCH, FLOOR


def explained_boxes(predictor: BoxPredictor, items: Items, number: int = 1) -> Iterator[PictureExplanation]:
    """An explanation of the box ``number`` of each picture, the first being that of the best score. Raises
    ``InputError`` where a picture has not so many.
    """
    for i in range(len(items)):
        picture = load_item(items, i)
        [found] = predictor.detector.detections([picture], floor=predictor.threshold)
        if len(found) < number:
            raise InputError(f"{items.name(i)}: there is no box {number} to explain; boxes that are sure enough to be "
                             f"shown: {len(found)}.")  # fmt: skip
        box, name = found.take(np.array([number - 1])), predictor.detector.classes[int(found.labels[number - 1])]
        yield PictureExplanation(items.name(i), name, float(box.scores[0]), name, "occlusion",
                                 scaled(_occluded(predictor, picture, box)), picture,
                                 box=[float(v) for v in box.xyxy[0]])  # fmt: skip


def _occluded(predictor: BoxPredictor, picture: Picture, box: Found) -> NDArray[np.float64]:
    """How far the best score of the class falls, times how well its box lies on this one (Petsiuk et al. 2021,
    https://arxiv.org/abs/2006.03204, equation 3).
    """
    height, width = picture.shape[:2]
    one, by = small(picture)
    made, windows = windowed(one)
    there, least = replace(box, xyxy=box.xyxy * by), min(FLOOR, predictor.threshold)
    scores = np.array([_alike(f, there) for start in range(0, len(made), BATCH)
                       for f in predictor.detector.detections(made[start : start + BATCH], floor=least)])  # fmt: skip
    return resized(attribution.occlusion(scores[0] - scores[1:], windows, *one.shape[:2]), height, width)


def _alike(found: Found, box: Found) -> float:
    same = found.take(found.labels == box.labels[0])
    return float((same.scores * iou(same.xyxy, box.xyxy)[:, 0]).max(initial=0.0)) if len(same) else 0.0
