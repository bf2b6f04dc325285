"""Boxes as YOLO's tools write them: a text file a picture, each line a class number and the box's middle and sides.

``labels/train/7.txt`` belongs to ``images/train/7.jpg``, or lies beside its picture; ``class cx cy w h`` are in shares
of the picture's sides (Redmon et al. 2016, https://arxiv.org/abs/1506.02640, darknet). ``data.yaml`` names the classes
and parts; it is read by a loader that makes plain values only. A line with more numbers is an outline: its box is
taken. A picture without a text file has no boxes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from regraft.data.dataset import Dataset
from regraft.data.detection import Annotated, detection_dataset, is_picture
from regraft.data.encoding import decode_text
from regraft.data.formats.pairing import CLASS_LISTS, PictureIndex, listed_classes, part_of_path
from regraft.data.parts import part_of
from regraft.data.trees import Directory, Tree, open_tree
from regraft.errors import DataError, UnreadableItem
from regraft.types import Hints, Problem

_LINE = re.compile(r"\d+(\s+[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?){4,}\s*$")
LIMIT, LOOKED_AT = 1 << 20, 20


def sniff(path: Path) -> str | None:
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
        return "YOLO's data.yaml" if re.search(rb"(?m)^\s*names\s*:", path.read_bytes()[:LIMIT]) else None
    tree = open_tree(path)
    if tree is None:
        return None
    files = tree.files()
    if not any(is_picture(f) for f in files):
        return None
    if not any(_holds_lines(tree, f) for f in _label_files(files)):
        return None
    settings = _settings_file(tree, files)
    return f"YOLO's text files{f', {settings}' if settings else ''}"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Classes as data.yaml or classes.txt orders them, else by their numbers."""
    tree = open_tree(path) or Directory(path.resolve().parent)
    files = tree.files()
    index = PictureIndex([f for f in files if is_picture(f)])
    name = path.name if path.is_file() and not path.name.lower().endswith(".zip") else _settings_file(tree, files)
    settings = read_yaml(tree.read(name), f"{name} in {tree.path}") if name else {}
    classes = _class_names(settings, tree, files, name or "")
    parts = _parts(settings, tree, name or "", index)
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    for file in _label_files(files):
        picture = index.of_stem(file, ("labels",))
        if picture:
            texts[picture] = file
        else:
            problems.append(Problem("missing-file", file.removeprefix(index.root), "there is no picture of this name"))
    pictures = []
    for one in index.paths:
        if parts and one not in parts:
            text = f"{name} names it in no part; left out"
            problems.append(Problem("missing-part", one.removeprefix(index.root), text))
            continue
        pictures.append(Annotated(one, parts.get(one) or part_of_path(one), shares=True))
        _add_boxes(pictures[-1], tree, texts.get(one), classes, problems)
    if not classes:
        numbers = sorted({label for p in pictures for label in p.labels}, key=int)
        classes = tuple(numbers)
    called = (path.parent if path.is_file() and path.suffix.lower() != ".zip" else path).resolve().name
    return detection_dataset(
        called.removesuffix(".zip"), tree, pictures, classes, root=index.root, format="yolo",
        evidence=f"YOLO's text files{f', {name}' if name else ''}", problems=problems,
    )  # fmt: skip


def read_yaml(data: bytes, where: str) -> dict[str, Any]:
    """A YAML file of plain values; raises ``DataError``, also where a tag would make other objects."""
    import yaml

    if len(data) > LIMIT:
        raise DataError(f"{where} is {len(data) / 1e6:.1f} MB large; the settings of a data set are a few lines.")
    try:
        found = yaml.safe_load(data)
    except yaml.constructor.ConstructorError as error:
        raise DataError(f"{where} holds a tag that is not read, since it may run code: {error.problem}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{where} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{where} holds no names of classes (names: [cat, dog]).")
    return found


def _settings_file(tree: Tree, files: Sequence[str]) -> str | None:
    """The YAML file with names of classes that lies highest."""
    found = [f for f in files if f.lower().endswith((".yaml", ".yml"))]
    for file in sorted(found, key=lambda f: (f.count("/"), f)):
        try:
            if re.search(rb"(?m)^\s*names\s*:", tree.read(file)[:LIMIT]):
                return file
        except UnreadableItem:
            continue
    return None


