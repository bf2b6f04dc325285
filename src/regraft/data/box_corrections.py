"""Boxes that a person has corrected, in a file beside the data: what ``regraft audit`` writes of boxes, filled in.

A row names a picture and its ``action``: ``accept`` does what the audit suggests, ``add`` draws a box, ``drop`` takes
one away, ``change`` gives one another class or place. A box is the one of the class ``label`` at ``left``, ``top``,
``right`` and ``bottom``; what is to be stands below ``new_label`` and ``new_left`` ... ``new_bottom``. Where the action
is empty nothing happens. A row that cannot be carried out is listed with the reason; every other one is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Boxes, clip
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.files import sha256
from regraft.core.types import Problem
from regraft.data.box_correction_rows import ACTION, NEW_PLACE, PLACE, Place, Refused, Row, meant, read_rows
from regraft.data.corrections import DIGEST, ITEM, NEW, class_of, digest_of
from regraft.data.dataset import Corrections, Dataset
from regraft.data.items import PictureFiles

NEAR = 1.0
"""So many pixels a written box may lie off the one it means: tables round."""


@dataclass
class _Picture:
    """The boxes of one picture on the way: those that stay or were changed, by their place, and those that came."""

    boxes: Boxes
    done: dict[int, int]
    gone: set[int]
    xyxy: NDArray[np.float64]
    labels: NDArray[np.int64]
    added: list[tuple[Place, int]]

    @classmethod
    def of(cls, boxes: Boxes) -> _Picture:
        return cls(boxes, {}, set(), boxes.xyxy.copy(), boxes.labels.copy(), [])

    def result(self) -> Boxes:
        kept = np.array([i for i in range(len(self.boxes)) if i not in self.gone], np.int64)
        old = replace(self.boxes, xyxy=self.xyxy, labels=self.labels).take(kept)
        more, none = len(self.added), np.zeros(len(self.added), bool)
        places = np.array([p for p, _ in self.added], np.float64).reshape(more, 4)
        return Boxes(np.concatenate([old.xyxy, places]), np.append(old.labels, [k for _, k in self.added]),
                     np.append(old.crowd, none), np.append(old.difficult, none))  # fmt: skip


def corrected_boxes(data: Dataset, path: Path) -> Dataset:
    """The pictures with the boxes of the file at ``path``; its rows that are not carried out are listed one by one, and
    all with their numbers. Raises ``DataError`` where the file cannot be read, or none of its rows carried out.
    """
    rows, problems = read_rows(path)
    asked = [r for r in rows if r.cells[ACTION] or r.cells[NEW] or r.places[NEW_PLACE[0]]]
    place = {data.items.name(i): i for i in range(len(data))}
    touched: dict[int, _Picture] = {}
    counts, refused = Counter[str](), list[Problem]()
    for row in asked:
        try:
            counts[_carried_out(row, data, place, touched, problems)] += 1
        except Refused as why:
            refused.append(Problem("correction-refused", f"row {row.number}", f"{why}; the row is left out"))
    if asked and len(refused) == len(asked):
        first = refused[0]
        raise DataError(f"--corrections {path}: none of its {len(asked)} rows can be carried out: {first.item}: "
                        f"{first.message}.")  # fmt: skip
    y, changed = data.y.copy(), np.zeros(len(data), bool)
    for i, picture in touched.items():
        y[i] = picture.result()
        changed[i] = y[i] != data.y[i]
    told = {"added": counts["add"], "dropped": counts["drop"], "changed": counts["change"], "refused": len(refused)}
    said = f"{told['added']} added, {told['dropped']} dropped, {told['changed']} changed, {len(refused)} rows left out"
    problems += [*refused, Problem("corrections", str(path), f"boxes of {int(changed.sum())} pictures: {said}")]
    about = Corrections(str(path), sha256(path), int(changed.sum()), 0, changed, told)
    return replace(data, labels={data.target_name: y}, corrections=about, problems=(*data.problems, *problems))


def _carried_out(
    row: Row, data: Dataset, place: dict[str, int], touched: dict[int, _Picture], problems: list[Problem]
) -> str:
    """What was done, a word of `ACTIONS` but ``accept``; raises `Refused`."""
    item, digest = row.cells[ITEM], row.cells[DIGEST]
    if item not in place:
        raise Refused(f"{item!r} is no picture of {data.name}, whose first is {data.items.name(0)!r}")
    i = place[item]
    if digest and digest_of(data.items, i) != digest:
        raise Refused(f"{item} changed since the audit: audit again, or empty the cell below digest")
    action, label, where = meant(row)
    picture = touched.get(i) or _Picture.of(data.y[i])
    new = None if label is None else _class(label, data.classes)
    to = None if where is None else _inside(where, data, i, row, problems)
    if action == "add":
        assert new is not None and to is not None
        _require_new(picture, to, new, item)
        picture.added.append((to, new))
    else:
        at = _meant_box(picture, row, data.classes)
        if at in picture.done:
            raise Refused(f"row {picture.done[at]} corrects that box already")
        picture.done[at] = row.number
        if action == "drop":
            picture.gone.add(at)
        if new is not None:
            picture.labels[at] = new
        if to is not None:
            picture.xyxy[at] = to
    touched[i] = picture
    return action


def _class(name: str, classes: Sequence[str]) -> int:
    found = class_of(name, classes)
    if isinstance(found, str):
        raise Refused(found)
    return found


def _inside(where: Place, data: Dataset, i: int, row: Row, problems: list[Problem]) -> Place:
    """The place clipped to its picture, which is listed; raises `Refused` where there is no such place."""
    shown = ", ".join(f"{v:g}" for v in where)
    if not all(map(math.isfinite, where)):
        raise Refused(f"the place ({shown}) is not four numbers: left, top, right and bottom in pixels")
    if where[2] <= where[0] or where[3] <= where[1]:
        raise Refused(f"the place ({shown}) has no area: right lies beyond left, and bottom below top")
    try:
        height, width = _shape(data, i)
    except UnreadableItem as error:
        raise Refused(f"{data.items.name(i)} cannot be read: {error}") from error
    found: Place = tuple(clip(np.array([where]), width, height)[0].tolist())
    if found[2] <= found[0] or found[3] <= found[1]:
        raise Refused(f"the place ({shown}) lies outside the picture of {width} x {height} pixels")
    if max(abs(a - b) for a, b in zip(where, found, strict=True)) > NEAR:
        problems.append(Problem("outside", f"row {row.number}", f"the place ({shown}) reaches beyond the picture of "
                                f"{width} x {height} pixels; clipped"))  # fmt: skip
    return found


def _shape(data: Dataset, i: int) -> tuple[int, int]:
    items = data.items
    height, width = (items.shape(i) if isinstance(items, PictureFiles) else items.load(i).shape)[:2]
    return height, width


def _meant_box(picture: _Picture, row: Row, classes: Sequence[str]) -> int:
    """The box that a row names, among those of the data; raises `Refused`."""
    where, item = row.places[PLACE[0]], row.cells[ITEM]
    if not row.cells["label"] or where is None or not all(map(math.isfinite, where)):
        raise Refused("which box is meant? label, left, top, right and bottom name it")
    k = _class(row.cells["label"], classes)
    off = np.abs(picture.boxes.xyxy - np.array(where)).max(1, initial=0.0) if len(picture.boxes) else np.zeros(0)
    near = np.flatnonzero((picture.boxes.labels == k) & (off <= NEAR))
    if not len(near):
        shown = ", ".join(f"{v:g}" for v in where)
        raise Refused(f"{item} has no box of {classes[k]} at ({shown})")
    return int(near[off[near].argmin()])


def _require_new(picture: _Picture, to: Place, k: int, item: str) -> None:
    there = [(tuple(p), int(c)) for p, c in zip(picture.boxes.xyxy.tolist(), picture.boxes.labels, strict=True)]
    for place, label in [*there, *picture.added]:
        if label == k and max(abs(a - b) for a, b in zip(place, to, strict=True)) <= NEAR:
            raise Refused(f"{item} has that box already")
