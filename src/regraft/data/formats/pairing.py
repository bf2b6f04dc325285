"""Finding the pictures that an annotation file means, and the part that a path lies in.

The names in one file are paths below one folder: its own, or else that under which most of them are found whole. A name
that is not below that folder is missing, wherever else a picture of its name may lie.
"""

from __future__ import annotations

import bisect
import itertools
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Problem
from regraft.data.image.boxes import is_picture
from regraft.data.parts import part_of
from regraft.data.text.encoding import decode_text
from regraft.data.trees import Directory, Tree

CLASS_LISTS = ("classes.txt", "obj.names", "classes.names")
PICTURE_FOLDERS = frozenset(("images", "image", "imgs", "img", "jpegimages", "pictures", "photos"))
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://[^/]*")

Places = dict[str, list[str]]  # folder with a slash -> the paths in it that a name may mean


class Resolved(NamedTuple):
    """``paths`` maps each name to the path of its picture, or to the problem that says why there is none; ``problems``
    concern the annotation file as a whole.
    """

    paths: dict[str, str | Problem]
    problems: list[Problem]


class Ends:
    """Paths by how they end: ``keys`` maps a path as it is looked for to the paths as they are."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self.of: dict[str, list[str]] = defaultdict(list)
        for key, path in keys:
            self.of[key].append(path)
        self._backwards = sorted(f"/{key}"[::-1] for key in self.of)

    def places(self, tail: str) -> Places:
        """Every folder below which there is a ``tail``."""
        start, found = f"/{tail}"[::-1], {}
        for i in range(bisect.bisect_left(self._backwards, start), len(self._backwards)):
            if not self._backwards[i].startswith(start):
                break
            key = self._backwards[i][-2::-1]
            found[key[: len(key) - len(tail)]] = self.of[key]
        return found


class PictureIndex:
    """The pictures of a tree. ``root`` is the folder, with a slash, that all of them lie below."""

    def __init__(self, tree: Tree, paths: Sequence[str]) -> None:
        self.tree = tree
        self.paths = paths
        self._ends: dict[bool, Ends] = {}
        self._called: dict[str, str] = {}
        shared = []
        for step in zip(*(p.split("/")[:-1] for p in self.paths), strict=False):
            # a part's name tells something
            if len(set(step)) > 1 or part_of(step[0]):
                break
            shared.append(step[0])
        self.root = "".join(f"{step}/" for step in shared)

    def ends(self, whole: bool) -> Ends:
        """The paths by their ends, or, where not ``whole``, by their ends without the pictures' endings."""
        if whole not in self._ends:
            keys = ((nfc(p) if whole else nfc(p).rpartition(".")[0], p) for p in self.paths)
            self._ends[whole] = Ends(keys)
        return self._ends[whole]

    def resolve(self, names: Iterable[str], near: str, *, moved: bool = False) -> Resolved:
        """The pictures that the ``names`` in the file ``near`` mean; a name without a picture's ending means the only
        picture called so but for its ending.

        Absolute names may come from another machine: the folder that all of them share is taken for one of the tree's.
        ``moved`` allows it of relative names too, of which none is found else.
        """
        found: dict[str, str | Problem] = {}
        here: dict[str, str] = {}
        away: dict[str, str] = {}
        for name in dict.fromkeys(names):
            absolute, tail = spelled(name)
            if absolute and self._exists(name):
                found[name] = self._inside(name, tail)
            else:
                (away if absolute else here)[name] = tail
        problems: list[Problem] = []
        chosen = self._chosen({n: self._places(n, tail, near) for n, tail in here.items()}, near)
        if moved and here and not any(isinstance(v, str) for v in chosen.values()):
            chosen, problems = self._moved(here, near, least=2)
        if away:
            others, more = self._moved(away, near)
            chosen, problems = chosen | others, problems + more
        return Resolved(found | chosen, problems)

    def _inside(self, name: str, tail: str) -> str:
        """The absolute name of a file of this machine as the tree calls it, where it lies in there."""
        top = nfc(str(self.tree.path.resolve()).lstrip("/")) + "/"
        there = self.ends(True).of.get(tail.removeprefix(top)) if tail.startswith(top) else None
        return there[0] if there else name

    def _exists(self, path: str) -> bool:
        try:
            return self.tree.exists(path)
        except (OSError, ValueError):  # no name that the disk could hold
            return False

    def _places(self, name: str, tail: str, near: str) -> Places:
        own = folder_of(near)
        exact, raw = posixpath.normpath(own + tail), posixpath.normpath(own + name)
        ends = self.ends(is_picture(tail))
        beside: Places = {}
        if there := ends.of.get(exact):
            beside = {own: [raw] if raw in there else there}
        elif tail and (real := next(filter(self._exists, (exact, raw)), None)):
            beside = {own: [real]}
        return ends.places(re.sub(r"^(\.\./)+", "", tail)) | beside

    def _chosen(self, places: Mapping[str, Places], near: str) -> dict[str, str | Problem]:
        """Name -> path below the one folder that ``near`` speaks of, or the problem."""
        own, part = folder_of(near), part_of_path(near)
        counts = Counter(base for one in places.values() for base in one)
        allowed = {b: _rank(b, own, part) for b in counts if b == own or not _contradicts(part_of_path(f"{b}x"), part)}
        best = max(allowed.values(), default=None)
        top = [b for b in allowed if allowed[b] == best]
        if all(len(_at(one, allowed)) == len(_at(one, top)) == 1 for one in places.values()):
            return {name: _at(one, top)[0] for name, one in places.items()}
        # a folder above the file, or one called as folders of pictures are, decides between equals
        worth = {b: (counts[b], own.startswith(b), _last(b).lower() in PICTURE_FOLDERS) for b in top}
        most = max(worth.values(), default=None)
        bases = [b for b in top if worth[b] == most]
        return {name: self._one(name, _at(one, bases), bases, near) for name, one in places.items()}

    def _one(self, name: str, found: list[str], bases: Sequence[str], near: str) -> str | Problem:
        """The path of a name that was ``found``, or the problem, where that is none or ``bases`` are equal rivals."""
        if len(found) == 1 and len(bases) == 1:
            return found[0]
        if found:
            rivals = sorted(found) if len(bases) == 1 else sorted(base + name for base in bases)
            text = f"may mean {' or '.join(rivals[:3])} ({near}); left out: put the annotation file beside its pictures"
            return Problem("ambiguous-file", name, text)
        if not self._called:
            self._called = {_last(nfc(p)).casefold(): p for p in self.paths}
        other = self._called.get(_last(spelled(name)[1]).casefold())
        aside = f" ({other} is called so, and may be another)" if other else ""
        return Problem("missing-file", name, f"there is no such picture{aside}; left out")

    def _moved(
        self, tails: Mapping[str, str], near: str, least: int = 1
    ) -> tuple[dict[str, str | Problem], list[Problem]]:
        """Resolves names less the folder that all of them share: as little of it as leaves names that are found."""
        steps = {name: tail.split("/") for name, tail in tails.items()}
        shared = shared_steps([s[:-1] for s in steps.values()])
        for gone in range(shared + 1):
            if min(map(len, steps.values())) - gone < least:
                break
            places = {n: self._places(n, "/".join(s[gone:]), near) for n, s in steps.items()}
            found = self._chosen(places, near)
            if any(isinstance(v, str) for v in found.values()):
                name, path = next((n, v) for n, v in found.items() if isinstance(v, str))
                text = f"its names come from elsewhere: {name} is taken for {path}, and the others likewise"
                return found, [Problem("moved-root", near, text)]
        return {name: self._one(name, [], (), near) for name in tails}, []


