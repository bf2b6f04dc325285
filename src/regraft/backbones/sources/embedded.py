"""Weights that come with regraft itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.backbones.sources.folder import files_in

if TYPE_CHECKING:
    from regraft.backbones.sources.base import R, Wanted

EMBEDDED = Path(__file__).parents[1] / "embedded"


def find(rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """The files beside regraft's own code."""
    yield from files_in([EMBEDDED], rows)


def offer(row: Wanted) -> str | None:
    """Nothing: what comes with regraft is there."""
    return None


def origin(row: Wanted) -> str | None:
    """Regraft, for what is there."""
    return "regraft"
