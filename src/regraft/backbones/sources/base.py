"""Where weights come from: what every source answers, and which sources there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from regraft.backbones.sources.package import Package
from regraft.core.registry import Registry


class Wanted(Protocol):
    """A set of weights to be found."""

    @property
    def files(self) -> tuple[str, ...]:
        """The names its file may have, best first."""
        ...

    @property
    def url(self) -> str | None:
        """Where its publisher has it."""
        ...

    @property
    def package(self) -> Package | None:
        """The package that carries it."""
        ...


R = TypeVar("R", bound=Wanted)


class Source(Protocol):
    """A module that is a source of weights."""

    def find(self, rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
        """The files for ``rows`` that this source has on this machine, the preferred first."""
        ...

    def offer(self, row: Wanted) -> str | None:
        """What brings this set of weights to this machine from this source; None where it has none."""
        ...

    def origin(self, row: Wanted) -> str | None:
        """Who published what this source has of the set, as an address; None where that is not known."""
        ...


SOURCES = Registry("source of weights", {
    "folder": "regraft.backbones.sources.folder",
    "regraft": "regraft.backbones.sources.embedded",
    "package": "regraft.backbones.sources.package",
    "cache": "regraft.backbones.sources.cache",
    "publisher": "regraft.backbones.sources.publisher",
})  # fmt: skip
"""In the order in which they are asked: what a person put there goes before all else, and a connection is last."""


def here(rows: Sequence[R]) -> Iterator[tuple[str, R, Path]]:
    """(source, row, file) for the files for ``rows`` that are on this machine, in the order of preference."""
    for name in SOURCES:
        source: Source = SOURCES.get(name)
        for row, path in source.find(rows):
            yield name, row, path


def offers(row: Wanted) -> dict[str, str]:
    """By source, what would bring a set of weights to this machine."""
    found = {name: SOURCES.get(name).offer(row) for name in SOURCES}
    return {name: offer for name, offer in found.items() if offer}
