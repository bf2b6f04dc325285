"""Whether weights may be used: where their licence is not stated, or allows not every use, a person has to say so.

It concerns what others publish. Files of the user's own, and networks without weights, need nobody's word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from regraft.core.errors import InputError
from regraft.core.runtime import say

NOT_KNOWN = "not known"
NONE_NEEDED = ("random", "none", "a folder of the user's", "a file of the user's", "a module of the user's")
"""The ``weights`` of a provenance that no publisher has a say in."""
_UNSTATED = ("", "other", "unknown", NOT_KNOWN)
_NARROW = re.compile(r"(?i)\bnc\b|non-?\s?commercial|research")
_STATED = re.compile(r"(?m)^license:[ \t]*(?:\n[ \t]*-[ \t]*)?['\"]?([^'\"\n#]*)")

_trusted: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusting(trust: bool) -> Iterator[None]:
    """Inside, ``--trust`` is given or not."""
    before = _trusted.set(trust)
    try:
        yield
    finally:
        _trusted.reset(before)


def reservation(provenance: dict[str, Any]) -> str | None:
    """What stands against using weights without a person's word, in words; None where nothing does. ``origin`` in a
    provenance is the address that weights were fetched from.
    """
    if provenance.get("weights") in NONE_NEEDED:
        return None
    licence = str(provenance.get("licence", NOT_KNOWN))
    if licence.lower() in _UNSTATED:
        return "states no licence" if "origin" in provenance else None
    return f"is under {licence}, which does not allow every use" if _NARROW.search(licence) else None


def require(name: str, provenance: dict[str, Any]) -> None:
    """Raises ``InputError`` where something stands against the weights of ``name`` and they are not trusted; where they
    are, it is said, and kept in ``provenance``.
    """
    why = reservation(provenance)
    if why is None:
        return
    where = f" ({provenance['origin']})" if "origin" in provenance else ""
    if not _trusted.get():
        raise InputError(f"{name}{where} {why}: look at its terms, and where they allow what you do, --trust takes it "
                         "(trust=True in Python).")  # fmt: skip
    provenance["trusted"] = why
    say(f"{name}{where} {why}; it is taken, as --trust says")


def stated(folder: Path) -> str | None:
    """The licence that the README.md of a folder states in its head, as the Hugging Face hub has it; None without."""
    try:
        head = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    parts = head.split("---", 2)
    found = _STATED.search(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    return found[1].strip() or None if found else None
