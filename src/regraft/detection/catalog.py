"""Detectors by name, and where their released weights are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from regraft.backbones import weights as files
from regraft.detection.base import Detector, Origin
from regraft.detection.coco import COCO
from regraft.detection.yolo import Yolo
from regraft.detection.yolox import SIZES
from regraft.errors import InputError, UnknownName, WeightsError

NONE = Path(__file__).parent / "weights"
RELEASES = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
DEFAULT = "yolo"


@dataclass(frozen=True)
class Row:
    """Released weights of one detector: names its file may have, best first, and where its publisher has it."""

    files: tuple[str, ...]
    url: str | None
    licence: str


def names() -> list[str]:
    """Every detector that ``--detector`` takes, the default first."""
    return [DEFAULT, *(f"yolo-{size}" for size in SIZES)]


def check(name: str, backbone: str | None) -> None:
    """Raises ``InputError`` where there is no such detector, or none on this body."""
    _size(name)
    if backbone is not None:
        raise InputError(f"--backbone {backbone}: {name} has a body of its own; fasterrcnn and ssd take others.")


def side_of(name: str) -> int:
    """The pixels of the longer side of a picture, as the detector was made for."""
    return 416 if SIZES[_size(name)].width < 0.5 else 640


def may_start_anew(name: str) -> bool:
    """Whether a detector whose weights are not on this machine is trained from random ones without being told to."""
    return name.startswith(DEFAULT)


def load(
    name: str = DEFAULT,
    *,
    weights: str | Path | None = None,
    frame: tuple[int, int] | None = None,
    backbone: str | None = None,
) -> Detector:
    """The detector with its released COCO weights, or those of the file ``weights``.

    Raises ``UnknownName``, and ``WeightsError`` where they are not on this machine and cannot be fetched.
    """
    size = _size(name)
    path = files.find(name, [_yolox(size)], weights, embedded=NONE)[1]
    try:
        state = files.read_state(path)
    except WeightsError as error:
        if path.suffix == ".pt":
            raise WeightsError(
                f"{error} If it is a model of Ultralytics: train --detector {name} on the same data instead, which "
                "takes their yaml and label files as they are."
            ) from error
        raise
    outputs = state.get("head.cls_preds.0.bias", torch.zeros(len(COCO))).shape[0]
    classes = COCO if outputs == len(COCO) else tuple(f"class {i}" for i in range(outputs))
    net = Yolo(classes, size, frame)
    files.fill(net, state, path, f"yolox_{size}")
    net.origin = Origin(f"COCO ({path.name}, sha256 {files.checked_sha256(path)[:12]})")
    return net.eval()


def untrained(
    name: str,
    classes: Sequence[str],
    *,
    frame: tuple[int, int] | None = None,
    seed: int = 0,
    backbone: str | None = None,
) -> Detector:
    """The detector from random weights."""
    return Yolo(classes, _size(name), frame, seed)


def rebuild(recipe: dict[str, Any], classes: Sequence[str], frame: tuple[int, int]) -> Detector:
    """The network that ``recipe`` describes, its weights still to be filled in."""
    return Yolo(classes, recipe["size"], frame)


def _size(name: str) -> str:
    if name not in names():
        raise UnknownName("detector", name, names())
    return name.partition("-")[2] or "nano"


def _yolox(size: str) -> Row:
    endings = (".safetensors", ".pth")
    found = tuple(f"yolox_{size}{middle}{ending}" for ending in endings for middle in ("_coco", ""))
    return Row(found, f"{RELEASES}/yolox_{size}.pth", "Apache-2.0")
