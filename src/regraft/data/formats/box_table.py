"""Boxes in a table (CSV or TSV), one a row: the picture's path, four numbers, the class.

Columns are known by their names: path, filename or image; xmin, ymin, xmax, ymax, or x, y, w, h (left, top, width,
height); class or label; and, where they are there, part or split, and the picture's width and height beside four edges.
A row without numbers is a picture without boxes. Where no number is above 1 they are shares of the picture's sides. A
folder or zip may hold one table a part.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset
from regraft.data.formats.columns import cell_text
from regraft.data.formats.pairing import (  # fmt: skip
    PictureIndex,
    among,
    head_of,
    in_order,
    listed_classes,
    part_of_path,
    pictures_of,
)
from regraft.data.formats.readers import Columns, csv_columns
from regraft.data.image.boxes import Annotated, are_shares, detection_dataset, unnamed
from regraft.data.parts import part_of
from regraft.data.text.encoding import decode_text, encoding_problems, unzipped
from regraft.data.trees import Directory, Tree, open_tree

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
HEAD = 1 << 20
_PATH = ("path", "filepath", "imagepath", "filename", "imagename", "file", "image", "picture", "imageid")
_CLASS = ("class", "label", "classname", "category", "labelname", "name")
_PART = ("part", "split", "subset", "set")
_CORNERS = (("xmin", "x1", "left", "x0"), ("ymin", "y1", "top", "y0"), ("xmax", "x2", "right"),
            ("ymax", "y2", "bottom"))  # fmt: skip
_SIDES = (("x", "xmin", "left", "bboxx"), ("y", "ymin", "top", "bboxy"), ("w", "boxwidth", "bboxwidth", "width"),
          ("h", "boxheight", "bboxheight", "height"))  # fmt: skip
_SIZE = (("width", "imagewidth", "imgwidth"), ("height", "imageheight", "imgheight"))


@dataclass(frozen=True)
class _Roles:
    """The columns of the picture, of the class and of the four numbers, whether these are corners, and the columns of
    the picture's size and part, where there are such.
    """

    path: str
    label: str
    numbers: list[str]
    corners: bool
    size: list[str]
    part: str | None
    crowd: str | None


def sniff(path: Path) -> Evidence | None:
    tree, files = _files(path)
    if tree is None or not files:
        return None
    index = PictureIndex(tree, pictures_of(tree.files()))
    return Evidence(_evidence(files), sum(_count(tree, file, index) for file in files))


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Classes as ``classes.txt`` orders them, else in alphabetical order (numbers by value)."""
    tree, files = _files(path)
    assert tree is not None
    there = tree.files()
    problems: list[Problem] = []
    index = PictureIndex(tree, pictures_of(there))
    listed = listed_classes(tree, there) if len(files) == 1 else []
    alone = path.is_file() and path.suffix.lower() != ".zip"
    pictures: list[Annotated] = []
    for file in files:
        part = "" if alone else part_of_path(file)
        pictures += _read_table(tree, file, part, index, listed, problems)
    if not alone:
        problems += unnamed(index.paths, pictures, index.root, "table")
    classes = in_order(listed, (label for p in pictures for label in p.labels))
    name = re.sub(r"(\.(csv|tsv|zip|gz))+$", "", path.resolve().name)
    return detection_dataset(
        name, tree, pictures, classes, root=index.root, format="box-table", evidence=_evidence(files),
        problems=problems,
    )  # fmt: skip


def _evidence(files: Sequence[str]) -> str:
    return f"a table of boxes ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})"


def _files(path: Path) -> tuple[Tree | None, list[str]]:
    if path.is_file() and path.name.lower().endswith(ENDINGS):
        tree: Tree | None = Directory(path.resolve().parent)
        names = [path.name]
    else:
        tree = open_tree(path)
        names = [f for f in tree.files() if f.lower().endswith(ENDINGS)] if tree else []
    return tree, [f for f in names if tree is not None and _head(tree, f)]


def _head(tree: Tree, file: str) -> tuple[_Roles, list[dict[str, str]], float] | None:
    """What the columns are, the first rows, and the share of the file that those are; None where it holds no boxes."""
    try:
        packed = file.lower().endswith(".gz")
        whole = unzipped(tree.read(file)) if packed or not isinstance(tree, Directory) else b""
        head = whole[:HEAD] or head_of(tree, file, HEAD)
        path = tree.where(file)
        size = len(whole) if whole or path is None else path.stat().st_size
    except (OSError, UnreadableItem):
        return None
    text = decode_text(head if len(head) < HEAD else head[: head.rfind(b"\n") + 1]).text
    lines = re.sub(r'^"?sep=.*\n', "", text, flags=re.IGNORECASE).splitlines()
    comma = max("\t,;|", key=lines[0].count) if lines else ","
    try:
        rows = [row for row in csv.reader(lines, delimiter=comma) if row]
    except csv.Error:
        return None
    roles = _roles([name.strip() for name in rows[0]]) if rows else None
    if roles is None:
        return None
    names = [name.strip() for name in rows[0]]
    cells = [dict(zip(names, row, strict=False)) for row in rows[1:]]
    return roles, cells, max(1.0, size / max(1, len(head)))


def _count(tree: Tree, file: str, index: PictureIndex) -> int:
    """How many pictures with boxes a table gives, by its head."""
    found = _head(tree, file)
    if found is None:
        return 0
    roles, cells, times = found
    good = [c for c in cells if all(_numberish(c.get(n, "")) for n in roles.numbers)]
    answers = index.resolve((_name(c.get(roles.path, ""), index) for c in good), near=file).paths.values()
    return round(times * len({a for a in answers if isinstance(a, str)}))


