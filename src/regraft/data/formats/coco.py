"""Boxes as COCO writes them: a JSON file with images, annotations and categories, and the pictures it names.

Lin et al. 2014 (https://arxiv.org/abs/1405.0312), https://cocodataset.org/#format-data. A folder or zip may hold one
file a part (``annotations/instances_train2017.json``, or ``train/_annotations.coco.json`` beside its pictures). A name
of a picture is a path below one folder, see `regraft.data.formats.pairing`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset
from regraft.data.formats.pairing import PictureIndex, head_of, nfc, part_of_path, pictures_of
from regraft.data.image.boxes import Annotated, detection_dataset, unnamed
from regraft.data.text.encoding import decode_text, encoding_problems
from regraft.data.trees import Directory, Tree, open_tree

HEAD = 1 << 16
Record = dict[str, Any]
_KEYS = re.compile(r'"(images|annotations)"\s*:\s*\[')
_NAME = re.compile(r'"file_name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_WANTED = {"images": ("id", "file_name"), "categories": ("id", "name")}


def sniff(path: Path) -> Evidence | None:
    tree, files = _files(path)
    if tree is None or not files:
        return None
    index, count = PictureIndex(tree, pictures_of(tree.files())), 0
    for file in files:
        try:
            text = decode_text(tree.read(file)).text
        except UnreadableItem:
            continue
        answers = index.resolve(map(_unescaped, _NAME.findall(text)), near=file).paths.values()
        count += len({a for a in answers if isinstance(a, str)})
    return Evidence(_evidence(files), count)


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Boxes and crowds of all files together; classes in the order of their category numbers."""
    tree, files = _files(path)
    assert tree is not None
    there = tree.files()
    problems: list[Problem] = []
    records = _records(tree, files, problems)
    classes, names = _classes(records, problems)
    index = PictureIndex(tree, pictures_of(there))
    pictures: list[Annotated] = []
    alone = path.suffix.lower() == ".json" and path.is_file()
    for file, record in records:
        pictures += _pictures(file, record, names[file], index, "" if alone else part_of_path(file), problems)
    if alone and len({p.part for p in pictures}) == 1:
        pictures = [replace(p, part="") for p in pictures]
    if not alone:
        problems += unnamed(index.paths, pictures, index.root, "JSON file")
    return detection_dataset(
        path.resolve().name.removesuffix(".zip").removesuffix(".json"), tree, pictures, classes, root=index.root,
        format="coco", evidence=_evidence([f for f, _ in records]), problems=problems,
    )  # fmt: skip


def _evidence(files: list[str]) -> str:
    return f"COCO's JSON ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})"


def _files(path: Path) -> tuple[Tree | None, list[str]]:
    """The annotation files at ``path``: those called instances where there are any."""
    if path.is_file() and path.suffix.lower() == ".json":
        folder = path.resolve().parent
        inside = folder.name.lower() in ("annotations", "labels")
        tree: Tree | None = Directory(folder.parent if inside else folder)
        found = [f"{folder.name}/{path.name}" if inside else path.name]
    else:
        tree = open_tree(path)
        found = [f for f in tree.files() if f.lower().endswith(".json")] if tree else []
    found = [f for f in found if tree is not None and _looks_so(tree, f)]
    instances = [f for f in found if PurePosixPath(f).name.startswith("instances")]
    return tree, instances or found


def _looks_so(tree: Tree, file: str) -> bool:
    try:
        head = head_of(tree, file, HEAD)
    except UnreadableItem:
        return False
    text = decode_text(head).text
    return bool(_KEYS.search(text)) and (len(head) < HEAD or '"bbox"' in text or '"file_name"' in text)


def _unescaped(name: str) -> str:
    try:
        return str(json.loads(f'"{name}"', strict=False))
    except ValueError:
        return name


def _records(tree: Tree, files: list[str], problems: list[Problem]) -> list[tuple[str, Record]]:
    """The files that can be read; the others are listed. Raises ``DataError`` where that is all of them."""
    found, wrong = [], []
    for file in files:
        try:
            found.append((file, _parsed(tree, file, problems)))
        except DataError as error:
            wrong.append(error)
            problems.append(Problem("unreadable", file, f"{str(error).rstrip('.')}; left out"))
    if not found:
        raise wrong[0]
    return found


def _parsed(tree: Tree, name: str, problems: list[Problem]) -> Record:
    try:
        decoded = decode_text(tree.read(name))
        record = json.loads(decoded.text)
    except (UnreadableItem, ValueError, RecursionError) as error:
        raise DataError(f"{name} in {tree.path} is no whole JSON file: {error}.") from error
    for key in ("images", "annotations", "categories"):
        rows = record.get(key) if isinstance(record, dict) else None
        if not isinstance(rows, list):
            raise DataError(f"{name} in {tree.path} holds no list of {key}, as COCO's files do.")
    wrong: list[Problem] = []
    for key, fields in _WANTED.items():
        good, text = [], ""
        for row in record[key]:
            if isinstance(row, dict) and all(_given(row, f) for f in fields):
                good.append(row)
                continue
            text = f"one of {key} without {' or '.join(fields)}: {str(row)[:200]}"
            called = str(row.get("file_name") or row.get("name") or name) if isinstance(row, dict) else name
            wrong.append(Problem("no-id", called, f"{name} has {text}; left out"))
        if text and not good:
            raise DataError(f"{name} in {tree.path} has {text}.")
        record[key] = good
    record["annotations"] = [a if isinstance(a, dict) else {} for a in record["annotations"]]
    problems += [*encoding_problems(decoded, name), *wrong]
    return record