def pictures_of(files: Iterable[str]) -> list[str]:
    """Those of the files that are pictures by their ending."""
    return [f for f in files if is_picture(f)]


def head_of(tree: Tree, file: str, limit: int) -> bytes:
    """The first ``limit`` bytes of a file; raises ``UnreadableItem``."""
    if not isinstance(tree, Directory):
        return tree.read(file)[:limit]
    try:
        with open(tree.where(file), "rb") as f:
            return f.read(limit)
    except OSError as error:
        raise UnreadableItem(f"the file cannot be read: {error.strerror}") from error


def some_of(files: Sequence[str], limit: int) -> list[str]:
    """At most ``limit`` of the ``files``, from all over."""
    return list(files[:: max(1, -(-len(files) // limit))])


def nfc(text: str) -> str:
    """Letters with their accents composed, as most systems write names."""
    return unicodedata.normalize("NFC", text)


def spelled(name: str) -> tuple[bool, str]:
    """Whether a name is absolute, and the name in NFC with plain slashes and without steps that lead nowhere."""
    address = _ADDRESS.match(name)
    if address:
        name = unquote(re.split(r"[?#]", name[address.end() :])[0])
    name = nfc(name).replace("\\", "/")
    absolute = name.startswith("/") or bool(re.match(r"[a-zA-Z]:/", name)) or bool(address)
    plain = posixpath.normpath(name.lstrip("/")) if name.strip("/") else ""
    return absolute, plain


def folder_of(path: str) -> str:
    """The folder of a file, with a slash; "" for the tree's own."""
    return path[: path.rfind("/") + 1]


def shared_steps(paths: Iterable[Sequence[str]]) -> int:
    """How many steps at their beginning all ``paths`` share."""
    return sum(1 for _ in itertools.takewhile(lambda step: len(set(step)) == 1, zip(*paths, strict=False)))


def _at(places: Places, bases: Iterable[str]) -> list[str]:
    return [path for base in bases for path in places.get(base, ())]


def _last(path: str) -> str:
    return PurePosixPath(path).name


def _rank(base: str, own: str, part: str) -> tuple[bool, int, bool]:
    """How near the folder ``base`` is to an annotation file in the folder ``own`` that is of a ``part``."""
    shared = shared_steps([base.split("/")[:-1], own.split("/")[:-1]])
    return base == own, shared, bool(part) and part_of_path(f"{base}x") == part


def _contradicts(a: str, b: str) -> bool:
    return bool(a and b) and a != b


def listed_classes(tree: Tree, files: Sequence[str]) -> list[str]:
    """The names in the tree's ``classes.txt``, a line each, in their order; none where there is no such file."""
    lists = [f for f in files if PurePosixPath(f).name.lower() in CLASS_LISTS]
    return class_lines(tree, min(lists, key=lambda f: (f.count("/"), f))) if lists else []


def class_lines(tree: Tree, file: str) -> list[str]:
    """The lines of ``file`` that hold anything, each once."""
    return list(dict.fromkeys(map(nfc, lines_of(tree, file))))


def lines_of(tree: Tree, file: str) -> list[str]:
    """The lines of ``file`` that hold anything."""
    try:
        text = decode_text(tree.read(file)).text.replace("\r\n", "\n")
    except UnreadableItem as error:
        raise DataError(f"{file} in {tree.path} cannot be read: {error}.") from error
    return [line for line in text.split("\n") if line.strip()]


def among(label: str, listed: Iterable[str]) -> str:
    """A class's name as a list of classes has it, else without white space around it."""
    return nfc(label) if nfc(label) in listed else nfc(label.strip())


def in_order(listed: Sequence[str], labels: Iterable[str]) -> list[str]:
    """Class names: those listed, in their order and spelled as the ``labels`` are, then the other labels (numbers by
    value, words by letter).
    """
    used = set(labels)
    typed = {name: name.strip() for name in listed if name not in used and name.strip() not in listed}
    first = [typed[name] if typed.get(name) in used else name for name in listed]
    digits = bool(used) and all(re.fullmatch("[0-9]+", label) for label in used)
    return list(dict.fromkeys([*first, *(sorted(used, key=int) if digits else sorted(used))]))


def part_of_path(path: str) -> str:
    """The part that a path speaks of (``images/val/7.jpg``, ``instances_train2017.json``), or ""."""
    steps = PurePosixPath(path).parts
    for step in reversed(steps[:-1]):
        if part_of(re.sub(r"\d+$", "", step)):
            return part_of(re.sub(r"\d+$", "", step)) or ""
    if not steps or not path.lower().endswith((".json", ".csv", ".tsv", ".txt", ".gz")):
        return ""
    words = {part_of(w) for w in re.split(r"[^a-zA-Z]+", steps[-1].split(".")[0])} - {None}
    return words.pop() or "" if len(words) == 1 else ""
