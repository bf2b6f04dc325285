"""`RowStore`: features on disk, one row an item.

A *table* holds the rows of one recipe (network, preprocessing, engine: whatever the numbers depend on) and lies in a
folder named by the recipe's digest. Its rows lie in *shards*: folders written once under a temporary name and
renamed, with a ``.npy`` file for each named array, the items' digests in ``keys.npy`` and a SHA-256 of each file in
``shard.json``. A killed run loses at most the shard it was filling; a shard that does not match its digests is
deleted and its rows are computed again. Tables used longest ago go first where the quota is passed.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError
from regraft.core.files import digest, disk_errors, new_folder, sha256, write_json
from regraft.core.runtime import cache_dir, say

KEY_BYTES = 16
QUOTA_GB = 20.0


class Table:
    """The rows of one recipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: list[Path] = []
        self._where: dict[bytes, tuple[int, int]] = {}
        for shard in sorted(folder.glob("shard-*")):
            self._open(shard)

    def _open(self, shard: Path) -> None:
        try:
            record = json.loads((shard / "shard.json").read_text())
            damaged = [n for n, expected in record["sha256"].items() if sha256(shard / n) != expected]
            keys = [] if damaged else [bytes(k) for k in np.load(shard / "keys.npy", allow_pickle=False)]
        except OSError as error:  # not the shard's fault: it stays, and is not used
            say(f"stored rows in {shard} cannot be read now ({error}); they are computed again")
            return
        except (ValueError, KeyError) as error:
            damaged, keys = [str(error)], []
        if damaged:
            say(f"stored rows in {shard} are damaged ({', '.join(damaged)}); they are deleted and computed again")
            shutil.rmtree(shard, ignore_errors=True)
            return
        for row, key in enumerate(keys):
            self._where[key] = (len(self._shards), row)
        self._shards.append(shard)

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def __len__(self) -> int:
        return len(self._where)

    def append(self, keys: Sequence[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Writes one shard: row i of each array belongs to ``keys[i]``."""
        shard = self.folder / f"shard-{uuid.uuid4().hex[:12]}"
        with new_folder(shard) as temporary:
            packed = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
            for name, array in {**arrays, "keys": packed}.items():
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            written = sorted(temporary.glob("*.npy"))
            write_json(temporary / "shard.json", {"rows": len(keys), "sha256": {f.name: sha256(f) for f in written}})
        self._open(shard)

    def rows(self, keys: Sequence[bytes], name: str = "pooled") -> NDArray[Any]:
        """The array ``name`` of the given items, in that order; every key must be in the table."""
        places = np.array([self._where[k] for k in keys], dtype=np.int64).reshape(-1, 2)
        out: NDArray[Any] | None = None
        for shard in np.unique(places[:, 0]):
            # mapped for this look only: a table may have more shards than a process may have open files
            array = np.load(self._shards[shard] / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if out is None:
                out = np.empty((len(keys), *array.shape[1:]), array.dtype)
            here = places[:, 0] == shard
            out[here] = array[places[here, 1]]
        assert out is not None, "rows of at least one key"
        return out


class RowStore:
    """All tables below one folder, kept under a quota.

    ``quota`` is in bytes; by default ``REGRAFT_QUOTA_GB`` gigabytes, else 20.
    """

    def __init__(self, root: Path | None = None, quota: float | None = None) -> None:
        self.root = (cache_dir() / "rows") if root is None else root
        self.quota = _quota() if quota is None else quota

    def table(self, recipe: Mapping[str, Any]) -> Table:
        """Opens, or begins, the table of ``recipe``."""
        folder = self.root / digest(dict(recipe)).hex()
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "recipe.json").exists():
                write_json(folder / "recipe.json", dict(recipe))
            os.utime(folder)
        return Table(folder)

    def tables(self) -> list[dict[str, Any]]:
        """What is stored, the latest used first: folder, network, bytes, time of last use."""
        found = []
        for folder in self.root.glob("*/recipe.json"):
            try:
                recipe = json.loads(folder.read_text())
                files = [f.stat().st_size for f in folder.parent.rglob("*") if f.is_file()]
            except FileNotFoundError:  # another process is at work there
                continue
            found.append({"folder": folder.parent, "network": recipe.get("network", "?"), "bytes": sum(files),
                          "used": folder.parent.stat().st_mtime})  # fmt: skip
        return sorted(found, key=lambda t: -t["used"])

    def clean(self, keep: Path | None = None) -> int:
        """Deletes the tables used longest ago until the quota is kept; returns the bytes freed."""
        stored = self.tables()
        total, freed = sum(t["bytes"] for t in stored), 0
        for table in reversed(stored):
            if total - freed <= self.quota:
                break
            if table["folder"] != keep:
                shutil.rmtree(table["folder"], ignore_errors=True)
                freed += table["bytes"]
        return freed

    def clear(self) -> int:
        """Deletes every stored row; returns the bytes freed."""
        freed = sum(t["bytes"] for t in self.tables())
        shutil.rmtree(self.root, ignore_errors=True)
        return freed


def _quota() -> float:
    given = os.environ.get("REGRAFT_QUOTA_GB", str(QUOTA_GB))
    try:
        quota = float(given)
    except ValueError:
        quota = -1.0
    if not quota >= 0:  # nor what is no number: all rows would be over it
        raise InputError(f"REGRAFT_QUOTA_GB is {given!r}; it must be a number of gigabytes, from 0.")
    return quota * 1e9
