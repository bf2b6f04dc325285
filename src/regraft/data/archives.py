"""A zip archive that is read in place."""

from __future__ import annotations

import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Problem
from regraft.data.contents import contents
from regraft.data.names import hidden, shown
from regraft.data.tool_output import SIGN

MEMBER_LIMIT = 1 << 30
LANGUAGE_FLAG, ENCRYPTED, UNICODE_PATH = 0x800, 0x1, 0x7075
_DAMAGE = (OSError, zipfile.BadZipFile, RuntimeError, zlib.error, lzma.LZMAError, EOFError, struct.error, ValueError)


class Archive:
    """A zip archive. Names that would lead out of it are listed as problems and left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise DataError(f"{path} is no whole zip archive ({error}); copy or pack it again.") from error
        problems: list[Problem] = []
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            spelling = _spelling(info)
            if _leads_out(spelling):
                text = "a name that leads out of the archive; left out"
                problems.append(Problem("unsafe-name", shown(spelling), text))
                continue
            if spelling in entries and not _is_folder(info, spelling):
                text = "is in the archive more than once; the last one is read, which unpacking would leave"
                problems.append(Problem("duplicate-name", shown(spelling), text))
            entries[spelling] = info
        self._links(entries, problems)
        folders = [s for s, info in entries.items() if _is_folder(info, s)]
        files = [s for s, info in entries.items() if not _is_folder(info, s)]
        found = contents(files, folders, lambda spelling: self._bytes(entries[spelling]), _slashes)
        self._files = {name: entries[spelling] for name, spelling in found.files.items()}
        self._folders = found.folders
        self.problems = (*problems, *found.problems)

    def files(self) -> list[str]:
        return list(self._files)

    def folders(self) -> list[str]:
        return self._folders

    def below(self, folder: str) -> Iterator[str]:
        return (name.removeprefix(folder) for name in self._files if name.startswith(folder))

    def read(self, name: str) -> bytes:
        info = self._files.get(name) or self._files.get(shown(name))
        if info is None:
            raise UnreadableItem(f"the archive holds no file {shown(name)}")
        return self._bytes(info)

    def exists(self, name: str) -> bool:
        return name in self._files or shown(name) in self._files

    def where(self, name: str) -> Path | None:
        return None

    def _bytes(self, info: zipfile.ZipInfo) -> bytes:
        if info.file_size > MEMBER_LIMIT:
            raise UnreadableItem(f"it would unpack to {info.file_size / 1e9:.1f} GB")
        if info.flag_bits & ENCRYPTED:
            raise UnreadableItem("the archive's entry is locked by a password; unpack the archive with it first")
        try:
            return self._zip.read(info)
        except NotImplementedError as error:  # zipfile's own, for a packing that it lacks
            raise UnreadableItem(
                f"the archive's entry is packed in a way that Python cannot unpack: {error}"
            ) from error
        except _DAMAGE as error:
            raise UnreadableItem(f"the archive's entry is damaged: {error}") from error

    def _links(self, entries: dict[str, zipfile.ZipInfo], problems: list[Problem]) -> None:
        """Puts in place of each symbolic link the file that it names, within the archive."""
        for spelling, info in list(entries.items()):
            if not stat.S_ISLNK(info.external_attr >> 16):
                continue
            del entries[spelling]
            try:
                told = self._bytes(info).decode("utf-8", errors="surrogateescape")
            except UnreadableItem as error:
                problems.append(Problem("dangling-link", shown(spelling), f"{error}; left out"))
                continue
            target = entries.get(normpath(join(dirname(spelling), told)))
            if target is None or stat.S_ISLNK(target.external_attr >> 16):
                text = f"is a link to {shown(told)}, which is no file of the archive; left out"
                problems.append(Problem("dangling-link", shown(spelling), text))
            else:
                entries[spelling] = target

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]


def _spelling(info: zipfile.ZipInfo) -> str:
    """The name of an entry, with bytes that are no UTF-8 as Python keeps those of files: by the language flag, the
    Unicode path field (APPNOTE 4.6.9), else the bytes themselves, whatever code page they are of.
    """
    if info.flag_bits & LANGUAGE_FLAG:
        return info.orig_filename
    try:
        data = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.orig_filename
    return _unicode_path(info.extra, data) or data.decode("utf-8", errors="surrogateescape")


def _unicode_path(extra: bytes, name: bytes) -> str | None:
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and len(field) > 5 and field[1:5] == struct.pack("<I", zlib.crc32(name)):
            return field[5:].decode("utf-8", errors="replace")
    return None


def _slashes(name: str) -> str:
    """A decoded name with slashes between its parts, "" where one of them is hidden."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    return "" if any(hidden(part) and part != SIGN for part in parts) else "/".join(parts)


def _is_folder(info: zipfile.ZipInfo, spelling: str) -> bool:
    # a backslash may also be the second byte of a character
    return spelling.endswith("/") or (spelling.endswith("\\") and info.file_size == 0)


def _leads_out(spelling: str) -> bool:
    name = spelling.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or bool(re.match("[A-Za-z]:/", name))
