"""Days gathered into periods, so many that a chart can show them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 40
PERIODS = ("day", "week", "month", "quarter", "year")


def periods(days: NDArray[np.datetime64]) -> tuple[str, NDArray[np.datetime64]]:
    """The name of the shortest period of which the days span at most 40, and the first day of that of each."""
    starts = days
    for name in PERIODS:
        starts = _starts(days, name)
        if len(between(starts.min(), starts.max(), name)) <= MOST:
            return name, starts
    return PERIODS[-1], starts


def _starts(days: NDArray[np.datetime64], name: str) -> NDArray[np.datetime64]:
    number = days.astype("datetime64[D]").astype(np.int64)
    if name == "day":
        return days
    if name == "week":  # 1 January 1970 was a Thursday; weeks begin on Monday
        return (number - (number + 3) % 7).astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64)
    size = {"month": 1, "quarter": 3, "year": 12}[name]
    return (months - months % size).astype("datetime64[M]").astype("datetime64[D]")


def between(first: Any, last: Any, name: str) -> NDArray[np.datetime64]:
    """The first days of all periods from that of ``first`` to that of ``last``."""
    if name in ("day", "week"):
        return np.arange(first, last + 1, 7 if name == "week" else 1)
    size = {"month": 1, "quarter": 3, "year": 12}[name]
    months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1, size)
    return months.astype("datetime64[D]")