def _numberish(cell: str) -> bool:
    """Whether a cell is empty or a number, if perhaps one that will not be read."""
    found = _number(cell.replace(",", "."))
    return found is None or math.isfinite(found)


def _roles(names: list[str]) -> _Roles | None:
    plain = {re.sub(r"[^a-z0-9]", "", n.lower()): n for n in reversed(names)}

    def first(wanted: tuple[str, ...]) -> str:
        return next((plain[w] for w in wanted if w in plain), "")

    path, label = first(_PATH), first(_CLASS)
    for corners, wanted in ((True, _CORNERS), (False, _SIDES)):
        numbers = [first(w) for w in wanted]
        if path and label and all(numbers):
            size = [first(w) for w in _SIZE] if corners else []
            crowd = first(("crowd", "iscrowd"))
            return _Roles(path, label, numbers, corners, size if all(size) else [], first(_PART) or None, crowd or None)
    return None


def _read_table(
    tree: Tree, file: str, part: str, index: PictureIndex, listed: Sequence[str], problems: list[Problem]
) -> list[Annotated]:
    try:
        decoded = decode_text(unzipped(tree.read(file)))
    except UnreadableItem as error:
        raise DataError(f"{file} in {tree.path} cannot be read: {error}.") from error
    problems += encoding_problems(decoded, file)
    text = re.sub(r'^"?sep=.*\n', "", decoded.text, flags=re.IGNORECASE)
    columns, rows, bad = csv_columns(text, f"{file} in {tree.path}", "\t" if ".tsv" in file.lower() else ",")
    problems += [replace(p, item=f"{file}, {p.item}") for p in bad]
    roles = _roles(list(columns))
    assert roles is not None
    names = [_name(columns[roles.path][i], index) for i in range(len(rows))]
    answers = index.resolve(filter(None, names), near=file)
    problems += answers.problems
    boxes = _boxes(columns, roles.numbers)
    shares = are_shares(v for box in boxes for v in box if v is not None)
    crowds = columns[roles.crowd] if roles.crowd else [""] * len(rows)
    pictures: dict[str, Annotated] = {}
    for i, row in enumerate(rows):
        name, called = names[i], f"{file}, row {row}"
        own = cell_text(columns[roles.part][i]) if roles.part else ""
        if not name or (own and not part_of(own)):
            text = f"has the part {own}, which is none of train, val, test" if name else "names no picture"
            problems.append(Problem("missing-part" if name else "no-path", called, f"{text}; left out"))
            continue
        if name not in pictures:
            size = [columns[n][i] for n in roles.size]
            pictures[name] = _picture(answers.paths[name], name, shares, size)
            pictures[name].part = part_of(own) or part or part_of_path(pictures[name].path)
        _check_part(pictures[name], part_of(own), called, problems)
        label = among(str(columns[roles.label][i] or ""), listed)
        crowd = cell_text(crowds[i]).lower() in ("1", "true", "yes")
        _add(pictures[name], boxes[i], label, roles.corners, crowd, called, problems)
    return list(pictures.values())


def _check_part(picture: Annotated, part: str | None, called: str, problems: list[Problem]) -> None:
    """Keeps a picture that another row says to be of another part out of train."""
    if part and part != picture.part:
        text = f"is of a picture that is of {part} and of {picture.part}; it is kept out of train"
        problems.append(Problem("same-part", called, text))
        picture.part = part if picture.part == "train" else picture.part


def _name(cell: object, index: PictureIndex) -> str:
    """The name in a cell as it stands where there is such a picture, else without white space around it."""
    name = str(cell or "")
    return name if name in index.ends(True).of else cell_text(cell)


def _picture(answer: str | Problem, name: str, shares: bool, size: list[object]) -> Annotated:
    sides = [_number(v) or 0.0 for v in size]
    known = (sides[0], sides[1]) if sides and min(sides) > 0 and not shares else None
    return Annotated(name, gone=answer) if isinstance(answer, Problem) else Annotated(answer, size=known, shares=shares)


def _boxes(columns: Columns, names: Sequence[str]) -> list[list[float | None]]:
    """The four numbers of each row; 10,5 is ten and a half where that cannot be the comma of thousands."""
    cells = {name: [cell_text(v) for v in columns[name]] for name in names}
    halves = any(re.fullmatch(r"-?[0-9]+,([0-9]{1,2}|[0-9]{4,})", c) for some in cells.values() for c in some)
    for name in names if halves else ():
        cells[name] = [c.replace(",", ".") if c.count(",") == 1 else c for c in cells[name]]
    return [list(row) for row in zip(*([_number(c) for c in cells[n]] for n in names), strict=True)]


def _add(
    picture: Annotated, box: list[float | None], label: str, corners: bool, crowd: bool, called: str,
    problems: list[Problem],
) -> None:  # fmt: skip
    if all(v is None for v in box):
        if label.strip():
            problems.append(Problem("no-box", called, f"has the class {label} and no numbers; set aside"))
        return
    if any(v is None for v in box):
        problems.append(Problem("no-box", called, "has not all four numbers of a box; set aside"))
    elif not label.strip():
        problems.append(Problem("unknown-class", called, "names no class; set aside"))
    else:
        x, y, a, b = (math.nan if v is None else v for v in box)
        picture.add((x, y, a, b) if corners else (x, y, x + a, y + b), label, crowd)


def _number(cell: object) -> float | None:
    """The number in a cell, None where it is empty, NaN where it is something else."""
    text = cell_text(cell)
    try:
        return float(text) if text else None
    except ValueError:
        return math.nan
