"""Weights that were fetched or made ready before: in regraft's cache, and in that of torch's hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.backbones.sources.folder import files_in
from regraft.core.runtime import cache_dir

if TYPE_CHECKING:
    from regraft.backbones.sources.base import R, Wanted


def folder() -> Path:
    """Where fetched weights are kept."""
    return cache_dir() / "weights"


def hub() -> Path:
    """The folder of torch's hub; where torch is not imported, as its documentation says, and it stays so."""
    if (torch := sys.modules.get("torch")) is not None:
        return Path(torch.hub.get_dir())
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{caches}/torch")).expanduser() / "hub"


def find(rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """The files in both caches."""
    yield from files_in([folder(), hub() / "checkpoints"], rows)


def offer(row: Wanted) -> str | None:
    """Nothing: what is in the cache is there."""
    return None


def origin(row: Wanted) -> str | None:
    """The publisher or the package that it was fetched from."""
    return row.url or (row.package.origin if row.package else None)
