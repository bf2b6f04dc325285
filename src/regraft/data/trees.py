"""A folder, or a zip archive in place of one: names and bytes, nothing is unpacked to disk.

Names are the same on every machine: ``/`` between the parts, Unicode's composed form, bytes that are no UTF-8 decoded.
How a name is spelled on the disk or in the archive is known here alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Problem
from regraft.data.archives import Archive
from regraft.data.contents import Contents, contents
from regraft.data.names import guess_of, hidden, odd, shown, spelled
from regraft.data.tool_output import SIGN

MOST_TIMES = 50
"""How often one folder is entered through links."""


class Tree(Protocol):
    """Files by their path relative to the root, with ``/`` between the parts."""

    path: Path

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was seen in listing the files; nothing before they are."""
        ...

    def files(self) -> list[str]:
        """All files, sorted; hidden ones and what tools wrote are left out."""
        ...

    def folders(self) -> list[str]:
        """All folders, sorted, empty ones too."""
        ...

    def below(self, folder: str) -> Iterator[str]:
        """The files below a folder ("" or a path with a slash at its end), relative to it, one at a time."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one file; raises ``UnreadableItem``."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def where(self, name: str) -> Path | None:
        """The path of a file on the disk; None in an archive."""
        ...


class Directory:
    """A folder on disk. Links are followed, but not in circles."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._contents: Contents | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        return () if self._contents is None else tuple(self._contents.problems)

    def files(self) -> list[str]:
        return list(self._listed().files)

    def folders(self) -> list[str]:
        return self._listed().folders

    def _listed(self) -> Contents:
        if self._contents is None:
            walk = _Walk(self.path)
            found = contents(walk.files, walk.folders, lambda spelling: _bytes(self.path / spelling))
            self._contents = found._replace(problems=[*walk.problems, *found.problems])
        return self._contents

    def where(self, name: str) -> Path:
        spelling = None if self._contents is None else self._contents.files.get(name)
        path = self.path / (spelling or name)
        return path if spelling or name.isascii() or os.path.exists(path) else _as_spelled(self.path, name) or path

    def below(self, folder: str) -> Iterator[str]:
        root = self.path / folder
        for here, inner, names in os.walk(root):
            inner[:] = sorted(d for d in inner if not hidden(d))
            relative = Path(here).relative_to(root)
            yield from ((relative / n).as_posix() for n in sorted(names) if not hidden(n))

    def read(self, name: str) -> bytes:
        return _bytes(self.where(name))

    def exists(self, name: str) -> bool:
        return os.path.isfile(self.where(name))

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]


def open_tree(path: Path) -> Tree | None:
    """The folder or zip archive at ``path``, or None where it is neither."""
    if path.is_dir():
        return Directory(path)
    if path.is_file() and path.suffix.lower() == ".zip":
        return Archive(path)
    return None


class _Place(NamedTuple):
    """A folder to be listed: its path, that below the root, and the real paths of the folders that it is reached by."""

    path: str
    below: str
    ways: tuple[str, ...]


class _Walk:
    """The files and folders below a folder, as they are spelled, in no order."""

    def __init__(self, root: Path) -> None:
        self.files: list[str] = []
        self.folders: list[str] = []
        self.problems: list[Problem] = []
        self._entered: Counter[str] = Counter()
        places = [_Place(str(root), "", (os.path.realpath(root),))]
        while places:
            place = places.pop()
            try:
                with os.scandir(place.path) as entries:
                    places += [inner for entry in entries if (inner := self._seen(entry, place))]
            except OSError as error:
                if not place.below:
                    raise DataError(f"The folder {shown(str(root))} cannot be listed: {error.strerror}.") from error
                text = f"the folder cannot be listed ({error.strerror}); what is in it is left out"
                self._problem("unreadable", place.below, text)

    def _seen(self, entry: os.DirEntry[str], place: _Place) -> _Place | None:
        """Notes an entry; a folder that is to be listed is returned."""
        below = f"{place.below}/{entry.name}" if place.below else entry.name
        kind = "hidden" if hidden(entry.name) and entry.name != SIGN else _kind(entry)
        if kind == "file":
            self.files.append(below)
        elif kind == "folder":
            ways = self._ways(entry, place, below) if entry.is_symlink() else place.ways
            if ways:
                self.folders.append(below)
                return _Place(entry.path, below, ways)
        elif kind == "link":
            self._problem("dangling-link", below, f"is a link to {shown(_target(entry.path))}, which is not there")
        elif kind == "other":
            self._problem("not-a-file", below, "is neither a file nor a folder; left out")
        return None

    def _ways(self, entry: os.DirEntry[str], place: _Place, below: str) -> tuple[str, ...]:
        """The way to a linked folder, () where it is not to be entered: it would hold itself."""
        real, here = os.path.realpath(entry.path), os.path.realpath(place.path)
        self._entered[real] += 1
        if self._entered[real] > MOST_TIMES or any(
            w == real or w.startswith(real + os.sep) for w in (*place.ways, here)
        ):
            self._problem("circular-link", below, f"is a link to {shown(real)}, which it lies in; it is not followed")
            return ()
        return (*place.ways, real)

    def _problem(self, kind: str, below: str, text: str) -> None:
        self.problems.append(Problem(kind, shown(below), text))


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            return "folder"
    except OSError:
        # a link that leads to itself
        return "link"
    return "link" if entry.is_symlink() else "other"


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return path


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableItem(f"the file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UnreadableItem(f"there is no file of that name: {error}") from error


def _as_spelled(root: Path, name: str) -> Path | None:
    """The path of a file whose name is spelled in another Unicode form or in other bytes on the disk."""
    path = root
    for piece in Path(name).parts:
        if not os.path.exists(path / piece):
            spelling = _spellings(str(path)).get(shown(piece))
            if spelling is None:
                return None
            piece = spelling
        path = path / piece
    return path


@lru_cache(maxsize=256)
def _spellings(folder: str) -> dict[str, str]:
    """The names in a folder -> as they are spelled, of those that differ."""
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    strange = odd(names)
    how = guess_of(strange) if strange else None
    return {name: spelling for spelling in names if (name := spelled(spelling, how)) != spelling}
