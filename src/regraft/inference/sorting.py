"""Predicted items sorted into a folder for each class."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from regraft.core.files import disk_errors
from regraft.data.items import Items, PictureFiles
from regraft.inference.answer_files import Row


class Sorter:
    """Puts each picture into the folder of its class, below the folders that it lies in: a hard link where the disk
    allows, else a symbolic one.

    What lies there already is never touched: the same picture again is left, another of that name gets a number.
    """

    def __init__(self, folder: Path, copy: bool, classes: Iterable[str]) -> None:
        self.folder = folder
        self.copy = copy
        self.folders: dict[str, str] = {}
        for label in classes:
            self._of(label)

    def _of(self, label: str) -> str:
        """The folder of a class; no two classes have the same, and none that of what has no class."""
        if label not in self.folders:
            plain = re.sub(r"[/\\\0]", "_", label).strip(".") or "_"
            taken, name, number = {*self.folders.values(), _UNREADABLE, _UNSURE}, plain, 2
            while name in taken:
                name, number = f"{plain}-{number}", number + 1
            self.folders[label] = name
        return self.folders[label]

    def add(self, items: Items, position: int, row: Row) -> None:
        """Puts one picture where its answer says."""
        assert isinstance(items, PictureFiles)
        where = _UNREADABLE if "error" in row else _UNSURE if row.get("abstain") else self._of(row["label"])
        steps = [step for step in PurePosixPath(row["input"]).parts if step not in ("/", ".", "..")]
        target = self.folder.joinpath(where, *steps)
        source = items.tree.where(items.paths[position])
        on_disk = source is not None and source.is_file()
        if not on_disk and "error" in row:
            return
        data = None if on_disk else items.read(position)
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            free = _free(target, source, data)
            if free is None:
                return
            if data is not None or source is None:
                free.write_bytes(data or b"")
            elif self.copy:
                shutil.copyfile(source, free)
            else:
                try:
                    free.hardlink_to(source)
                except OSError:
                    free.symlink_to(source.resolve())


def _free(target: Path, source: Path | None, data: bytes | None) -> Path | None:
    """A name that is free for this picture, or None where the very picture is there already."""
    first, number = target, 2
    while target.exists() or target.is_symlink():
        if data is None and source is not None and target.exists() and target.samefile(source):
            return None
        if target.exists() and target.read_bytes() == (source.read_bytes() if data is None and source else data):
            return None
        target, number = first.with_name(f"{first.stem}-{number}{first.suffix}"), number + 1
    return target


_UNREADABLE, _UNSURE = "unreadable", "unsure"
