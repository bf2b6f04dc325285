"""Which items a run was judged on, so that another run can be set beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from regraft.core.errors import UnreadableItem
from regraft.core.files import new_file
from regraft.data.items import Items

JUDGED = "judged.csv"


def write_judged(folder: Path, items: Items, judged: Iterable[int], groups: NDArray[Any] | None) -> None:
    """``judged.csv``: by what the ``judged`` items are found again in another run, in the order of the predictions:
    name, digest of the content (but of rows, of which a run reads the columns that it is told to), and group where
    there are ``groups`` (m,).
    """
    rows = [["input", "digest", "group"]]
    for at, i in enumerate(map(int, judged)):
        try:
            digest = "" if items.modality == "table" else items.digest(i).hex()
        except UnreadableItem:
            digest = ""
        rows.append([items.name(i), digest, "" if groups is None else str(groups[at])])
    write_csv(folder / JUDGED, rows)


def write_csv(path: Path, rows: list[list[str]]) -> None:
    """Rows of cells; halves of surrogate pairs are written as escapes."""
    with (
        new_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as f,
    ):
        csv.writer(f).writerows(rows)
