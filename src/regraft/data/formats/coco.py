"""Boxes as COCO writes them: a JSON file with images, annotations and categories, and the pictures it names.

Lin et al. 2014 (https://arxiv.org/abs/1405.0312), https://cocodataset.org/#format-data. A folder or zip may hold one
file a part (``annotations/instances_train2017.json``, or ``train/_annotations.coco.json`` beside its pictures).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from regraft.data.dataset import Dataset
from regraft.data.detection import Annotated, detection_dataset, is_picture
from regraft.data.formats.pairing import PictureIndex, part_of_path
from regraft.data.trees import Directory, Tree, open_tree
from regraft.errors import DataError, UnreadableItem
from regraft.types import Hints, Problem

HEAD = 1 << 16
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')


def sniff(path: Path) -> str | None:
    tree, files = _files(path)
    if tree is None or not files:
        return None
    return f"COCO's JSON ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Boxes and crowds of all files together; classes in the order of their category numbers."""
    tree, files = _files(path)
    assert tree is not None
    records = [(name, _parsed(tree, name)) for name in files]
    classes, names = _classes(records)
    index = PictureIndex([f for f in tree.files() if is_picture(f)])
    problems: list[Problem] = []
    pictures: list[Annotated] = []
    alone = path.suffix.lower() == ".json" and path.is_file()
    for file, record in records:
        pictures += _pictures(file, record, names[file], index, "" if alone else part_of_path(file), problems)
    if alone and len({p.part for p in pictures}) == 1:
        pictures = [replace(p, part="") for p in pictures]
    return detection_dataset(
        path.resolve().name.removesuffix(".zip").removesuffix(".json"), tree, pictures, classes, root=index.root,
        format="coco", evidence=sniff(path) or "", problems=problems,
    )  # fmt: skip


def _files(path: Path) -> tuple[Tree | None, list[str]]:
    """The annotation files at ``path``: those called instances where there are any."""
    if path.is_file() and path.suffix.lower() == ".json":
        with open(path, "rb") as f:
            found = [path.name] if _looks_so(f.read(HEAD)) else []
        inside = path.parent.name.lower() in ("annotations", "labels")
        folder = path.resolve().parent
        return Directory(folder.parent if inside else folder), [f"{folder.name}/{n}" if inside else n for n in found]
    tree = open_tree(path)
    if tree is None:
        return None, []
    found = [f for f in tree.files() if f.lower().endswith(".json") and _looks_so(_head(tree, f))]
    instances = [f for f in found if PurePosixPath(f).name.startswith("instances")]
    return tree, instances or found


def _head(tree: Tree, name: str) -> bytes:
    if isinstance(tree, Directory):
        with open(tree.path / name, "rb") as f:
            return f.read(HEAD)
    return tree.read(name)[:HEAD]


def _looks_so(head: bytes) -> bool:
    return bool(_KEYS.search(head)) and (len(head) < HEAD or b'"bbox"' in head or b'"file_name"' in head)


def _parsed(tree: Tree, name: str) -> dict[str, Any]:
    try:
        record = json.loads(tree.read(name))
    except (UnreadableItem, ValueError, RecursionError) as error:
        raise DataError(f"{name} in {tree.path} is no whole JSON file: {error}.") from error
    for key in ("images", "annotations", "categories"):
        rows = record.get(key) if isinstance(record, dict) else None
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            raise DataError(f"{name} in {tree.path} holds no list of {key}, as COCO's files do.")
    wanted = {"images": ("id", "file_name"), "categories": ("id", "name")}
    for key, fields in wanted.items():
        for row in record[key]:
            if any(not isinstance(row.get(f), int | str) for f in fields):
                raise DataError(f"{name} in {tree.path} has one of {key} without {' or '.join(fields)}: {row}.")
    return record


def _classes(records: list[tuple[str, dict[str, Any]]]) -> tuple[list[str], dict[str, dict[Any, str]]]:
    """Class names in order, and for each file category number -> name.

    A category that has no box and only stands above the others, as some exporters write, is no class.
    """
    used = {(f, a.get("category_id")) for f, r in records for a in r["annotations"]}
    named = {f: {c["id"]: str(c["name"]) for c in r["categories"]} for f, r in records}
    above = {str(c.get("supercategory")) for _, r in records for c in r["categories"]}
    with_boxes = {named[f].get(k) for f, k in used}
    order: dict[str, None] = {}
    for file, record in records:
        for c in sorted(record["categories"], key=lambda c: (isinstance(c["id"], str), c["id"])):
            name = named[file][c["id"]]
            top = str(c.get("supercategory")) in ("none", "", "None") and name in above
            if name in with_boxes or not top:
                order[name] = None
    return list(order), named


def _pictures(
    file: str, record: dict[str, Any], names: dict[Any, str], index: PictureIndex, part: str, problems: list[Problem]
) -> list[Annotated]:
    pictures: dict[Any, Annotated] = {}
    for image in record["images"]:
        name, number = str(image["file_name"]).replace("\\", "/"), image["id"]
        if number in pictures:
            problems.append(Problem("duplicate-id", name, f"has the number {number} of another picture; left out"))
            continue
        path = index.find(name, near=file)
        size = (image.get("width"), image.get("height"))
        known = all(isinstance(v, int | float) and v > 0 for v in size)
        pictures[number] = Annotated(path, part or part_of_path(path), size=size if known else None)  # type: ignore[arg-type]
    ids = Counter(a.get("id") for a in record["annotations"])
    for number in [i for i, n in ids.items() if i is not None and n > 1][:20]:
        problems.append(Problem("duplicate-id", file, f"{ids[number]} annotations have the number {number}; all kept"))
    for a in record["annotations"]:
        called = f"annotation {a.get('id')}"
        if a.get("image_id") not in pictures:
            problems.append(Problem("unknown-picture", called, f"is of a picture that {file} lacks"))
        elif a.get("category_id") not in names:
            problems.append(Problem("unknown-class", called, f"has a category that {file} lacks"))
        elif not _is_box(a.get("bbox")):
            problems.append(Problem("no-box", called, f"has no bbox of four numbers (x, y, width, height) in {file}"))
        else:
            x, y, w, h = a["bbox"]
            pictures[a["image_id"]].add((x, y, x + w, y + h), names[a["category_id"]], bool(a.get("iscrowd")))
    return list(pictures.values())


def _is_box(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 4
    return numbers and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
