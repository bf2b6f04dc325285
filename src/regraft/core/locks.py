"""Locks between processes that the system takes back when one of them dies, and by them who computes which rows.

Where a system or a disk knows no such locks everybody goes on alone: what is done twice is done twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from regraft.core.runtime import say

fcntl: Any = None
with contextlib.suppress(ImportError):
    import fcntl  # not on Windows

_TAKEN = (errno.EAGAIN, errno.EACCES)


class Lock:
    """A file that is locked while it is open, at most as long as this object; ``real`` is false where there are no
    locks.
    """

    def __init__(self, file: int | None, real: bool) -> None:
        self.file, self.real = file, real

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def __del__(self) -> None:
        self.__exit__()


def lock(path: Path, *, shared: bool = False, wait: bool = True, make: bool = True) -> Lock | None:
    """The lock of the file ``path``; None where another has it and we do not ``wait``, or where it is not there and we
    do not ``make`` it. Several may hold it ``shared``.
    """
    if fcntl is None:
        return Lock(None, False)
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o666)
        except OSError as error:
            return None if error.errno == errno.ENOENT and not make else Lock(None, False)
        try:
            fcntl.flock(file, how)
        except OSError as error:
            os.close(file)
            return None if error.errno in _TAKEN and not wait else Lock(None, False)
        except BaseException:
            os.close(file)
            raise
        if os.fstat(file).st_nlink:  # else it was deleted while we waited
            return Lock(file, True)
        os.close(file)


class Claims:
    """Who computes which rows of the table in ``folder``: a locked file a process, with the keys of ``size`` bytes."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size

    def others(self) -> dict[Path, set[bytes]]:
        """The keys that living processes are at; what the dead left is deleted."""
        found = {}
        for file in self.folder.glob("claim-*"):
            held = lock(file, wait=False, make=False)
            if held is not None:
                with held, contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)
                continue
            with contextlib.suppress(OSError):
                data = file.read_bytes()
                found[file] = {data[i : i + self.size] for i in range(0, len(data), self.size)}
        return found

    @contextlib.contextmanager
    def turn(self) -> Iterator[Lock]:
        """One process at a time, for a moment."""
        held = lock(self.folder / "turn")
        assert held is not None
        with held:
            yield held

    @contextlib.contextmanager
    def hold(self, keys: Collection[bytes]) -> Iterator[None]:
        """Claims ``keys`` until the block ends; to be called in a `turn`."""
        temporary = self.folder / f".claim-{uuid.uuid4().hex[:12]}"
        held = lock(temporary)
        assert held is not None
        final = temporary.with_name(temporary.name[1:])
        with held:
            try:
                with contextlib.suppress(OSError):  # unclaimed, rows are computed all the same
                    temporary.write_bytes(b"".join(keys))
                    os.rename(temporary, final)
                yield
            finally:
                for file in (temporary, final):
                    with contextlib.suppress(OSError):
                        file.unlink()

    def wait(self, keys: Collection[bytes]) -> None:
        """Until a process that is at one of ``keys`` is done, or dead."""
        for file, theirs in self.others().items():
            if not theirs.isdisjoint(keys):
                say("another process computes these rows already; waiting for it")
                with lock(file, shared=True, make=False) or Lock(None, False):
                    return
