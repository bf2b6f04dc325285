"""From what an annotation file says to a detection `Dataset`: boxes checked, clipped, turned as their picture is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Boxes, areas, clip
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import LabelSpec, Problem
from regraft.data.dataset import Dataset
from regraft.data.image.decoding import SUFFIXES, Shape, shape_of
from regraft.data.items import PictureFiles
from regraft.data.trees import Tree

ROUNDING = 1.0
MANY = 100
BACKGROUND = ("background", "__background__", "_background_")


@dataclass
class Annotated:
    """A picture as its annotations describe it.

    ``path`` lies in the tree; ``xyxy``, one list of four numbers a box, are in pixels, or in shares of the picture's
    sides where ``shares`` says so; ``labels`` are class names; ``size`` is the (width, height) that the annotations
    claim, where they do. ``gone`` says why there is no such picture, where there is none.
    """

    path: str
    part: str = ""
    xyxy: list[Sequence[float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    size: tuple[float, float] | None = None
    shares: bool = False
    gone: Problem | None = None

    def add(self, xyxy: Sequence[float], label: str, crowd: bool = False) -> None:
        self.xyxy.append(xyxy)
        self.labels.append(label)
        self.crowd.append(crowd)


def is_picture(name: str) -> bool:
    """Whether a file's name ends as those of pictures do."""
    return "." + name.rpartition(".")[2].lower() in SUFFIXES


def are_shares(values: Iterable[float]) -> bool:
    """Whether the numbers of boxes are shares of the picture's sides: none above 1, and not all of them whole."""
    some = [v for v in values if math.isfinite(v)]
    return bool(some) and max(some) <= 1 and any(v % 1 for v in some)


def detection_dataset(
    name: str, tree: Tree, pictures: Sequence[Annotated], classes: Sequence[str], *, root: str = "", format: str,
    evidence: str, problems: Sequence[Problem] = (),
) -> Dataset:  # fmt: skip
    """A `Dataset` whose only target, ``boxes``, holds the `Boxes` of each picture.

    ``classes`` in the order of their indices; a background class without boxes is left out. What is wrong is listed and
    set aside: pictures that are missing or cannot be read, boxes without area or wholly outside, those that are there
    twice. Raises ``DataError`` where no picture is left.
    """
    found = [*tree.problems, *problems]
    used = {label for picture in pictures for label in picture.labels}
    kept = tuple(c for c in classes if c in used or c.lower() not in BACKGROUND)
    position = {c: i for i, c in enumerate(kept)}
    paths, boxes, parts = [], [], []
    found += [picture.gone for picture in pictures if picture.gone]
    for path, described in _by_path(pictures).items():
        called = path.removeprefix(root)
        try:
            shape = shape_of(tree.read(path))
        except UnreadableItem as error:
            found.append(Problem("unreadable", called, f"{error}; it is set aside"))
            continue
        parts.append(_one_part(described, called, found))
        labels = np.array([position[label] for one in described for label in one.labels], np.int64)
        xyxy = np.concatenate([upright(one, shape, called, found) for one in described])
        crowd = np.array([c for one in described for c in one.crowd], bool)
        difficult = crowd & (format == "voc")  # what VOC marks is no crowd, but one object
        boxes.append(checked(Boxes(xyxy, labels, crowd, difficult), shape, kept, called, found))
        paths.append(path)
    if not paths:
        lost = [p for p in found if p.kind in ("missing-file", "ambiguous-file", "unreadable")] or found
        why = f"; {lost[0].item}: {lost[0].message}" if lost else ""
        raise DataError(f"{name} names {len(pictures)} pictures and none of them can be read{why}.")
    values = np.empty(len(boxes), object)
    values[:] = boxes
    _class_problems(values, np.array(parts), kept, found)
    return Dataset(
        name, PictureFiles(tree, paths, root), {"boxes": LabelSpec("detection", kept)}, {"boxes": values},
        np.array(parts, dtype=str), format=format, evidence=evidence, problems=tuple(found),
    )  # fmt: skip


def _by_path(pictures: Sequence[Annotated]) -> dict[str, list[Annotated]]:
    """Each picture that is there with all that describes it."""
    by_path: dict[str, list[Annotated]] = {}
    for one in pictures:
        if not one.gone:
            by_path.setdefault(one.path, []).append(one)
    return by_path


def _one_part(described: Sequence[Annotated], called: str, found: list[Problem]) -> str:
    """The part of a picture: of two, the one that is not train, so that nothing is learned from what judges."""
    parts = list(dict.fromkeys(one.part for one in described))
    if len(described) > 1:
        found.append(Problem("described-twice", called, "is described twice; its boxes are taken together"))
    part = min(parts, key=lambda p: ("val", "test", "train", "").index(p))
    if len(parts) > 1:
        text = f"is in {' and in '.join(p or 'no part' for p in parts)}; it counts to {part}"
        found.append(Problem("same-part", called, text))
    return part


