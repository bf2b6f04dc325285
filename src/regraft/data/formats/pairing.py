"""Finding the picture that an annotation means, and the part that a path lies in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from regraft.data.encoding import decode_text
from regraft.data.parts import part_of
from regraft.data.trees import Tree
from regraft.errors import DataError, UnreadableItem

CLASS_LISTS = ("classes.txt", "obj.names", "classes.names")


class PictureIndex:
    """Pictures by the ends of their paths. ``root`` is the folder, with a slash, that all of them lie below."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self._all = set(paths)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            name = PurePosixPath(path)
            self._by_name[name.name].append(path)
            self._by_stem[name.stem].append(path)
        folders = [p.split("/")[:-1] for p in paths]
        shared = []
        for step in zip(*folders, strict=False):
            # a part's name tells something
            if len(set(step)) > 1 or part_of(step[0]):
                break
            shared.append(step[0])
        self.root = "".join(f"{step}/" for step in shared)

    def find(self, name: str, near: str) -> str:
        """The path of the picture called ``name`` in the annotation file ``near``; ``name`` where there is none.

        Taken is that beside ``near``, or else the one with the most folders in common with ``name``, then that in the
        part ``near`` is of.
        """
        beside = "/".join([*near.split("/")[:-1], name])
        if beside in self._all:
            return beside
        return self._best(self._by_name[PurePosixPath(name).name], name, near) or name

    def of_stem(self, path: str, folders: Sequence[str]) -> str | None:
        """The picture that is called as the file ``path`` but for its ending; ``folders`` are names that stand where
        ``path`` says something else, such as images for labels.
        """
        near = "/".join("" if step.lower() in folders else step for step in path.split("/"))
        return self._best(self._by_stem[PurePosixPath(path).stem], near, near)

    def _best(self, candidates: list[str], name: str, near: str) -> str | None:
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        part = part_of_path(near)
        return max(
            candidates, key=lambda p: (_same_end(p, name), part_of_path(p) == part, _in_common(p, near), -len(p))
        )


def listed_classes(tree: Tree, files: Sequence[str]) -> list[str]:
    """The names in the tree's ``classes.txt``, a line each, in their order; none where there is no such file."""
    lists = [f for f in files if PurePosixPath(f).name.lower() in CLASS_LISTS]
    if not lists:
        return []
    try:
        lines = decode_text(tree.read(min(lists, key=lambda f: (f.count("/"), f)))).text.splitlines()
    except UnreadableItem as error:
        raise DataError(f"{lists[0]} in {tree.path} cannot be read: {error}.") from error
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _same_end(a: str, b: str) -> int:
    """How many steps two paths share, counted from their ends."""
    steps = 0
    for x, y in zip(reversed(a.split("/")), reversed(b.split("/")), strict=False):
        if x != y:
            break
        steps += 1
    return steps


def _in_common(a: str, b: str) -> int:
    return len(set(a.split("/")[:-1]) & set(b.split("/")[:-1]))


def part_of_path(path: str) -> str:
    """The part that a path speaks of (``images/val/7.jpg``, ``instances_train2017.json``), or ""."""
    steps = PurePosixPath(path).parts
    for step in reversed(steps[:-1]):
        if part_of(re.sub(r"\d+$", "", step)):
            return part_of(re.sub(r"\d+$", "", step)) or ""
    if not steps or not path.lower().endswith((".json", ".csv", ".tsv", ".txt", ".gz")):
        return ""
    words = re.split(r"[^a-zA-Z]+", steps[-1].split(".")[0])
    return next((part_of(w) or "" for w in words if part_of(w)), "")
