"""``regraft compare``: whether runs differ, by a paired test on the items that all of them were judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from regraft.core.files import checked_page
from regraft.pipelines.comparison.compare import Comparison
from regraft.pipelines.comparison.compare import compare as compare_runs
from regraft.reports.comparison import write_comparison


def compare(runs: Sequence[str], *, out: str | None = None, seed: int = 0) -> Comparison:
    """Compares finished runs with the first of them, on the items that all were judged on.

    One class an item: McNemar's exact test; several classes, numbers and boxes: the paired bootstrap, over the groups
    of ``--group`` where the runs have some; of more than two runs with Holm's correction. ``out`` is a page (.html),
    ``seed`` that of the bootstrap. Raises ``InputError`` where the runs have no item, or not the task, in common.
    """
    page = checked_page(out)
    found = compare_runs(runs, seed)
    return replace(found, out=str(write_comparison(page, found))) if page else found
