"""Boxes in a table (CSV or TSV), one a row: the picture's path, four numbers, the class.

Columns are known by their names: path, filename or image; xmin, ymin, xmax, ymax, or x, y, w, h (left, top, width,
height); class or label; and, where it is there, part or split. A row without numbers is a picture without boxes. Where
no number is above 1 they are shares of the picture's sides. A folder or zip may hold one table a part.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from regraft.data.dataset import Dataset
from regraft.data.detection import Annotated, detection_dataset, is_picture
from regraft.data.encoding import decode_text, encoding_problems, unzipped
from regraft.data.formats.columns import cell_text
from regraft.data.formats.pairing import PictureIndex, listed_classes, part_of_path
from regraft.data.formats.readers import csv_columns
from regraft.data.parts import part_of
from regraft.data.trees import Directory, Tree, open_tree
from regraft.errors import DataError, UnreadableItem
from regraft.types import Hints, Problem

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_PATH = ("path", "filepath", "imagepath", "filename", "imagename", "file", "image", "picture", "imageid")
_CLASS = ("class", "label", "classname", "category", "labelname", "name")
_PART = ("part", "split", "subset", "set")
_CORNERS = (("xmin", "x1", "left", "x0"), ("ymin", "y1", "top", "y0"), ("xmax", "x2", "right"),
            ("ymax", "y2", "bottom"))  # fmt: skip
_SIDES = (("x", "xmin", "left", "bboxx"), ("y", "ymin", "top", "bboxy"), ("w", "boxwidth", "bboxwidth", "width"),
          ("h", "boxheight", "bboxheight", "height"))  # fmt: skip


def sniff(path: Path) -> str | None:
    tree, files = _files(path)
    if tree is None or not files:
        return None
    return f"a table of boxes ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Classes as ``classes.txt`` orders them, else in alphabetical order (numbers by value)."""
    tree, files = _files(path)
    assert tree is not None
    index = PictureIndex([f for f in tree.files() if is_picture(f)])
    problems: list[Problem] = []
    pictures: dict[str, Annotated] = {}
    for file in files:
        part = "" if path.is_file() and path.suffix.lower() != ".zip" else part_of_path(file)
        _read_table(tree, file, part, index, pictures, problems)
    labels = {label for p in pictures.values() for label in p.labels}
    by_value = bool(labels) and all(v.isdigit() for v in labels)
    listed = listed_classes(tree, tree.files()) if len(files) == 1 else []
    classes = list(dict.fromkeys([*listed, *(sorted(labels, key=int) if by_value else sorted(labels))]))
    name = re.sub(r"(\.(csv|tsv|zip|gz))+$", "", path.resolve().name)
    return detection_dataset(
        name, tree, list(pictures.values()), classes, root=index.root, format="box-table", evidence=sniff(path) or "",
        problems=problems,
    )  # fmt: skip


def _files(path: Path) -> tuple[Tree | None, list[str]]:
    if path.is_file() and path.name.lower().endswith(ENDINGS):
        tree: Tree | None = Directory(path.resolve().parent)
        names = [path.name]
    else:
        tree = open_tree(path)
        names = [f for f in tree.files() if f.lower().endswith(ENDINGS)] if tree else []
    return tree, [f for f in names if tree is not None and _has_boxes(tree, f)]


def _has_boxes(tree: Tree, file: str) -> bool:
    try:
        if isinstance(tree, Directory) and not file.lower().endswith(".gz"):
            with open(tree.path / file, "rb") as f:
                head = f.read(1 << 14)
        else:
            head = unzipped(tree.read(file))[: 1 << 14]
    except (OSError, UnreadableItem):
        return False
    first = decode_text(head.split(b"\n", 1)[0]).text
    comma = max("\t,;|", key=first.count)
    return _columns([name.strip().strip('"') for name in first.split(comma)]) is not None


def _columns(names: list[str]) -> tuple[str, str, list[str], bool] | None:
    """The columns of the picture, of the class and of the four numbers, and whether these are corners."""
    plain = {re.sub(r"[^a-z0-9]", "", n.lower()): n for n in reversed(names)}

    def first(wanted: tuple[str, ...]) -> str | None:
        return next((plain[w] for w in wanted if w in plain), None)

    path, label = first(_PATH), first(_CLASS)
    for corners, wanted in ((True, _CORNERS), (False, _SIDES)):
        numbers = [first(w) for w in wanted]
        if path and label and all(numbers):
            return path, label, [n for n in numbers if n], corners
    return None


def _read_table(
    tree: Tree, file: str, part: str, index: PictureIndex, pictures: dict[str, Annotated], problems: list[Problem]
) -> None:
    try:
        decoded = decode_text(unzipped(tree.read(file)))
    except UnreadableItem as error:
        raise DataError(f"{file} in {tree.path} cannot be read: {error}.") from error
    problems += encoding_problems(decoded, file)
    columns, rows, bad = csv_columns(decoded.text, f"{file} in {tree.path}", "\t" if ".tsv" in file.lower() else ",")
    problems += bad
    found = _columns(list(columns))
    assert found is not None
    path, label, numbers, corners = found
    boxes = [[_number(columns[n][i]) for n in numbers] for i in range(len(rows))]
    some = [v for box in boxes for v in box if v is not None and math.isfinite(v)]
    shares = bool(some) and max(some) <= 1 and any(v % 1 for v in some)
    crowd = next((n for n in columns if n.lower() in ("crowd", "iscrowd")), None)
    part_column = next((n for n in columns if re.sub(r"[^a-z]", "", n.lower()) in _PART), None)
    for i, row in enumerate(rows):
        name = cell_text(columns[path][i]).replace("\\", "/")
        where = index.find(name, near=file)
        own = (part_of(cell_text(columns[part_column][i])) or "") if part_column else ""
        picture = pictures.setdefault(where, Annotated(where, own or part or part_of_path(where), shares=shares))
        many = crowd is not None and cell_text(columns[crowd][i]).lower() in ("1", "true", "yes")
        _add(picture, boxes[i], cell_text(columns[label][i]), corners, many, f"{file}, row {row}", problems)


def _add(
    picture: Annotated, box: list[float | None], label: str, corners: bool, crowd: bool, called: str,
    problems: list[Problem],
) -> None:  # fmt: skip
    if all(v is None for v in box):
        return
    if any(v is None for v in box):
        problems.append(Problem("no-box", called, "has not all four numbers of a box; set aside"))
    elif not label:
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
