"""Detectors by name, on which body, and where their released weights are found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regraft.backbones import catalog as backbones
from regraft.backbones import weights as files
from regraft.backbones.sources.package import Package
from regraft.core.errors import InputError, UnknownName, WeightsError
from regraft.core.vision import torchvision
from regraft.models.detectors import backbone_maps as trunks
from regraft.models.detectors import rcnn, ssd
from regraft.models.detectors.base import Detector, Origin
from regraft.models.detectors.coco_classes import COCO
from regraft.models.detectors.letterbox import frame_for
from regraft.models.detectors.yolo import Yolo
from regraft.models.detectors.yolox import SIZES

RELEASES = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
DEFAULT, BODY = "yolo", "mobilenet_v2"
WHOLE = {
    "fasterrcnn": ("fasterrcnn_resnet50_fpn_v2", "fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn",
                   "fasterrcnn_mobilenet_v3_large_320_fpn"),
    "ssd": ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large"),
}  # fmt: skip
"""torchvision's own detectors, with weights from COCO: they may be named as the body."""

SIDES = {"fasterrcnn": 512, "ssd": 384}


@dataclass(frozen=True)
class Row:
    """Released weights of one detector: names its file may have, best first, and where its publisher has it."""

    files: tuple[str, ...]
    url: str | None
    package: Package | None = None


def names() -> list[str]:
    """Every detector that ``--detector`` takes, the default first."""
    return [DEFAULT, *(f"yolo-{size}" for size in SIZES), *WHOLE]


def check(name: str, backbone: str | None) -> None:
    """Raises ``InputError`` where there is no such detector, or none on this body."""
    if name not in names():
        raise UnknownName("detector", name, names())
    if backbone is None or backbone in WHOLE.get(name, ()):
        return
    if name not in WHOLE:
        raise InputError(f"--backbone {backbone}: {name} has a body of its own; fasterrcnn and ssd take others.")
    for part in backbone.split("+"):
        plain = part.removeprefix("random:").partition("@")[0]
        if plain != trunks.SMALL and plain not in backbones.names():
            raise UnknownName("backbone", part, [*WHOLE[name], trunks.SMALL, *backbones.names()])


def side_of(name: str) -> int:
    """The pixels of the longer side of a picture, as the detector was made for."""
    return SIDES.get(name) or (416 if SIZES[_size(name)].width < 0.5 else 640)


def may_start_anew(name: str) -> bool:
    """Whether a detector whose weights are not on this machine is trained from random ones without being told to."""
    return name not in WHOLE


def load(
    name: str = DEFAULT,
    *,
    weights: str | Path | None = None,
    frame: tuple[int, int] | None = None,
    backbone: str | None = None,
    classes: Sequence[str] = (),
    seed: int = 0,
) -> Detector:
    """The detector with its released COCO weights or those of the file ``weights``; on a body that was trained to
    classify, its own layers are untrained and made for ``classes``.

    Raises ``UnknownName``, and ``WeightsError`` where weights are not on this machine and cannot be fetched.
    """
    check(name, backbone)
    if name in WHOLE:
        whole = backbone if backbone in WHOLE[name] else None if backbone else _at_hand(name)
        if whole is not None:
            return _of_torchvision(whole, weights, frame)
        return _on_trunk(name, backbone or BODY, classes, frame, seed, weights=weights)
    size = _size(name)
    row, path = files.find(name, [_yolox(size)], weights)
    state = _state(path, name)
    known = COCO if state.get("head.cls_preds.0.bias", torch.zeros(len(COCO))).shape[0] == len(COCO) else ()
    outputs = known or [f"class {i}" for i in range(len(state["head.cls_preds.0.bias"]))]
    return _filled(Yolo(outputs, size, frame), state, path, row)


def untrained(
    name: str,
    classes: Sequence[str],
    *,
    frame: tuple[int, int] | None = None,
    seed: int = 0,
    backbone: str | None = None,
) -> Detector:
    """The detector from random weights."""
    check(name, backbone)
    if name not in WHOLE:
        return Yolo(classes, _size(name), frame, seed)
    if backbone in WHOLE[name]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _whole(str(backbone), classes, frame)
    return _on_trunk(name, backbone or BODY, classes, frame, seed, trained=False)


def for_classes(
    name: str,
    classes: Sequence[str],
    shapes: Sequence[tuple[int, int]],
    *,
    scratch: bool = False,
    weights: str | Path | None = None,
    size: int | None = None,
    backbone: str | None = None,
    seed: int = 0,
) -> Detector:
    """A detector of ``classes`` to be trained, in a frame for pictures of these ``shapes`` (height, width) with
    ``size`` pixels on the longer side: `load` with a new last layer, whose rows are kept where names match (see
    `Detector.with_classes`), or with ``scratch`` `untrained`.

    Raises ``InputError`` where weights or size cannot be followed, and what `load` raises.
    """
    frame = frame_for(shapes, size or side_of(name))
    if scratch:
        if weights:
            raise InputError("--method scratch starts from random weights: leave out --init and --weights.")
        detector = untrained(name, classes, frame=frame, seed=seed, backbone=backbone)
    else:
        detector = load(name, weights=weights, frame=frame, backbone=backbone, classes=classes, seed=seed)
    if detector.classes != tuple(classes):  # the weights were for others
        detector.with_classes(classes)
    return ready(detector, size)


