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

from regraft.errors import DiskError


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a full or closed disk into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskError(
                f"The disk is full while writing {path}: free some space or choose another place "
                "(--out for runs, REGRAFT_CACHE for stored features)."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DiskError(f"{path} may not be written ({error.strerror}): choose another place.") from error
        raise


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` that becomes ``path`` if the block ends well, else vanishes."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
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
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
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
    return json.dumps(jsonable(value), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, value: Any) -> None:
    write_text(path, dump_json(value) + "\n")


def digest(value: Any, size: int = 16) -> bytes:
    """A digest of any JSON-able value."""
    text = json.dumps(jsonable(value), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
