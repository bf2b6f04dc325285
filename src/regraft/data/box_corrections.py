"""Boxes that a person has corrected, in a file beside the data: what ``regraft audit`` writes of boxes, filled in.

A row names a picture and its ``action``: ``accept`` does what the audit suggests, ``add`` draws a box, ``drop`` takes
one away, ``change`` gives one another class or place. A box is the one of the class ``label`` at ``left``, ``top``,
``right`` and ``bottom``; what is to be stands below ``new_label`` and ``new_left`` ... ``new_bottom``. Where the action
is empty nothing happens. A row that cannot be carried out is listed with the reason; every other one is.
"""

from __future__ import annotations

import difflib
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
from regraft.data.corrections import DIGEST, ITEM, NEW, cells_of, class_of, digest_of, table_of
from regraft.data.dataset import Corrections, Dataset
from regraft.data.items import PictureFiles
from regraft.text.numbers import as_plain, number, style_of

ACTION, ACTIONS = "action", ("accept", "add", "drop", "change")
PLACE = ("left", "top", "right", "bottom")
NEW_PLACE, FOUND_PLACE = tuple(f"new_{n}" for n in PLACE), tuple(f"found_{n}" for n in PLACE)
MISSING, OTHER_CLASS, BAD_PLACE, DOUBTFUL = "missing", "other-class", "badly-placed", "doubtful"
NEAR = 1.0
"""So many pixels a written box may lie off the one it means: tables round."""

Place = tuple[float, ...]


class _Refused(Exception):
    """Why a row is not carried out."""


@dataclass(frozen=True)
class _Row:
    number: int
    cells: dict[str, str]
    places: dict[str, Place | None]
    """By the first name of `PLACE`, `NEW_PLACE` and `FOUND_PLACE`: four numbers, None where the cells are empty."""


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
    rows, problems = _read(path)
    asked = [r for r in rows if r.cells[ACTION] or r.cells[NEW] or r.places[NEW_PLACE[0]]]
    place = {data.items.name(i): i for i in range(len(data))}
    touched: dict[int, _Picture] = {}
    counts, refused = Counter[str](), list[Problem]()
    for row in asked:
        try:
            counts[_carried_out(row, data, place, touched, problems)] += 1
        except _Refused as why:
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


def _read(path: Path) -> tuple[list[_Row], list[Problem]]:
    table = table_of(path, (ITEM, ACTION))
    names = (ITEM, ACTION, "kind", "label", "suggested", NEW, DIGEST, *PLACE, *NEW_PLACE, *FOUND_PLACE)
    columns = {n: cells_of(table, n) for n in names}
    numeric = [columns[n] for n in (*PLACE, *NEW_PLACE, *FOUND_PLACE)]
    style = style_of([c for cells in numeric for c in cells if c])
    if style == "ambiguous":
        raise DataError(f"--corrections {path}: its coordinates could be read in two ways; write them as 1234.5.")
    found = []
    for k, n in enumerate(table.rows):
        cells = {name: columns[name][k] for name in names}
        places = {four[0]: _place([cells[n] for n in four], style) for four in (PLACE, NEW_PLACE, FOUND_PLACE)}
        found.append(_Row(n, cells, places))
    return found, list(table.problems)


def _place(cells: Sequence[str], style: str) -> Place | None:
    """Four cells as numbers, NaN for what is none; None where all are empty."""
    if not any(cells):
        return None
    values = [number(as_plain(c, style) if style else c) for c in cells]
    return tuple(math.nan if v is None else v for v in values)


def _carried_out(
    row: _Row, data: Dataset, place: dict[str, int], touched: dict[int, _Picture], problems: list[Problem]
) -> str:
    """What was done, a word of `ACTIONS` but ``accept``; raises `_Refused`."""
    item, digest = row.cells[ITEM], row.cells[DIGEST]
    if item not in place:
        raise _Refused(f"{item!r} is no picture of {data.name}, whose first is {data.items.name(0)!r}")
    i = place[item]
    if digest and digest_of(data.items, i) != digest:
        raise _Refused(f"{item} changed since the audit: audit again, or empty the cell below digest")
    action, label, where = _meant(row)
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
            raise _Refused(f"row {picture.done[at]} corrects that box already")
        picture.done[at] = row.number
        if action == "drop":
            picture.gone.add(at)
        if new is not None:
            picture.labels[at] = new
        if to is not None:
            picture.xyxy[at] = to
    touched[i] = picture
    return action


