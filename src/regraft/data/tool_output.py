"""Folders that tools wrote beside the data: runs of trainings, logs. They are known by what lies in them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from regraft.core.errors import UnreadableItem

Read = Callable[[str], bytes]

SIGN = ".regraft-output"
"""A file that marks a folder as written by regraft where nothing else in it would."""

_MARK = re.compile(
    r"(run|manifest|about)\.json|(args|opt|hparams|meta)\.yaml|trainer_state\.json|last_checkpoint"
    r"|events\.out\.tfevents\..*|.*\.wandb|" + re.escape(SIGN)
)
_WANDB = re.compile(r"(offline-)?run-\d{8}_\d{6}-\w+")
_ULTRALYTICS = re.compile(r"(?:.*/)?runs/(detect|segment|classify|pose|obb)")
_PICTURE = re.compile(r".*\.(jpe?g|png|bmp|gif|tiff?|webp|avif)", re.IGNORECASE)


class _Folder(NamedTuple):
    """What lies directly in a folder, and how a file of it is read."""

    path: str
    files: set[str]
    folders: set[str]
    read: Read

    def holds_pictures(self) -> bool:
        return any(map(_PICTURE.fullmatch, self.files))

    def keys(self, name: str) -> set[str]:
        """The keys of a JSON file, none where it is no such file."""
        try:
            record = json.loads(self.read(f"{self.path}/{name}")) if name in self.files else None
        except (UnreadableItem, ValueError):
            return set()
        return set(record) if isinstance(record, dict) else set()

    def says(self, name: str, word: bytes) -> bool:
        try:
            return name in self.files and word in self.read(f"{self.path}/{name}")
        except UnreadableItem:
            return False


def tool_output(files: Iterable[str], folders: Iterable[str], read: Read) -> dict[str, str]:
    """Folder -> whose output it is, of the topmost folders that tools wrote; the root itself never is one."""
    inside: dict[str, _Folder] = {}
    marked: set[str] = set()
    names: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for path in folders:
        above, _, name = path.rpartition("/")
        names[above][1].add(name)
        if _ULTRALYTICS.fullmatch(path):
            marked.add(path)
        if _WANDB.fullmatch(name):
            marked.add(above)
    for path in files:
        above, _, name = path.rpartition("/")
        names[above][0].add(name)
        if _MARK.fullmatch(name):
            marked.add(above)
    inside = {path: _Folder(path, *names[path], read) for path in marked if path}
    found: dict[str, str] = {}
    for path in sorted(inside, key=lambda p: (p.count("/"), p)):
        whose = None if is_below(path, found) else _whose(inside[path])
        if whose:
            found[path] = whose
    return found


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of ``folders`` or lies in one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _whose(folder: _Folder) -> str | None:
    """Whose output a folder is, or None where it holds data."""
    files, folders = folder.files, folder.folders
    if SIGN in files or _is_regraft(folder):
        return "regraft"
    if {"args.yaml", "opt.yaml"} & files and ("weights" in folders or {"results.csv", "hyp.yaml"} & files):
        return "ultralytics"
    if "trainer_state.json" in files:
        return "transformers"
    if "last_checkpoint" in files and "metrics.json" in files:
        return "detectron2"
    if folder.holds_pictures():
        return None
    if _ULTRALYTICS.fullmatch(folder.path):
        runs = all(re.fullmatch(r"(train|val|predict|track|exp)\d*", name) for name in folders)
        return "ultralytics" if folders and runs else None
    if any(name.startswith("events.out.tfevents.") for name in files):
        return "TensorBoard"
    if "hparams.yaml" in files and ("metrics.csv" in files or "checkpoints" in folders):
        return "Lightning"
    if any(name.endswith(".wandb") for name in files) or any(map(_WANDB.fullmatch, folders)):
        return "wandb"
    if {"artifacts", "metrics", "params"} <= folders or folder.says("meta.yaml", b"experiment_id"):
        return "MLflow"
    return None


def _is_regraft(folder: _Folder) -> bool:
    """A run, finished or not, a model, or answers that are being written."""
    return (
        {"status", "settings"} <= folder.keys("run.json")
        or {"format", "format_version", "files"} <= folder.keys("manifest.json")
        or {"model", "inputs"} <= folder.keys("about.json")
    )
