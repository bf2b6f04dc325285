"""`Table`: the rows of one recipe, and `Filling`: rows on their way into one.

A table's rows lie in *shards*: folders written once under a temporary name and renamed, with a ``.npy`` file for each
named array, the items' digests in ``keys.npy`` and a checksum of each file in ``shard.json``. A killed run loses at
most the shard it was filling. Before a process uses a shard for the first time it reads its files against their
checksums; one that does not match is deleted and its rows are computed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DiskError
from regraft.core.files import new_folder, sha256, write_json
from regraft.core.locks import Claims, Lock, lock
from regraft.core.runtime import say

KEY_BYTES = 16
SHARD_BYTES, SHARD_SECONDS = 32 << 20, 5
BLOCK = 4 << 20

_whole: set[tuple[str, int, int, int]] = set()
"""Files that this process has read against their checksums, as they were then."""


def checksum(file: Path) -> str:
    """CRC-32 of a file: any flipped bit changes it, and it costs half of what a digest does."""
    found = 0
    with open(file, "rb") as f:
        while block := f.read(BLOCK):
            found = zlib.crc32(block, found)
    return f"{found:08x}"


def _matches(file: Path, expected: str) -> bool:
    told = file.stat()
    mark = (str(file), told.st_ino, told.st_size, told.st_mtime_ns)
    if mark not in _whole:
        if (sha256(file) if len(expected) == 64 else checksum(file)) != expected:  # as stored by 0.1 before its release
            return False
        _whole.add(mark)
    return True


class Table:
    """The rows of one recipe in ``folder``. New ones that cannot be stored stay in memory: all of them where there is
    no folder or it is not ``writable``. ``kept`` are such tables of one store, by name.
    """

    def __init__(self, folder: Path | None, kept: dict[str, Table] | None = None, *, writable: bool = True) -> None:
        self.folder, self._kept = folder, {} if kept is None else kept
        self._shards: list[Path | dict[str, NDArray[Any]] | None] = []
        self._where: dict[bytes, tuple[int, int]] = {}
        self._known: set[str] = set()
        self._claims = None if folder is None or not writable else Claims(folder, KEY_BYTES)
        self.refresh()

    def refresh(self) -> None:
        """Opens the shards that have come since."""
        for shard in sorted(self.folder.glob("shard-*")) if self.folder is not None else ():
            if shard.name not in self._known and not shard.is_symlink():
                self._known.add(shard.name)
                self._open(shard)

    def _open(self, shard: Path) -> None:
        keys = self._looked_at(shard, only="keys.npy")
        if keys is not None:
            self._add(shard, [bytes(k) for k in keys])

    def _add(self, shard: Path | dict[str, NDArray[Any]], keys: Sequence[bytes]) -> None:
        for row, key in enumerate(keys):
            self._where[key] = (len(self._shards), row)
        self._shards.append(shard)

    def _looked_at(self, shard: Path, only: str = "") -> NDArray[Any] | None:
        """The keys of a shard whose files (``only`` one of them) match their checksums; None if they do not."""
        try:
            record = json.loads((shard / "shard.json").read_text())
            sums = record.get("crc32") or record["sha256"]
            damaged = [n for n, expected in sums.items() if only in ("", n) and not _matches(shard / n, expected)]
            if not damaged:
                keys: NDArray[Any] = np.load(shard / "keys.npy", allow_pickle=False)
                return keys
        except OSError as error:  # not the shard's fault: it stays, and is not used
            say(f"stored rows in {shard} cannot be read now ({error}); they are computed again")
            return None
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            damaged = [str(error)]
        say(f"stored rows in {shard} are damaged ({', '.join(damaged)}); they are deleted and computed again")
        shutil.rmtree(shard, ignore_errors=True)
        return None

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def __len__(self) -> int:
        return len(self._where)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._where)

    def check(self, keys: Iterable[bytes]) -> int:
        """Looks at every shard that holds one of ``keys``; what a damaged one held is missing from then on. Returns how
        many were damaged.
        """
        damaged = 0
        for number in {self._where[k][0] for k in keys if k in self._where}:
            shard = self._shards[number]
            if isinstance(shard, Path) and self._looked_at(shard) is None:
                self._shards[number], damaged = None, damaged + 1
                self._where = {k: at for k, at in self._where.items() if at[0] != number}
        return damaged

    def append(self, keys: Sequence[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Writes one shard: row i of each array belongs to ``keys[i]``. What cannot be written stays in memory."""
        if self.folder is not None and self._claims is not None:
            shard = self.folder / f"shard-{uuid.uuid4().hex[:12]}"
            try:
                _write(shard, keys, arrays)
            except DiskError as error:
                if not self._kept:  # else it was said of another table
                    say(f"{error} The rows are not stored.")
                self._kept[self.folder.name], self._claims = self, None
            else:
                self._known.add(shard.name)
                self._open(shard)
                return
        self._add(dict(arrays), keys)  # nor claimed any more

    def rows(self, keys: Sequence[bytes], name: str = "pooled") -> NDArray[Any]:
        """The array ``name`` of the given items, in that order; every key must be in the table, and `check`ed."""
        places = np.array([self._where[k] for k in keys], dtype=np.int64).reshape(-1, 2)
        out: NDArray[Any] | None = None
        for number in np.unique(places[:, 0]):
            shard = self._shards[number]
            assert shard is not None
            # mapped for this look only: a table may have more shards than a process may have open files
            array = shard[name] if isinstance(shard, dict) else np.load(shard / f"{name}.npy", mmap_mode="r",
                                                                         allow_pickle=False)  # fmt: skip
            if out is None:
                out = np.empty((len(keys), *array.shape[1:]), array.dtype)
            here = places[:, 0] == number
            out[here] = array[places[here, 1]]
        assert out is not None, "rows of at least one key"
        return out

    def in_use(self) -> Lock:
        """Held while rows are read, so that no other process deletes the table."""
        return (lock(self.folder / "used", shared=True) if self.folder is not None else None) or Lock(None, False)

    @contextlib.contextmanager
    def claim(self, keys: Collection[bytes]) -> Iterator[set[bytes]]:
        """Yields those of ``keys`` that are missing and that no other process computes; until the block ends they are
        this one's to compute. A process that dies gives them back.
        """
        if self._claims is None:
            yield set(keys) - self._where.keys()
            return
        with contextlib.ExitStack() as stack:
            with self._claims.turn() as turn:
                self.refresh()
                mine = set(keys).difference(self._where, *(self._claims.others() if turn.real else {}).values())
                if turn.real and mine:
                    stack.enter_context(self._claims.hold(mine))
            yield mine

    def wait(self, keys: Collection[bytes]) -> None:
        """Until another process that computes one of ``keys`` is done, or dead."""
        if self._claims is not None:
            self._claims.wait(keys)
            self.refresh()