def _meant(row: _Row) -> tuple[str, str | None, Place | None]:
    """The action, and the class and place that are to be; raises `_Refused`."""
    cells, new, to = row.cells, row.cells[NEW] or None, row.places[NEW_PLACE[0]]
    action = cells[ACTION].casefold()
    if action not in ACTIONS:
        close = difflib.get_close_matches(action, ACTIONS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(ACTIONS)}"
        raise _Refused(f"the action is {cells[ACTION]!r}; {hint}" if action else f"there is no action; {hint}")
    if action == "accept":
        if new or to:
            raise _Refused(
                "accept takes what the audit suggests, and another class or place stands there: write change"
            )
        return _suggested(row)
    if action == "add":
        new, to = new or cells["suggested"] or cells["label"] or None, to or row.places[PLACE[0]]
        if new is None or to is None:
            raise _Refused(f"add needs {'a class below new_label' if new is None else 'left, top, right and bottom'}")
    if action == "drop" and (new or to):
        raise _Refused("drop takes a box away, and another class or place stands there: write change")
    if action == "change" and not (new or to):
        raise _Refused("change needs a class below new_label, or a place below new_left ... new_bottom")
    return action, new, to


def _suggested(row: _Row) -> tuple[str, str | None, Place | None]:
    kind, suggested = row.cells["kind"], row.cells["suggested"] or None
    found, place = row.places[FOUND_PLACE[0]], row.places[PLACE[0]]
    if kind == MISSING and suggested and place:
        return "add", suggested, place
    if kind == OTHER_CLASS and suggested:
        return "change", suggested, None
    if kind == BAD_PLACE and found:
        return "change", None, found
    if kind == DOUBTFUL:
        return "drop", None, None
    raise _Refused(f"accept is for rows that the audit wrote; this one is of the kind {kind!r} and suggests nothing")


def _class(name: str, classes: Sequence[str]) -> int:
    found = class_of(name, classes)
    if isinstance(found, str):
        raise _Refused(found)
    return found


def _inside(where: Place, data: Dataset, i: int, row: _Row, problems: list[Problem]) -> Place:
    """The place clipped to its picture, which is listed; raises `_Refused` where there is no such place."""
    shown = ", ".join(f"{v:g}" for v in where)
    if not all(map(math.isfinite, where)):
        raise _Refused(f"the place ({shown}) is not four numbers: left, top, right and bottom in pixels")
    if where[2] <= where[0] or where[3] <= where[1]:
        raise _Refused(f"the place ({shown}) has no area: right lies beyond left, and bottom below top")
    try:
        height, width = _shape(data, i)
    except UnreadableItem as error:
        raise _Refused(f"{data.items.name(i)} cannot be read: {error}") from error
    found: Place = tuple(clip(np.array([where]), width, height)[0].tolist())
    if found[2] <= found[0] or found[3] <= found[1]:
        raise _Refused(f"the place ({shown}) lies outside the picture of {width} x {height} pixels")
    if max(abs(a - b) for a, b in zip(where, found, strict=True)) > NEAR:
        problems.append(Problem("outside", f"row {row.number}", f"the place ({shown}) reaches beyond the picture of "
                                f"{width} x {height} pixels; clipped"))  # fmt: skip
    return found


def _shape(data: Dataset, i: int) -> tuple[int, int]:
    items = data.items
    height, width = (items.shape(i) if isinstance(items, PictureFiles) else items.load(i).shape)[:2]
    return height, width


def _meant_box(picture: _Picture, row: _Row, classes: Sequence[str]) -> int:
    """The box that a row names, among those of the data; raises `_Refused`."""
    where, item = row.places[PLACE[0]], row.cells[ITEM]
    if not row.cells["label"] or where is None or not all(map(math.isfinite, where)):
        raise _Refused("which box is meant? label, left, top, right and bottom name it")
    k = _class(row.cells["label"], classes)
    off = np.abs(picture.boxes.xyxy - np.array(where)).max(1, initial=0.0) if len(picture.boxes) else np.zeros(0)
    near = np.flatnonzero((picture.boxes.labels == k) & (off <= NEAR))
    if not len(near):
        shown = ", ".join(f"{v:g}" for v in where)
        raise _Refused(f"{item} has no box of {classes[k]} at ({shown})")
    return int(near[off[near].argmin()])


def _require_new(picture: _Picture, to: Place, k: int, item: str) -> None:
    there = [(tuple(p), int(c)) for p, c in zip(picture.boxes.xyxy.tolist(), picture.boxes.labels, strict=True)]
    for place, label in [*there, *picture.added]:
        if label == k and max(abs(a - b) for a, b in zip(place, to, strict=True)) <= NEAR:
            raise _Refused(f"{item} has that box already")
