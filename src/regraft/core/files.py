"""Writing that leaves either the whole or nothing, and digests of what was written."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regraft.core.errors import DiskError, InputError

LONGEST = 220
"""The bytes a file's name may have here: most disks take 255, and while it is written it has a longer one."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WHY = {
    errno.ENOENT: "there is no such place",
    errno.ENOTDIR: "a part of it is a file where a folder is wanted",
    errno.EISDIR: "it is a folder where a file is wanted",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its symbolic links lead in a circle",
}


def why(error: OSError) -> str:
    """Why the machine refused, in a few words."""
    return _WHY.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a full, closed or missing disk into one sentence."""
    try:
        yield
    except BrokenPipeError:  # of who reads what is printed, not of the disk
        raise
    except OSError as error:
        # NumPy tells of a write that came to an end too early without a number
        if error.errno in _FULL or (error.errno is None and "requested and" in str(error)):
            raise DiskError(
                f"The disk is full while writing {path}: free some space or choose another place "
                "(--out for runs, REGRAFT_CACHE for stored features)."
            ) from error
        name = error.filename2 or error.filename or path
        at = "" if str(name) == str(path) else f"{name}: "
        raise DiskError(
            f"{path} cannot be written ({at}{why(error)}): choose another place (--out for runs, REGRAFT_CACHE for "
            "stored features)."
        ) from error


def path_of(given: str | os.PathLike[str], option: str) -> Path:
    """The path that a person gave for ``option``, with ``~`` as the home folder.

    Raises ``InputError`` where it can be none: it is empty, holds a NUL byte, is longer than names are, or begins with
    the home of a user who is not there.
    """
    text = os.fspath(given)
    if not text:
        raise InputError(f"{option} is empty: a path is wanted.")
    if "\0" in text:
        raise InputError(f"{option} {text!r} holds a NUL byte, which no path does.")
    try:
        path = Path(text).expanduser()
        path.exists()
    except RuntimeError as error:
        raise InputError(f"{option} {text}: there is no such home folder; write the path from / on.") from error
    except OSError as error:
        raise InputError(f"{option} {text} cannot be reached: {why(error)}.") from error
    return path


def output(given: str | os.PathLike[str], option: str = "--out") -> Path:
    """`path_of` something to be written. Raises ``DiskError`` for what would fail only once the work is done."""
    path = path_of(given, option)
    above = path.parent
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    for place in (above, path):
        if place.is_symlink() and not place.exists():
            raise DiskError(f"{option} {path}: {place} is a symbolic link to nothing; choose another place.")
    if not above.is_dir():
        raise DiskError(f"{option} {path}: {above} is no folder; choose another place.")
    if not path.exists() and not os.access(above, os.W_OK | os.X_OK):
        raise DiskError(f"{option} {path}: {above} may not be written; choose another place.")
    if any(len(os.fsencode(part)) > LONGEST for part in path.parts):
        raise DiskError(f"{option} {path} holds a name of more than {LONGEST} bytes; choose a shorter one.")
    return path


def checked_page(out: str | None) -> Path | None:
    """The page's path; raises ``InputError`` where it does not end as a page does."""
    if out is None:
        return None
    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {out} is to be a page, so its name must end in .html.")
    return output(out)


def _temporary(path: Path, *, folder: bool) -> Path:
    """A name beside ``path``, in a folder that is there. Raises ``DiskError`` where something else stands than would be
    written: a device must not be renamed away.
    """
    if path.exists() and not (path.is_dir() if folder else path.is_file()):
        raise DiskError(f"{path} exists and is no {'folder' if folder else 'file'}: choose another place.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` that becomes ``path`` if the block ends well, else vanishes."""
    with disk_errors(path):
        temporary = _temporary(path, folder=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            replace_folder(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def replace_folder(new: Path, path: Path) -> None:
    """Renames the folder ``new`` to ``path``; what stood there goes only once the new one is in place."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        os.rename(path, old)
    os.rename(new, path)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a temporary file name beside ``path``, renamed to ``path`` if the block ends well."""
    with disk_errors(path):
        temporary = _temporary(path, folder=False)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all, in UTF-8."""
    with new_file(path) as temporary:
        # names of files may hold bytes that are no text; they are written as escapes
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def jsonable(value: Any) -> Any:
    """Plain JSON types: dataclasses as objects, NumPy unwrapped, paths as text, what is not finite as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return jsonable(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def dump_json(value: Any, indent: int | None = 2) -> str:
    """``value`` as JSON, see `jsonable`; raises ``ValueError`` for numbers that JSON has not."""
    return json.dumps(jsonable(value), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, value: Any) -> None:
    """`dump_json` into a file, whole or not at all."""
    write_text(path, dump_json(value) + "\n")


def digest(value: Any, size: int = 16) -> bytes:
    """A digest of any JSON-able value."""
    text = json.dumps(jsonable(value), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
