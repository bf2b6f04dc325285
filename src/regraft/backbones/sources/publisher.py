"""Weights at their publisher: fetched into the cache when a network is first loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regraft.backbones.sources.base import R, Wanted


def find(rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """None: what was fetched is in the cache."""
    yield from ()


def offer(row: Wanted) -> str | None:
    """What fetches it."""
    return f"naming the network: it is then fetched from {row.url}" if row.url else None


def origin(row: Wanted) -> str | None:
    """The publisher's address."""
    return row.url
