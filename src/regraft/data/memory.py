"""Files held in memory, in place of a folder: what a caller hands over as bytes, or a table holds in its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from regraft.core.errors import UnreadableItem
from regraft.core.types import Problem


class Memory:
    """A tree (see `regraft.data.trees.Tree`) of ``held``: name -> the bytes of a file."""

    problems: tuple[Problem, ...] = ()

    def __init__(self, held: Mapping[str, bytes]) -> None:
        self.path = Path()
        self.held = held

    def files(self) -> list[str]:
        return list(self.held)

    def folders(self) -> list[str]:
        return []

    def below(self, folder: str) -> Iterator[str]:
        return (name.removeprefix(folder) for name in self.held if name.startswith(folder))

    def where(self, name: str) -> Path | None:
        return None

    def read(self, name: str) -> bytes:
        if name not in self.held:
            raise UnreadableItem("there is no such picture")
        return self.held[name]

    def exists(self, name: str) -> bool:
        return bool(self.held.get(name))