def unnamed(paths: Sequence[str], pictures: Sequence[Annotated], root: str, file: str) -> list[Problem]:
    """One problem for the pictures that no ``file`` names, where there are some."""
    named = {p.path for p in pictures}
    rest = [p.removeprefix(root) for p in paths if p not in named]
    if not rest:
        return []
    text = f"{len(rest)} pictures stand in no {file}: {', '.join(rest[:3])}{', ...' if len(rest) > 3 else ''}; left out"
    return [Problem("no-annotation", rest[0], text)]


def upright(picture: Annotated, shape: Shape, called: str, found: list[Problem]) -> NDArray[np.float64]:
    """(k, 4) in pixels of the upright picture."""
    xyxy = np.array(picture.xyxy, np.float64).reshape(-1, 4)
    if picture.shares:
        return xyxy * [shape.width, shape.height, shape.width, shape.height]
    if picture.size is None or picture.size == (shape.width, shape.height):
        return xyxy
    if shape.orientation in (5, 6, 7, 8) and picture.size == (shape.height, shape.width):
        return turned(xyxy, shape)
    width, height = picture.size
    text = f"is {shape.width} x {shape.height} pixels large, and its annotations say {width:g} x {height:g}"
    found.append(Problem("wrong-size", called, text))
    return xyxy


def turned(xyxy: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Boxes (k, 4) drawn on a picture as it is stored -> the same on the upright one, by its EXIF orientation (2-8)."""
    x, y = xyxy[:, 0::2], xyxy[:, 1::2]
    width, height = shape.width, shape.height
    x, y = {
        1: (x, y), 2: (width - x, y), 3: (width - x, height - y), 4: (x, height - y),
        5: (y, x), 6: (width - y, x), 7: (width - y, height - x), 8: (y, height - x),
    }[shape.orientation]  # fmt: skip
    return np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], 1) if len(xyxy) else xyxy


def checked(boxes: Boxes, shape: Shape, classes: Sequence[str], called: str, found: list[Problem]) -> Boxes:
    """The boxes that can be learned from, clipped to the picture; what was wrong is added to ``found``."""
    xyxy = boxes.xyxy
    finite = np.asarray(np.isfinite(xyxy).all(1))
    numbers = np.where(finite[:, None], xyxy, 0.0)
    area = areas(numbers)
    inside = clip(numbers, shape.width, shape.height)
    beyond = np.abs(inside - numbers).max(1, initial=0.0)
    visible = areas(inside) > 0
    keep = finite & (area > 0) & visible
    for i in np.flatnonzero(~keep | (beyond > ROUNDING)):
        what = f"a box of {classes[boxes.labels[i]]} at ({', '.join(f'{v:g}' for v in xyxy[i])})"
        if not finite[i]:
            found.append(Problem("no-number", called, f"{what} is not all numbers; set aside"))
        elif area[i] <= 0:
            found.append(Problem("no-area", called, f"{what} has no area; set aside"))
        elif not visible[i]:
            found.append(Problem("outside", called, f"{what} lies outside the picture; set aside"))
        else:
            found.append(Problem("outside", called, f"{what} reaches {beyond[i]:g} pixels beyond the picture; clipped"))
    clipped = replace(boxes, xyxy=inside).take(keep)
    once = _without_copies(clipped, classes, called, found)
    if len(once) > MANY:
        text = f"has {len(once)} boxes: COCO's figures look at the best {MANY} found of each class"
        found.append(Problem("many-boxes", called, text))
    return once


def _without_copies(boxes: Boxes, classes: Sequence[str], called: str, found: list[Problem]) -> Boxes:
    """Boxes that are there twice once; those of two classes are listed and stay."""
    if len(boxes) < 2:
        return boxes
    places, at = np.unique(boxes.xyxy.round(3), axis=0, return_inverse=True)
    if len(places) == len(boxes):
        return boxes
    at = at.reshape(-1)
    _, first = np.unique(np.stack([at, boxes.labels, boxes.crowd], 1), axis=0, return_index=True)
    for i in sorted(set(range(len(boxes))) - set(first.tolist())):
        where = ", ".join(f"{v:g}" for v in boxes.xyxy[i])
        text = f"a box of {classes[boxes.labels[i]]} at ({where}) is there twice; one is kept"
        found.append(Problem("duplicate-box", called, text))
    kept = boxes.take(np.sort(first))
    for place, count in Counter(at[np.sort(first)].tolist()).items():
        names = sorted({classes[k] for k in boxes.labels[at == place]})
        if count > 1 and len(names) > 1:
            text = f"a box has the classes {', '.join(names)} at once"
            found.append(Problem("box-of-two-classes", called, text))
    return kept


def _class_problems(boxes: NDArray[Any], parts: NDArray[Any], classes: Sequence[str], found: list[Problem]) -> None:
    """Classes of the other parts that the part train lacks."""
    if "train" not in parts:
        return
    counts = {part: Counter(k for b in boxes[parts == part] for k in b.labels.tolist()) for part in np.unique(parts)}
    for k, name in enumerate(classes):
        others = {p: c[k] for p, c in counts.items() if p != "train" and c[k]}
        if others and not counts["train"][k]:
            where = ", ".join(f"{n} in {p or 'no part'}" for p, n in others.items())
            found.append(Problem("class-not-in-train", name, f"has boxes ({where}), and none in train to learn from"))
