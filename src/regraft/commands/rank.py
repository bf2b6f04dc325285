"""``regraft rank``: which pretrained network suits this data."""

from __future__ import annotations

import time
from typing import Any

from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import resolve_device, say, set_threads
from regraft.core.types import Hints
from regraft.selection.candidates import Candidate, attempt, names
from regraft.selection.ranking import ITEMS, Ranking, deciding, favourites, looked_at, ordered
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
    device: str = "auto",
    threads: int | None = None,
) -> Ranking:
    """Ranks networks by how well their frozen features suit the part train of ``data``.

    ``backbones`` and ``scores`` are lists with commas; by default every network whose weights are on this machine and
    every score that applies. ``by`` is the score that decides. At most ``items`` items are looked at, drawn by class.
    The rows are stored, so that a `fit` of the winner begins with them. Raises ``InputError`` and ``DataError``.
    """
    begun = time.perf_counter()
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
    tried: list[Candidate] = []
    left_out = []
    for name in names(looked.modality, backbones):
        found = attempt(name, looked, applying, store=store, device=where, pixels=pixels, groups=groups, seed=seed,
                        size=size)  # fmt: skip
        if isinstance(found, str):
            left_out.append({"backbone": name, "why": found})
        else:
            tried.append(found)
            say(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in found.scores.items()))
    if not tried:
        raise InputError("No candidate could be ranked: " + "; ".join(f"{c['backbone']}: {c['why']}" for c in left_out))
    by = by or deciding(tried, applying)
    for c in [c for c in tried if by not in c.scores]:
        left_out.append({"backbone": c.backbone, "why": f"{by}: {c.not_applicable[by]}"})
    ranking = ordered([c for c in tried if by in c.scores], by, seed, groups)
    choice = max((r for r in ranking if r.good_enough), key=lambda r: r.items_per_second).backbone
    return Ranking(looked.name, kind, len(looked), looked.classes, by, choice, ranking, left_out,
                   favourites(ranking), round(time.perf_counter() - begun, 3), problems)  # fmt: skip
