"""Names that stand for parts: a registry maps a name to ``module:attribute`` and imports it when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from regraft.core.errors import UnknownName


class Registry:
    """A closed list of named parts, imported on first use.

    ``entries`` maps each name to ``"package.module"`` or ``"package.module:attribute"``.
    """

    def __init__(self, what: str, entries: Mapping[str, str]) -> None:
        self.what = what
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def get(self, name: str) -> Any:
        """The part called ``name``; raises ``UnknownName`` with the closest known name."""
        if name not in self._entries:
            raise UnknownName(self.what, name, self)
        module, _, attribute = self._entries[name].partition(":")
        part = import_module(module)
        return getattr(part, attribute) if attribute else part
