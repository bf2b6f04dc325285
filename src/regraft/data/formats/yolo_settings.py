"""What goes with YOLO's label files: ``data.yaml`` (or darknet's ``obj.data``) with the classes and the parts.

A part is a folder, or a list of pictures, a line each. Words in YAML stay words: ``no`` and ``010`` are names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Problem
from regraft.data.formats.pairing import PictureIndex, class_lines, folder_of, head_of, listed_classes, nfc, spelled
from regraft.data.image.boxes import is_picture
from regraft.data.parts import part_of
from regraft.data.text.encoding import decode_text
from regraft.data.trees import Tree

LIMIT = 1 << 20
NAMES = re.compile(r"""(?m)^\s*["']?names["']?\s*[:=]""")
NOTHING = ("", "null", "Null", "NULL", "~", "None")
_PLAIN = ("str", "int", "float", "bool", "null", "timestamp")


def read_yaml(data: bytes, where: str) -> dict[str, Any]:
    """A YAML file of lists and words; raises ``DataError``, also where a tag would make other objects."""
    import yaml

    if len(data) > LIMIT:
        raise DataError(f"{where} is {len(data) / 1e6:.1f} MB large; the settings of a data set are a few lines.")

    class Words(yaml.BaseLoader):
        """Keeps every plain value as it is written."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            made = super().construct_mapping(node, deep)
            if len(made) < len(node.value):
                raise DataError(f"{where} has one key twice; give each its own.")
            return made

    def refuse(loader: Words, node: yaml.Node) -> Any:
        raise DataError(f"{where} holds a tag that is not read, since it may run code: {node.tag}.")

    for tag in _PLAIN:
        Words.add_constructor(f"tag:yaml.org,2002:{tag}", Words.construct_scalar)
    Words.add_constructor("tag:yaml.org,2002:seq", Words.construct_sequence)
    Words.add_constructor("tag:yaml.org,2002:map", Words.construct_mapping)
    Words.add_constructor(None, refuse)
    try:
        found = yaml.load(decode_text(data).text, Loader=Words)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{where} holds no names of classes (names: [cat, dog]).")
    return found


def settings_file(tree: Tree, files: Sequence[str]) -> tuple[str | None, list[Problem]]:
    """The settings with names of classes that lie highest, data.yaml before others; the others are told."""
    found = [f for f in files if f.lower().endswith((".yaml", ".yml", ".data")) and _names_classes(tree, f)]
    if not found:
        return None, []

    def order(file: str) -> tuple[int, bool, str]:
        return file.count("/"), PurePosixPath(file).stem.lower() not in ("data", "dataset"), file

    first, *others = sorted(found, key=order)
    text = f"names classes too, and {first} is read; give its own path to have it read"
    return first, [Problem("other-settings", f, text) for f in others if f.count("/") == first.count("/")]


def _names_classes(tree: Tree, file: str) -> bool:
    try:
        return bool(NAMES.search(decode_text(head_of(tree, file, LIMIT)).text))
    except UnreadableItem:
        return False


def read_settings(tree: Tree, file: str) -> dict[str, Any]:
    """The keys of data.yaml, or of darknet's ``obj.data`` (``train = data/train.txt``)."""
    data = tree.read(file)
    if not file.lower().endswith(".data"):
        return read_yaml(data, f"{file} in {tree.path}")
    lines = (line.partition("=") for line in decode_text(data).text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in lines}


def part_lists(tree: Tree, files: Sequence[str]) -> dict[str, Any]:
    """``train.txt`` and its like at the top of the tree, where no settings name them."""
    lists = {}
    for file in files:
        part = part_of(PurePosixPath(file).stem) if file.endswith(".txt") and "/" not in file else None
        if part and listed(tree, file, only_pictures=True):
            lists[part] = file
    return lists


def listed(tree: Tree, file: str, only_pictures: bool = False) -> list[str]:
    """The names in a list of pictures, a line each; none where ``only_pictures`` and a line ends otherwise."""
    try:
        text = decode_text(tree.read(file)).text.replace("\r\n", "\n")
    except UnreadableItem as error:
        raise DataError(f"{file} in {tree.path} cannot be read: {error}.") from error
    names = [line for line in text.split("\n") if line.strip()]
    trimmed = [name if is_picture(name) else name.strip() for name in names]
    return [] if only_pictures and not all(map(is_picture, trimmed)) else trimmed


def class_names(settings: dict[str, Any], tree: Tree, files: Sequence[str], where: str) -> tuple[str, ...]:
    """The classes in the order of their numbers; none where nothing names them."""
    names = settings.get("names")
    if isinstance(names, str) and names.lower().endswith((".names", ".txt")):
        own = [posixpath.normpath(folder_of(where) + spelled(names)[1]), folder_of(where) + PurePosixPath(names).name]
        there = next((f for f in own if tree.exists(f)), None)
        names = [line.strip() for line in class_lines(tree, there)] if there else None
    if names is None or names == "":
        return tuple(name.strip() for name in listed_classes(tree, files))
    if isinstance(names, dict) and all(str(k).isdecimal() for k in names):
        numbered = {int(k): v for k, v in names.items()}
        names = [numbered.get(k) for k in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise DataError(f"{where} in {tree.path}: names is to be a list of the classes, or numbers from 0 with a name.")
    classes = tuple(nfc(n) for n in names)
    if len(set(classes)) < len(classes):
        raise DataError(f"{where} in {tree.path} has two classes of the same name; give each its own.")
    return classes


def point_shape(settings: dict[str, Any], where: str) -> tuple[int, int] | None:
    """``kpt_shape`` as (points, numbers each), where it is there."""
    shape = settings.get("kpt_shape")
    if shape is None:
        return None
    if not isinstance(shape, list) or len(shape) != 2 or not str(shape[0]).isdecimal() or shape[1] not in ("2", "3"):
        raise DataError(f"{where}: kpt_shape is to be the number of points and 2 or 3, such as [17, 3].")
    return int(shape[0]), int(shape[1])


def parts_of(
    settings: dict[str, Any], tree: Tree, where: str, index: PictureIndex
) -> tuple[dict[str, str], list[Problem]]:
    """Picture -> part, from the folders and lists that the settings name, and what was wrong with them; empty where
    they name none. Raises ``DataError`` where they name some and none is there.
    """
    entries = [(part_of(str(key)) or "", str(key), str(entry))
               for key, value in settings.items() if part_of(str(key))
               for entry in (value if isinstance(value, list) else [value]) if entry not in NOTHING]  # fmt: skip
    entries.sort(key=lambda one: one[0] != "train")
    base, own = str(settings.get("path") or ""), folder_of(where)
    above = [own[: i + 1] for i in range(len(own) - 2, -1, -1) if own[i] == "/"] + ([""] if own else [])
    for top in (own, *above):
        tops = [_candidates(entry, part, base, tree, top, where.endswith(".data")) for part, _, entry in entries]
        places = [next((p for p in some if _is_there(p, tree, index)), None) for some in tops]
        if any(places):
            break
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for (part, key, entry), place in zip(entries, places if entries else [], strict=True):
        called = f"{key}: {entry}"
        if place is None:
            problems.append(Problem("missing-part", called, f"{where} names it, and no pictures are there"))
        else:
            _add(_pictures(place, tree, index, problems), part, called, found, problems)
    if entries and not found:
        raise DataError(f"{where} in {tree.path} says {entries[0][1]}: {entries[0][2]}, and no pictures are there.")
    return found, problems


def _add(pictures: list[str], part: str, called: str, found: dict[str, str], problems: list[Problem]) -> None:
    """Counts ``pictures`` to ``part``. What is of another part too stays out of train, but for a part that holds all
    of another: that is none of its own.
    """
    others = [p for p in pictures if found.get(p, part) != part]
    whole = {p for p, other in found.items() if others and other == found[others[0]]}
    if others and len(others) == len(pictures) and whole <= set(pictures):
        text = f"names pictures of {found[others[0]]} only; they stay in {found[others[0]]}"
        problems.append(Problem("same-part", called, text))
        return
    if others:
        text = f"names {len(others)} pictures that are of another part too, such as {others[0]}; they count to {part}"
        problems.append(Problem("same-part", called, text))
    found |= dict.fromkeys(pictures, part)


def _is_there(place: str, tree: Tree, index: PictureIndex) -> bool:
    if place.lower().endswith(".txt"):
        return tree.exists(place)
    return place == "." or any(nfc(p).startswith(f"{place}/") for p in index.paths)


def _pictures(place: str, tree: Tree, index: PictureIndex, problems: list[Problem]) -> list[str]:
    """The pictures of a folder, or of a list of names."""
    if not place.lower().endswith(".txt"):
        return [p for p in index.paths if place == "." or nfc(p).startswith(f"{place}/")]
    answer = index.resolve(listed(tree, place), near=place, moved=True)
    problems += answer.problems
    problems += [p for p in answer.paths.values() if isinstance(p, Problem)]
    return [p for p in answer.paths.values() if isinstance(p, str)]


def _candidates(entry: str, part: str, base: str, tree: Tree, own: str, darknet: bool) -> list[str]:
    """The paths that an entry of settings in the folder ``own`` may mean, best first: below ``path``, or else below the
    folder itself.

    Of a relative entry only steps that lead upwards are left out (Roboflow's ``../train/images``), in ``darknet``'s
    settings also the first, since it names files from where it was started; of an absolute one from another machine two
    steps are kept, or one that says the part.
    """
    absolute, tail = spelled(entry)
    if absolute:
        here = nfc(str(tree.path.resolve()).lstrip("/")) + "/"
        steps = tail.split("/")
        least = 1 if part_of(steps[-1]) == part else 2
        tails = ["/".join(steps[i:]) for i in range(len(steps) - least + 1)]
        if f"{tail}/".startswith(here):
            return [posixpath.normpath(tail.removeprefix(here.rstrip("/")).lstrip("/"))]
    else:
        below = spelled(base)[1].split("/") if base else []
        plain = re.sub(r"^(\.\./)+", "", f"{tail}/").rstrip("/")
        bases = ["/".join(below[i:]) for i in range(len(below))]
        tails = [posixpath.join(b, t) for t in (tail, plain) for b in [*bases, ""]]
        if darknet:
            tails.append(plain.partition("/")[2] or plain)
    found = [posixpath.normpath(posixpath.join(own, t)) for t in tails]
    return list(dict.fromkeys(p for p in found if not p.startswith("..")))