def _label_files(files: Sequence[str]) -> list[str]:
    stems = {PurePosixPath(f).stem for f in files if is_picture(f)}
    return [f for f in files if f.lower().endswith(".txt")
            and PurePosixPath(f).name not in CLASS_LISTS
            and ("labels" in f.lower().split("/")[:-1] or PurePosixPath(f).stem in stems)]  # fmt: skip


def _holds_lines(tree: Tree, file: str) -> bool:
    try:
        lines = [line for line in tree.read(file)[:4096].decode("utf-8", "replace").splitlines() if line.strip()]
    except UnreadableItem:
        return False
    return bool(lines) and bool(_LINE.match(lines[0].strip()))


def _class_names(settings: dict[str, Any], tree: Tree, files: Sequence[str], where: str) -> tuple[str, ...]:
    names = settings.get("names")
    if isinstance(names, dict) and all(isinstance(k, int) and 0 <= k < len(names) for k in names):
        names = [names[k] for k in sorted(names)]
    if names is None:
        return tuple(listed_classes(tree, files))
    if not isinstance(names, list) or not names or not all(isinstance(n, str | int | float | bool) for n in names):
        raise DataError(f"{where} in {tree.path}: names is to be a list of the classes, or numbers from 0 with a name.")
    if len({str(n) for n in names}) < len(names):
        raise DataError(f"{where} in {tree.path} has two classes of the same name; give each its own.")
    return tuple(str(n) for n in names)


def _parts(settings: dict[str, Any], tree: Tree, where: str, index: PictureIndex) -> dict[str, str]:
    """Picture -> part, from the folders and lists that the settings name; empty where they name none."""
    found: dict[str, str] = {}
    for key, entries in settings.items():
        part = part_of(str(key))
        if not part or not entries:
            continue
        for entry in entries if isinstance(entries, list) else [entries]:
            pictures = _named(str(entry), str(settings.get("path") or ""), tree, where, index)
            if not pictures:
                raise DataError(f"{where} in {tree.path} says {key}: {entry}, and no pictures are there.")
            found |= {p: part for p in pictures if p not in found or part != "train"}
    return found


def _named(entry: str, base: str, tree: Tree, where: str, index: PictureIndex) -> list[str]:
    """The pictures of a folder, or of a list of names, wherever in the tree its path ends so."""
    wanted = [s for s in PurePosixPath(entry.replace("\\", "/")).parts if s not in (".", "..", "/")]
    here = list(PurePosixPath(where).parts[:-1])
    full = [*here, *(s for s in PurePosixPath(base).parts if s not in (".", "..", "/")), *wanted]
    for steps in [full[i:] for i in range(len(full) - len(wanted) + 1)] + [wanted[i:] for i in range(1, len(wanted))]:
        path = "/".join(steps)
        if entry.lower().endswith(".txt"):
            if tree.exists(path):
                lines = decode_text(tree.read(path)).text.split()
                return [p for p in (index.find(line.replace("\\", "/"), near=path) for line in lines) if p]
        elif inside := [p for p in index.paths if p.startswith(f"{path}/") or f"/{path}/" in p]:
            return inside
    return list(index.paths) if not wanted else []


def _add_boxes(picture: Annotated, tree: Tree, file: str | None, classes: Sequence[str], found: list[Problem]) -> None:
    if file is None:
        return
    try:
        lines = decode_text(tree.read(file)).text.splitlines()
    except UnreadableItem as error:
        found.append(Problem("unreadable", file, f"{error}; the picture counts as one without boxes"))
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if not _LINE.match(line.strip()):
            what = "is no class number with four numbers; set aside"
            found.append(Problem("bad-row", f"{file}:{number}", what))
            continue
        first, *rest = line.split()
        if classes and int(first) >= len(classes):
            what = f"has the class {first}, and there are {len(classes)} (from 0); set aside"
            found.append(Problem("unknown-class", f"{file}:{number}", what))
            continue
        picture.add(_edges([float(v) for v in rest]), classes[int(first)] if classes else first)


def _edges(values: list[float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in shares; of an outline (six numbers or more, x and y in turn) the box around it."""
    if len(values) >= 6:
        points = np.array(values[: len(values) // 2 * 2]).reshape(-1, 2)
        return (*points.min(0).tolist(), *points.max(0).tolist())
    cx, cy, w, h = values[:4]
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
