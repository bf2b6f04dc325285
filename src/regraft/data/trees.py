"""A folder, or a zip archive in place of one: names and bytes, nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from regraft.errors import DataError, UnreadableItem
from regraft.types import Problem

MEMBER_LIMIT = 1 << 30


class Tree(Protocol):
    """Files by their path relative to the root, with ``/`` between the parts."""

    path: Path
    problems: tuple[Problem, ...]

    def files(self) -> list[str]:
        """All files, sorted; hidden ones are left out."""
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


class Directory:
    """A folder on disk."""

    problems: tuple[Problem, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[str]:
        return self._walk()[0]

    def folders(self) -> list[str]:
        return self._walk()[1]

    def _walk(self) -> tuple[list[str], list[str]]:
        files, folders = [], []
        for folder, inner, names in os.walk(self.path, followlinks=False):
            inner[:] = [d for d in inner if not _hidden(d)]
            relative = Path(folder).relative_to(self.path)
            folders += [(relative / d).as_posix() for d in inner]
            files += [(relative / n).as_posix() for n in names if not _hidden(n)]
        return sorted(files, key=_order), sorted(folders, key=_order)

    def below(self, folder: str) -> Iterator[str]:
        root = self.path / folder
        for here, inner, names in os.walk(root):
            inner[:] = sorted(d for d in inner if not _hidden(d))
            relative = Path(here).relative_to(root)
            yield from ((relative / n).as_posix() for n in sorted(names) if not _hidden(n))

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise UnreadableItem(f"the file cannot be read: {error.strerror}") from error

    def exists(self, name: str) -> bool:
        return (self.path / name).is_file()


class Archive:
    """A zip archive. Names that would lead out of it are listed as problems and left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is no whole zip archive ({error}); copy or pack it again.") from error
        self._files: dict[str, zipfile.ZipInfo] = {}
        self._folders: set[str] = set()
        problems = []
        for info in self._zip.infolist():
            name = info.filename.replace("\\", "/")
            parts = PurePosixPath(name).parts
            if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]):
                problems.append(Problem("unsafe-name", name, "a name that leads out of the archive; left out"))
            elif not any(_hidden(p) for p in parts):
                self._folders.update("/".join(parts[:i]) for i in range(1, len(parts)))
                if info.is_dir():
                    self._folders.add("/".join(parts))
                else:
                    self._files["/".join(parts)] = info
        self.problems = tuple(problems)

    def files(self) -> list[str]:
        return sorted(self._files, key=_order)

    def folders(self) -> list[str]:
        return sorted(self._folders, key=_order)

    def below(self, folder: str) -> Iterator[str]:
        return (name.removeprefix(folder) for name in self.files() if name.startswith(folder))

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise UnreadableItem("the archive has no such file")
        info = self._files[name]
        if info.file_size > MEMBER_LIMIT:
            raise UnreadableItem(f"it would unpack to {info.file_size / 1e9:.1f} GB")
        try:
            return self._zip.read(info)
        except (
            OSError,
            zipfile.BadZipFile,
            RuntimeError,
            zlib.error,
            lzma.LZMAError,
            EOFError,
        ) as error:
            raise UnreadableItem(f"the archive's entry is damaged or locked: {error}") from error

    def exists(self, name: str) -> bool:
        return name in self._files

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


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _order(name: str) -> list[str]:
    """Sorted as a walk would go: by folder, then by name."""
    return name.split("/")
