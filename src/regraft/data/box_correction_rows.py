"""What the rows of a file of corrected boxes say: see `regraft.data.box_corrections`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regraft.core.errors import DataError
from regraft.core.types import Problem
from regraft.data.corrections import DIGEST, ITEM, NEW, cells_of, table_of
from regraft.text.numbers import as_plain, number, style_of

ACTION, ACTIONS = "action", ("accept", "add", "drop", "change")
PLACE = ("left", "top", "right", "bottom")
NEW_PLACE, FOUND_PLACE = tuple(f"new_{n}" for n in PLACE), tuple(f"found_{n}" for n in PLACE)
MISSING, OTHER_CLASS, BAD_PLACE, DOUBTFUL = "missing", "other-class", "badly-placed", "doubtful"

Place = tuple[float, ...]


class Refused(Exception):
    """Why a row is not carried out."""


@dataclass(frozen=True)
class Row:
    """A row as it stands in the file, by the ``number`` that a person counts it by."""

    number: int
    cells: dict[str, str]
    places: dict[str, Place | None]
    """By the first name of `PLACE`, `NEW_PLACE` and `FOUND_PLACE`: four numbers, None where the cells are empty."""


def read_rows(path: Path) -> tuple[list[Row], list[Problem]]:
    """All rows of the file, and what was odd about it; raises ``DataError`` where it cannot be read."""
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
        found.append(Row(n, cells, places))
    return found, list(table.problems)


def _place(cells: Sequence[str], style: str) -> Place | None:
    """Four cells as numbers, NaN for what is none; None where all are empty."""
    if not any(cells):
        return None
    values = [number(as_plain(c, style) if style else c) for c in cells]
    return tuple(math.nan if v is None else v for v in values)


def meant(row: Row) -> tuple[str, str | None, Place | None]:
    """The action, and the class and place that are to be; raises `Refused`."""
    cells, new, to = row.cells, row.cells[NEW] or None, row.places[NEW_PLACE[0]]
    action = cells[ACTION].casefold()
    if action not in ACTIONS:
        close = difflib.get_close_matches(action, ACTIONS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(ACTIONS)}"
        raise Refused(f"the action is {cells[ACTION]!r}; {hint}" if action else f"there is no action; {hint}")
    if action == "accept":
        if new or to:
            raise Refused("accept takes what the audit suggests, and another class or place stands there: write change")
        return _suggested(row)
    if action == "add":
        new, to = new or cells["suggested"] or cells["label"] or None, to or row.places[PLACE[0]]
        if new is None or to is None:
            raise Refused(f"add needs {'a class below new_label' if new is None else 'left, top, right and bottom'}")
    if action == "drop" and (new or to):
        raise Refused("drop takes a box away, and another class or place stands there: write change")
    if action == "change" and not (new or to):
        raise Refused("change needs a class below new_label, or a place below new_left ... new_bottom")
    return action, new, to


def _suggested(row: Row) -> tuple[str, str | None, Place | None]:
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
    raise Refused(f"accept is for rows that the audit wrote; this one is of the kind {kind!r} and suggests nothing")
