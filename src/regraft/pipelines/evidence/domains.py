"""Where the items of two domains lie, before and after adapting, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from regraft.core.arrays import stack_rows, subsample
from regraft.pipelines.evidence.judged import write_csv
from regraft.pipelines.evidence.predictions import MAP_POINTS
from regraft.pipelines.evidence.projection import plane


def write_domains(path: Path, views: dict[str, tuple[NDArray[Any], NDArray[Any]]]) -> None:
    """``domains.csv``: items of the source and the target in the plane, of each named view (``before``, ``after``)."""
    rows = [["view", "domain", "x", "y"]]
    for view, both in views.items():
        some = [x[subsample(x.shape[0], MAP_POINTS // 2)] for x in both]
        names = ["source"] * some[0].shape[0] + ["target"] * some[1].shape[0]
        places = plane(stack_rows(some))
        rows += [[view, n, f"{x:.4f}", f"{y:.4f}"] for n, (x, y) in zip(names, places, strict=True)]
    write_csv(path, rows)