def ready(detector: Detector, size: int | None) -> Detector:
    """With weights as convolutions on CPUs take them fastest; raises ``InputError`` where it takes no such ``size``."""
    if detector.own_frame and size not in (None, max(detector.frame)):
        raise InputError(f"--size {size}: {detector.recipe['torchvision']} takes pictures of {max(detector.frame)} "
                         "pixels only; leave it out.")  # fmt: skip
    found: Detector = detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return found


def named(recipe: dict[str, Any]) -> tuple[str, str | None]:
    """The detector and the body by which `untrained` makes the network of ``recipe``."""
    if recipe["kind"] == "yolo":
        return DEFAULT if recipe["size"] == _size(DEFAULT) else f"yolo-{recipe['size']}", None
    return recipe["kind"], recipe.get("torchvision") or recipe["trunk"]


def rebuild(recipe: dict[str, Any], classes: Sequence[str], frame: tuple[int, int], seed: int = 0) -> Detector:
    """The network that ``recipe`` describes, its weights random or still to be filled in."""
    if recipe["kind"] == "yolo":
        return Yolo(classes, recipe["size"], frame, seed)
    if "torchvision" in recipe:
        return _whole(recipe["torchvision"], classes, frame)
    return _on_trunk(recipe["kind"], recipe["trunk"], classes, frame, seed, trained=False)


def _on_trunk(
    name: str,
    body: str,
    classes: Sequence[str],
    frame: tuple[int, int] | None,
    seed: int,
    *,
    weights: str | Path | None = None,
    trained: bool = True,
) -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = trunks.load(body, weights=None if weights is None else str(weights), trained=trained)
    make = rcnn.on_trunk if name == "fasterrcnn" else ssd.on_trunk
    net: Detector = make(trunk, classes, frame or (SIDES[name],) * 2, {"trunk": body.replace("random:", "")}, seed)
    pretrained = [part for part in body.split("+") if part != trunks.SMALL and not part.startswith("random:")]
    if trained and pretrained:
        net.origin = Origin(f"a body trained to classify ({body}); neck and head untrained")
    return net


def _whole(name: str, classes: Sequence[str], frame: tuple[int, int] | None) -> Detector:
    if name in WHOLE["ssd"]:
        return ssd.of_torchvision(name, classes)
    return rcnn.of_torchvision(name, classes, frame or (640, 640))


def _at_hand(name: str) -> str | None:
    """The first of torchvision's detectors of this kind whose COCO weights are on this machine."""
    rows = {whole: _torchvision_row(whole) for whole in WHOLE[name]}
    return next((w for w, row in rows.items() if next(files.local_files([row]), None)), None)


def _of_torchvision(name: str, weights: str | Path | None, frame: tuple[int, int] | None) -> Detector:
    row, path = files.find(name, [_torchvision_row(name)], weights)
    classes = torchvision.models.get_model_weights(name).DEFAULT.meta["categories"][1:]  # type: ignore[attr-defined]
    net = _whole(name, classes, frame)
    wanted = net.state_dict()
    state = {_today(k, wanted): v for k, v in _state(path, name).items()}
    return _filled(net, {k: v for k, v in state.items() if k in wanted or not k.endswith("tracked")}, path, row)


def _today(key: str, wanted: dict[str, Tensor]) -> str:
    """The name that a tensor of an older file has today: layers of proposals and pyramid lie one deeper."""
    deeper = re.sub(r"(rpn\.head\.conv|(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2", key)
    for candidate in (key, deeper, deeper.replace("rpn.head.conv.0.", "rpn.head.conv.0.0.")):
        if candidate in wanted:
            return candidate
    return key


def _torchvision_row(name: str) -> Row:
    url = torchvision.models.get_model_weights(name).DEFAULT.url  # type: ignore[attr-defined]
    file = url.rpartition("/")[2]
    return Row((file, file.replace(".pth", ".safetensors"), f"{name}_coco.safetensors", f"{name}.pth"), url)


def _filled(net: Detector, state: dict[str, Tensor], path: Path, row: Row) -> Detector:
    files.fill(net, state, path, net.kind)
    what = "COCO" if path.name in row.files else "a file of the user's, what it was trained on is not known"
    net.origin = Origin(f"{what} ({path.name}, sha256 {files.checked_sha256(path)[:12]})")
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    return net.eval()


def _state(path: Path, name: str) -> dict[str, Tensor]:
    try:
        return files.read_state(path)
    except WeightsError as error:
        if path.suffix == ".pt":
            raise WeightsError(
                f"{error} If it is a model of Ultralytics: train --detector {name} on the same data instead; their "
                "yaml and label files are taken as they are."
            ) from error
        raise


def _size(name: str) -> str:
    if name not in names():
        raise UnknownName("detector", name, names())
    return name.partition("-")[2] or "nano"


def _yolox(size: str) -> Row:
    endings = (".safetensors", ".pth")
    found = tuple(f"yolox_{size}{middle}{ending}" for ending in endings for middle in ("_coco", ""))
    return Row(found, f"{RELEASES}/yolox_{size}.pth")