def _write(shard: Path, keys: Sequence[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    with new_folder(shard) as temporary:
        packed = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
        for name, array in {**arrays, "keys": packed}.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        written = sorted(temporary.glob("*.npy"))
        write_json(temporary / "shard.json", {"rows": len(keys), "crc32": {f.name: checksum(f) for f in written}})


def sweep(folder: Path) -> None:
    """Deletes what killed processes have left in the table's ``folder``; to be called while nobody else uses it."""
    for left in (*folder.glob(".shard-*"), *folder.glob(".claim-*")):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(left)


class Filling:
    """Rows on their way into a table: a shard each ``SHARD_BYTES`` or ``SHARD_SECONDS``, so that little is lost."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._pending: list[tuple[bytes, Mapping[str, NDArray[Any]]]] = []
        self._bytes, self._since = 0, time.monotonic()

    def add(self, key: bytes, arrays: Mapping[str, NDArray[Any]]) -> None:
        """One row."""
        self._pending.append((key, arrays))
        self._bytes += sum(a.nbytes for a in arrays.values())
        if self._bytes >= SHARD_BYTES or time.monotonic() - self._since > SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what has not been written."""
        if self._pending:
            names = self._pending[0][1]
            stacked = {n: np.stack([row[n] for _, row in self._pending]) for n in names}
            self.table.append([key for key, _ in self._pending], stacked)
        self._pending, self._bytes, self._since = [], 0, time.monotonic()
