"""Weights in folders that a person names in ``REGRAFT_WEIGHTS``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.core.files import path_of

if TYPE_CHECKING:
    from regraft.backbones.sources.base import R, Wanted


def folders() -> list[Path]:
    """Where a person may put weights: the folders in ``REGRAFT_WEIGHTS`` (several with ``:``)."""
    given = os.environ.get("REGRAFT_WEIGHTS", "")
    return [path_of(p, "REGRAFT_WEIGHTS") for p in given.split(os.pathsep) if p]


def files_in(places: Iterable[Path], rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """The files for ``rows`` in ``places``, place by place."""
    for place in places:
        for row in rows:
            for name in row.files:
                if (place / name).is_file():
                    yield row, place / name


def find(rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """The files in the folders that the user named."""
    yield from files_in(folders(), rows)


def offer(row: Wanted) -> str | None:
    """Which file to put there."""
    return f"put {row.files[0]} into a folder named in REGRAFT_WEIGHTS" if row.files else None


def origin(row: Wanted) -> str | None:
    """A file of the user's: only the user knows."""
    return None
