"""What stands in YOLO's text files: a class number, the box, and what tools write after it.

After ``class cx cy w h`` may come the points of a pose (Ultralytics' ``kpt_shape``), or a score and a track number, as
predictions are saved with; an outline (or a turned box) has its points in place of the box. What is meant is decided
for all lines of a data set together.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import Problem
from regraft.data.text.encoding import decode_text

Edges = tuple[float, float, float, float]

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+(,[0-9]+)?([eE][-+]?[0-9]+)?")
ROUNDING = 1e-3


class Line(NamedTuple):
    """The class number and the other numbers (four or more) of line ``at`` of a file."""

    at: int
    label: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Reading:
    """How many of a line's numbers after the box are points with ``dims`` numbers each (``points`` 0: none, its points
    are the box), and whether lines of six end in a score and a track number.
    """

    points: int = 0
    dims: int = 2
    tracks: bool = False
    given: bool = False

    def edges(self, values: Sequence[float]) -> Edges | None:
        """Left, top, right, bottom in shares; None where the line has another number of numbers than was meant."""
        n, pose = len(values), 4 + self.points * self.dims
        posed = self.points and (n in (pose, pose + 1) or (n == pose + 2 and values[-1] % 1 == 0))
        if n in (4, 5) or posed or (n == 6 and self.tracks):
            cx, cy, w, h = values[:4]
            return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
        if self.given:
            return None
        points = np.array(values[: n // 2 * 2]).reshape(-1, 2)
        left, top = points.min(0).tolist()
        right, bottom = points.max(0).tolist()
        return left, top, right, bottom


def text_of(data: bytes) -> str:
    """A label file as text, also UTF-16 without a mark."""
    if data[1:2] == b"\0" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16-le", "replace")
    if data[:1] == b"\0":
        return data.decode("utf-16-be", "replace")
    return decode_text(data).text


def lines_of(text: str) -> tuple[list[Line], list[int]]:
    """The lines that can be read, and the numbers of those that cannot; empty ones are neither."""
    good: list[Line] = []
    bad: list[int] = []
    for at, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip(" \t\ufeff\0\x0c\x1a"):
            continue
        numbers = _numbers(line.strip(" \t\ufeff\0\x0c\x1a"))
        if numbers is None or len(numbers) < 5 or numbers[0] < 0 or numbers[0] % 1:
            bad.append(at)
        else:
            good.append(Line(at, int(numbers[0]), tuple(numbers[1:])))
    return good, bad


def _numbers(line: str) -> list[float] | None:
    """The numbers of a line with white space, commas or semicolons between them; 0,5 is a half where white space or
    semicolons part the numbers.
    """
    words = re.split(r"[\s;]+", line)
    if len(words) >= 5 and "," in line and all(map(_DECIMAL_COMMA.fullmatch, words)):
        words = [w.replace(",", ".") for w in words]
    elif "," in line:
        words = [w for w in re.split(r"[\s,;]+", line) if w]
    if not all(map(_NUMBER.fullmatch, words)):
        return None
    numbers = [float(w) for w in words]
    return numbers if np.isfinite(numbers).all() else None


def reading_of(lines: Iterable[Line], shape: tuple[int, int] | None = None) -> Reading:
    """How the lines of a data set are to be read; ``shape`` is data.yaml's kpt_shape, where it has one."""
    if shape:
        return Reading(*shape, given=True)
    by_count: dict[int, list[tuple[float, ...]]] = {}
    for line in lines:
        if len(line.values) > 5:
            by_count.setdefault(len(line.values), []).append(line.values)
    if set(by_count) == {6} and all(v[5] % 1 == 0 for v in by_count[6]):
        return Reading(tracks=True)
    if len(by_count) != 1:
        return Reading()
    ((count, values),) = by_count.items()
    if count == 8 and _parallel(np.array(values)):
        return Reading()
    for dims in (3, 2):
        if (count - 4) % dims == 0 and _inside(np.array(values), dims):
            return Reading((count - 4) // dims, dims)
    return Reading()


def _inside(values: NDArray[np.float64], dims: int) -> bool:
    """Whether the points after the first four numbers lie in the box that those make; (0, 0) stands for none.

    Where each has a third number that says whether it is seen (0, 1, 2), some may lie outside.
    """
    points = values[:, 4:].reshape(len(values), -1, dims)
    middle, half = values[:, None, :2], values[:, None, 2:4] / 2
    there = points[:, :, :2].any(2)
    near = np.asarray(np.abs(points[:, :, :2] - middle) <= half + ROUNDING).all(2)
    box = (np.abs(values[:, :2] - 0.5) + values[:, 2:4] / 2 <= 0.5 + 0.05).all()
    seen = dims == 2 or bool(np.isin(points[:, :, 2], (0, 1, 2)).all())
    return (
        bool(box) and seen and bool(there.any()) and bool(np.asarray(near)[there].mean() >= (1 if dims == 2 else 0.9))
    )


def _parallel(values: NDArray[np.float64]) -> bool:
    """Whether the eight numbers of every line are the corners of a turned box."""
    corners = values.reshape(-1, 4, 2)
    return bool((np.abs(corners[:, 0] + corners[:, 2] - corners[:, 1] - corners[:, 3]) <= 4 * ROUNDING).all())


def reading_problem(lines: Iterable[Line], reading: Reading, where: str) -> list[Problem]:
    """What the numbers beyond four were taken for, in one sentence."""
    kinds = Counter(_kind(len(line.values), reading) for line in lines if len(line.values) > 4)
    kinds.pop("", None)
    if not kinds:
        return []
    counted = "; ".join(f"{n} lines have {kind}" for kind, n in kinds.items())
    hint = "" if reading.given else " (kpt_shape in data.yaml would say that points of a pose follow each box)"
    return [Problem("more-numbers", where, f"{counted}{hint}")]


def _kind(count: int, reading: Reading) -> str:
    pose = 4 + reading.points * reading.dims
    if reading.points and count == pose:
        return f"a box and {reading.points} points of a pose, which are not used"
    if count == 5 or (reading.points and count == pose + 1):
        return "one number after the box, a score or a track, which is not used"
    if (count == 6 and reading.tracks) or (reading.points and count == pose + 2):
        return "a score and a track after the box, which are not used"
    return "" if reading.given else f"an outline of {count // 2} points, of which the box around it is taken"