def _given(row: Record, field: str) -> bool:
    value = row.get(field)
    return _id(value) is not None if field == "id" else isinstance(value, int | float | str) and str(value) != ""


def _id(value: Any) -> str | None:
    """A number of an image or a category as text, 1.0 and "1" as 1; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _word(value: Any) -> str:
    """A name in NFC, without halves of characters, which no file could hold."""
    return nfc(re.sub("[\ud800-\udfff]", "\ufffd", str(value)))


def _by_number(category: Record) -> tuple[bool, float, str]:
    number = _id(category["id"]) or ""
    return not re.fullmatch(r"-?[0-9]+", number), float(number) if re.fullmatch(r"-?[0-9]+", number) else 0.0, number


def _classes(
    records: list[tuple[str, Record]], problems: list[Problem]
) -> tuple[list[str], dict[str, dict[str | None, str]]]:
    """Class names in order, and for each file category number -> name.

    A category that has no box and only stands above the others, as some exporters write, is no class.
    """
    used = {(f, _id(a.get("category_id"))) for f, r in records for a in r["annotations"]}
    named: dict[str, dict[str | None, str]] = {}
    for file, record in records:
        named[file] = {}
        for c in record["categories"]:
            number, name = _id(c["id"]), _word(c["name"])
            if named[file].setdefault(number, name) != name:
                text = f"is the category {number} of {file}, as {named[file][number]} is; left out"
                problems.append(Problem("duplicate-id", name, text))
    above = {_word(c.get("supercategory")) for _, r in records for c in r["categories"]}
    with_boxes = {named[f].get(k) for f, k in used}
    order: dict[str, None] = {}
    for file, record in records:
        for c in sorted(record["categories"], key=_by_number):
            name = named[file][_id(c["id"])]
            top = str(c.get("supercategory")) in ("none", "", "None") and name in above
            if name in with_boxes or not top:
                order[name] = None
    return list(order), named


def _pictures(
    file: str, record: Record, names: dict[str | None, str], index: PictureIndex, part: str, problems: list[Problem]
) -> list[Annotated]:
    answers = index.resolve((str(image["file_name"]) for image in record["images"]), near=file)
    problems += answers.problems
    pictures: dict[str | None, Annotated] = {}
    for image in record["images"]:
        name, number = str(image["file_name"]), _id(image["id"])
        if number in pictures:
            problems.append(Problem("duplicate-id", name, f"has the number {number} of another picture; left out"))
            continue
        answer = answers.paths[name]
        if isinstance(answer, Problem):
            pictures[number] = Annotated(name, gone=answer)
        else:
            width, height = _number(image.get("width")), _number(image.get("height"))
            size = (width, height) if width > 0 and height > 0 else None
            pictures[number] = Annotated(answer, part or part_of_path(answer), size=size)
    ids = Counter(_id(a.get("id")) for a in record["annotations"])
    for number in [i for i, n in ids.items() if i is not None and n > 1][:20]:
        problems.append(Problem("duplicate-id", file, f"{ids[number]} annotations have the number {number}; all kept"))
    outlines = sum(_add_box(a, file, pictures, names, problems) for a in record["annotations"])
    if outlines:
        text = f"{outlines} annotations have an outline and no bbox; the box around it is taken"
        problems.append(Problem("box-of-outline", file, text))
    return list(pictures.values())


def _add_box(
    a: Record, file: str, pictures: dict[str | None, Annotated], names: dict[str | None, str], problems: list[Problem]
) -> bool:
    """Adds the box of one annotation to its picture; returns whether it was taken from an outline."""
    called, picture = f"annotation {a.get('id')}", pictures.get(_id(a.get("image_id")))
    box = _box(a.get("bbox"))
    outline = None if box else _around(a.get("segmentation"))
    if picture is None:
        problems.append(Problem("unknown-picture", called, f"is of a picture that {file} lacks"))
    elif _id(a.get("category_id")) not in names:
        problems.append(Problem("unknown-class", called, f"has a category that {file} lacks"))
    elif box is None and outline is None:
        problems.append(Problem("no-box", called, f"has no bbox of four numbers (x, y, width, height) in {file}"))
    else:
        x, y, w, h = box or outline or (0.0, 0.0, 0.0, 0.0)
        picture.add((x, y, x + w, y + h), names[_id(a.get("category_id"))], _number(a.get("iscrowd")) == 1)
        return box is None
    return False


def _number(value: Any) -> float:
    """A number, also one written as a text; NaN for anything else."""
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(value, list) or len(value) != 4 or any(isinstance(v, bool) for v in value):
        return None
    x, y, w, h = (_number(v) for v in value)
    told = all(isinstance(v, int | float) or not math.isnan(_number(v)) for v in value)
    return (x, y, w, h) if told else None


def _around(outline: Any) -> tuple[float, float, float, float] | None:
    """The box around the polygons of ``segmentation``; None where there are none (run lengths are not read)."""
    if not isinstance(outline, list):
        return None
    polygons = outline if all(isinstance(p, list) for p in outline) else [outline]
    x = [_number(v) for p in polygons for v in p[0::2]]
    y = [_number(v) for p in polygons for v in p[1::2]]
    if len(x) < 2 or len(x) != len(y) or not all(map(math.isfinite, (*x, *y))):
        return None
    return min(x), min(y), max(x) - min(x), max(y) - min(y)
