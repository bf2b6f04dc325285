"""``regraft cache``: what is stored between runs."""

from __future__ import annotations

import shutil
from typing import Any

from regraft.core.errors import DiskError, InputError, UnknownName
from regraft.core.row_store import RowStore

ACTIONS = ("show", "prune", "verify", "clear")


def cache(action: str = "show", *, to: float | None = None, rows: bool = False, clear: bool = False) -> dict[str, Any]:
    """What is stored: rows of items by network, and what engines remember of this machine.

    ``show`` deletes nothing. ``prune`` deletes the rows used longest ago until they take at most ``to`` gigabytes (by
    default the quota). ``verify`` reads all rows against their checksums and deletes what is damaged. ``clear`` (or
    ``clear=True``) deletes all that is stored but weights; with ``rows`` what engines remember stays. Rows that another
    process reads stay. Raises ``InputError``.
    """
    action = "clear" if clear else action
    if action not in ACTIONS:
        raise UnknownName("action of cache", action, ACTIONS)
    if to is not None and (action != "prune" or not to >= 0):
        raise InputError(f"--to {to:g} is for 'cache prune', and gigabytes from 0.")
    if rows and action != "clear":
        raise InputError("--rows is for 'cache clear', which leaves then what engines remember.")
    store, found = RowStore(), dict[str, Any]()
    engines, freed = store.root.parent / "engines", 0
    if action == "verify":
        found = {"tables": store.verify()}
        found["damaged"] = sum(t["damaged"] for t in found["tables"])
    elif action == "prune":
        freed = store.clean(quota=store.quota if to is None else to * 1e9)
    elif action == "clear":
        freed = store.clear()
        if not rows and engines.exists():
            if engines.is_symlink():
                raise DiskError(f"{engines} is a link; nothing behind it is deleted.")
            freed += _bytes(engines)
            shutil.rmtree(engines, ignore_errors=True)
    tables = store.tables()
    return {"folder": str(store.root), "quota_bytes": store.quota, "bytes": sum(t["bytes"] for t in tables),
            "freed_bytes": freed, "engines_bytes": _bytes(engines), "note": store.closed, "tables": tables,
            **found}  # fmt: skip


def _bytes(folder: Any) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
