"""`RowStore`: features on disk, one row an item.

A *table* (`regraft.core.row_table`) holds the rows of one recipe (network, preprocessing, engine: whatever the numbers
depend on) and lies in a folder named by the recipe's digest. Above the quota those used longest ago go first. A
folder that cannot be written, or is not to be, is told of once; its rows then stay in memory.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.errors import DiskError, InputError
from regraft.core.files import digest, disk_errors, why, write_json
from regraft.core.locks import lock
from regraft.core.row_table import Table, sweep
from regraft.core.runtime import cache_dir, say

QUOTA_GB = 20.0
FORMAT, MARK = 1, "format.json"
NO_PLACE = (errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)
"""The path is a mistake, and no folder that happens to be closed."""

_tell_once = functools.cache(say)


class RowStore:
    """All tables below one folder, kept under a quota.

    ``quota`` is in bytes; by default ``REGRAFT_QUOTA_GB`` gigabytes, else 20.
    """

    def __init__(self, root: Path | None = None, quota: float | None = None) -> None:
        self.root = (cache_dir() / "rows") if root is None else root
        self._own = (self.root.parent, self.root) if root is None else (self.root,)
        self.quota = _quota() if quota is None else quota
        self._in_memory: dict[str, Table] = {}

    @property
    def linked(self) -> str:
        """What is wrong where the folder is a link, behind which nothing is written nor deleted; else empty."""
        for place in self._own:
            if os.path.islink(place):
                return (f"{place} is a link to {os.readlink(place)}: no rows are stored there; name the folder itself "
                        "in REGRAFT_CACHE.")  # fmt: skip
        return ""

    @property
    def closed(self) -> str:
        """Why nothing is to be stored here, in a sentence; empty where it is."""
        if self.linked:
            return self.linked
        mark = self.root / MARK
        if not os.path.exists(mark):  # unlike Path's, it answers in a closed folder too
            return ""
        try:
            found = json.loads(mark.read_text())["format"]
        except (OSError, ValueError, KeyError, TypeError):
            found = "unknown"
        if found == FORMAT:
            return ""
        return (f"{self.root} is of the format {found} and this regraft's is {FORMAT}: no rows are stored there; "
                "'regraft cache clear --rows' empties it, REGRAFT_CACHE names another place.")  # fmt: skip

    def table(self, recipe: Mapping[str, Any]) -> Table:
        """Opens, or begins, the table of ``recipe``; one that cannot be stored is kept as long as this store is."""
        name = digest(dict(recipe)).hex()
        if name in self._in_memory:
            return self._in_memory[name]
        folder = self.root / name
        closed = self.closed or (f"{folder} is a link: no rows are stored there." if os.path.islink(folder) else "")
        readable = False
        if not closed:
            try:
                return _stored(folder, recipe, self._in_memory)
            except OSError as error:
                if error.errno in NO_PLACE:
                    with disk_errors(folder):
                        raise
                closed = f"{self.root} cannot be written ({why(error)}): no rows are stored."
            except DiskError as error:
                closed = f"{error} No rows are stored."
            readable = os.path.exists(folder / "recipe.json")
        _tell_once(closed)
        return self._in_memory.setdefault(name, Table(folder if readable else None, writable=False))

    def tables(self) -> list[dict[str, Any]]:
        """What is stored, the latest used first: folder, network, bytes, time of last use."""
        found = []
        for folder in self.root.glob("*/recipe.json") if not self.linked else ():
            if os.path.islink(folder.parent):
                continue
            try:
                recipe = json.loads(folder.read_text())
                size = sum(f.stat().st_size for f in folder.parent.rglob("*") if f.is_file())
                used = folder.parent.stat().st_mtime
            except (OSError, ValueError):  # another process is at work there
                continue
            found.append({"folder": folder.parent, "network": recipe.get("network", "?"), "bytes": size, "used": used})
        return sorted(found, key=lambda t: -t["used"])

    def clean(self, keep: Path | None = None, quota: float | None = None) -> int:
        """Deletes the tables used longest ago until the quota is kept; returns the bytes freed. Those that another
        process reads stay.
        """
        most, stored = self.quota if quota is None else quota, self.tables()
        total, freed = sum(t["bytes"] for t in stored), 0
        for table in reversed(stored):
            if total - freed <= most:
                break
            if table["folder"] != keep and _deleted(table["folder"]):
                freed += table["bytes"]
        return freed

    def clear(self) -> int:
        """Deletes every stored row that no other process reads; returns the bytes freed."""
        if self.linked:
            raise DiskError(self.linked)
        foreign, freed = self.closed, self.clean(quota=-1)
        if foreign:  # of another format, which may keep more than tables
            shutil.rmtree(self.root, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.root / MARK).unlink()
            self.root.rmdir()
        return freed

    def verify(self) -> list[dict[str, Any]]:
        """Reads every stored row against its checksum: for each table ``folder``, ``network``, ``rows`` that are whole
        and how many shards were ``damaged``. These are deleted: their rows are computed again when they are wanted.
        """
        found = []
        for table in self.tables():
            shards = len([*table["folder"].glob("shard-*")])
            opened = Table(table["folder"])
            with opened.in_use():
                opened.check([*opened])
            left = len([*table["folder"].glob("shard-*")])
            found.append({"folder": table["folder"], "network": table["network"], "rows": len(opened),
                          "damaged": shards - left})  # fmt: skip
        return found


def _stored(folder: Path, recipe: Mapping[str, Any], kept: dict[str, Table]) -> Table:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder.parent / MARK).exists():
        write_json(folder.parent / MARK, {"format": FORMAT})
    if not (folder / "recipe.json").exists():
        write_json(folder / "recipe.json", dict(recipe))
    os.utime(folder)
    alone = lock(folder / "used", wait=False)
    if alone is not None:
        with alone:
            if alone.real:
                sweep(folder)
    return Table(folder, kept)


def _deleted(folder: Path) -> bool:
    alone = lock(folder / "used", wait=False)
    if alone is None:
        say(f"{folder} is being read by another process; it stays")
        return False
    with alone:
        shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _quota() -> float:
    given = os.environ.get("REGRAFT_QUOTA_GB", str(QUOTA_GB))
    try:
        quota = float(given)
    except ValueError:
        quota = -1.0
    if not quota >= 0:  # nor what is no number: all rows would be over it
        raise InputError(f"REGRAFT_QUOTA_GB is {given!r}; it must be a number of gigabytes, from 0.")
    return quota * 1e9
