"""``regraft rank``: which pretrained network suits this data."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from regraft.backbones.licences import trusting
from regraft.core.errors import InputError
from regraft.core.files import checked_page
from regraft.core.row_store import RowStore
from regraft.core.runtime import resolve_device, set_threads
from regraft.core.types import Hints
from regraft.reports.ranking import write_ranking
from regraft.selection.candidates import names
from regraft.selection.ranking import ITEMS, Ranking, looked_at, rank_candidates
from regraft.selection.scores import SCORES


def rank(
    data: Any,
    *,
    backbones: str | None = None,
    scores: str | None = None,
    by: str | None = None,
    items: int = ITEMS,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    features: str | None = None,
    group: str | None = None,
    part: str | None = None,
    encoding: str | None = None,
    task: str | None = None,
    size: int | None = None,
    format: str | None = None,
    seed: int = 0,
    out: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    trust: bool = False,
) -> Ranking:
    """Ranks networks by how well their frozen features suit the part train of ``data``.

    ``backbones`` and ``scores`` are lists with commas; by default every network whose weights are on this machine and
    every score that applies. ``by`` is the score that decides, ``out`` a page (.html) that shows the ranking. At most
    ``items`` items are looked at, drawn by class. The rows are stored, so that a `fit` of the winner begins with them;
    ``trust`` takes weights whatever their licence.
    Raises ``InputError`` and ``DataError``.
    """
    begun, page = time.perf_counter(), checked_page(out)
    wanted = [s.strip() for s in scores.split(",") if s.strip()] if scores is not None else list(SCORES)
    for name in (*wanted, *([by] if by else [])):
        SCORES.get(name)
    if items < 2:
        raise InputError(f"--items is {items}; two at least are needed, some hundreds tell something.")
    set_threads(threads)
    hints = Hints(label, group, task, text, image=image, features=features, part=part, encoding=encoding)
    where, store = resolve_device(device), RowStore()
    looked, problems, pixels, groups = looked_at(data, items, hints, format, seed, store)
    kind = looked.target.task
    if by is not None and kind not in SCORES.get(by).TASKS:
        raise InputError(f"--by {by} is for {' and '.join(SCORES.get(by).TASKS)}; {looked.name} is for {kind}.")
    applying = [s for s in dict.fromkeys([*wanted, *([by] if by else [])]) if kind in SCORES.get(s).TASKS]
    if not applying:
        raise InputError(f"--scores {scores}: none of them is for {kind}.")
    with trusting(trust):
        found = rank_candidates(names(looked.modality, backbones), looked, applying, by, store=store, device=where,
                                pixels=pixels, groups=groups, seed=seed, size=size)  # fmt: skip
    found = replace(found, seconds=round(time.perf_counter() - begun, 3), problems=problems)
    return replace(found, out=str(write_ranking(page, found))) if page else found
