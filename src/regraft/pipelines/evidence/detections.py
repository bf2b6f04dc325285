"""What a report shows beside the figures of a detector: everything found, and pictures of the best and worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regraft.core.boxes import Boxes, Found
from regraft.core.errors import UnreadableItem
from regraft.core.files import new_file, write_json
from regraft.data.dataset import Dataset
from regraft.data.image.decoding import Picture
from regraft.data.image.drawing import draw_boxes, draw_found
from regraft.data.transforms.augment_boxes import resized
from regraft.metrics.detection_errors import picture_quality
from regraft.pipelines.evidence.judged import write_judged

SIDE, GAP, WORST, BEST = 440, 6, 8, 4


def write_detections(
    folder: Path, data: Dataset, found: Sequence[Found], threshold: float, groups: NDArray[Any] | None = None
) -> None:
    """Writes ``detections.json``, ``judged.csv`` and the pictures of ``shown/`` into a run folder; see
    `regraft.reports.detection`.

    ``found`` lines up with the items of ``data``, with boxes of low scores too; ``threshold`` is that from which boxes
    are shown.
    """
    write_judged(folder, data.items, range(len(data)), groups)
    truth: list[Boxes] = list(data.y)
    pictures = [
        {"input": data.items.name(i), "truth": {"xyxy": t.xyxy.round(3), "labels": t.labels, "crowd": t.crowd,
                   "difficult": t.difficult},
         "found": {"xyxy": f.xyxy.round(3), "scores": f.scores, "labels": f.labels}}
        for i, (t, f) in enumerate(zip(truth, found, strict=True))
    ]  # fmt: skip
    shown = _shown(folder / "shown", data, truth, found, threshold)
    record = {"classes": data.classes, "threshold": threshold, "pictures": pictures, "shown": shown}
    write_json(folder / "detections.json", record)


def _shown(
    folder: Path, data: Dataset, truth: list[Boxes], found: Sequence[Found], threshold: float
) -> list[dict[str, object]]:
    """The worst pictures, then the best, those with many boxes first: the truth on the left, what is found beside."""
    quality = np.array([picture_quality(t, f, threshold) for t, f in zip(truth, found, strict=True)])
    order = np.lexsort((-np.array([len(t) for t in truth]), quality)).tolist()
    best = sorted(order[WORST:], key=lambda i: (-quality[i], -len(truth[i])))[:BEST]
    folder.mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    for i in [*order[:WORST], *best]:
        try:
            picture = data.items.load(i)
        except UnreadableItem:
            continue
        file = f"{len(rows):02d}.jpg"
        pair = side_by_side(picture, truth[i], found[i].above(threshold), data.classes)
        with new_file(folder / file) as temporary:
            pair.save(temporary, "JPEG", quality=82)
        rows.append({"file": file, "input": data.items.name(i), "f1": float(quality[i]), "boxes": len(truth[i]),
                     "found": len(found[i].above(threshold)), "best": i in best})  # fmt: skip
    return rows


def side_by_side(picture: Picture, truth: Boxes, found: Found, classes: Sequence[str]) -> Image.Image:
    """A picture twice, at most ``SIDE`` pixels a side: with its true boxes, and with those found."""
    grey = picture.shape[2:] != (3,)
    colour = np.repeat(picture.reshape(*picture.shape[:2], -1)[:, :, :1], 3, 2) if grey else picture
    by = min(1.0, SIDE / max(picture.shape[:2]))
    height, width = (max(1, round(v * by)) for v in picture.shape[:2])
    small = resized(colour, width, height)
    left = draw_boxes(small, replace(truth, xyxy=truth.xyxy * by), classes)
    right = draw_found(small, replace(found, xyxy=found.xyxy * by), classes)
    pair = Image.new("RGB", (2 * width + GAP, height), "white")
    pair.paste(left, (0, 0))
    pair.paste(right, (width + GAP, 0))
    return pair
