"""``regraft rank``: which pretrained network suits this data."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import resolve_device, say, set_threads
from regraft.core.types import Hints, Problem
from regraft.data.audit.audit import audited_to_learn
from regraft.data.audit.checks import require_target
from regraft.data.dataset import Dataset
from regraft.data.folds import hold_out, strata
from regraft.data.open import open_data
from regraft.data.parts import training_part
from regraft.selection.candidates import Candidate, attempt, compared, names
from regraft.selection.scores import SCORES

DECIDING = ("probe", "logme")
"""What decides unless told: the first of these that every candidate has."""
ITEMS = 2000


@dataclass(frozen=True)
class Ranked:
    """One candidate; ``score`` is that of ``by``.

    ``published_accuracy`` (ImageNet's top-1, 0..1) and ``parameters`` are the controls. ``megabytes`` are those of the
    weights and the largest layer for one item. ``pareto``: no other is at least as good and as fast. ``good_enough``:
    the paired interval of the best probe's lead over this one reaches 0. ``seen``: the share of the items whose labels
    the network's pretraining saw, None where that is not known.
    """

    backbone: str
    score: float
    scores: dict[str, float]
    not_applicable: dict[str, str]
    published_accuracy: float | None
    parameters: int
    width: int
    megabytes: float
    items_per_second: float
    seconds: dict[str, float]
    seen: float | None
    behind: dict[str, Any] | None
    good_enough: bool
    pareto: bool


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first by the score ``by``; those without a figure are in ``left_out``, with the reason.

    ``choice`` is the fastest that is good enough. ``favourites`` names the first of each score and of the two controls:
    where they differ, the scores disagree.
    """

    data: str
    task: str
    items: int
    classes: tuple[str, ...]
    by: str
    choice: str
    ranking: list[Ranked]
    left_out: list[dict[str, str]]
    favourites: dict[str, str]
    seconds: float
    problems: list[Problem] = field(default_factory=list)
    out: str | None = None


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


def looked_at(
    data: Any, items: int, hints: Hints, format: str | None, seed: int, store: RowStore
) -> tuple[Dataset, list[Problem], NDArray[np.uint64] | None, NDArray[Any] | None]:
    """The readable items of the training part, at most ``items`` of them; problems, digests of pixels, groups."""
    opened = open_data(data, format=format, hints=hints)
    training_part(opened)  # refuses data without one
    whole, learn = audited_to_learn(opened, store)
    part = whole.data.take(learn)
    if part.target.task == "detection":
        raise InputError(f"{part.name} is pictures with boxes; networks are ranked for one answer an item.")
    require_target(part)
    problems = [*whole.problems]
    if part.target.task != "regression":
        present = [n for n, count in part.class_counts().items() if count]
        if part.target.task == "classification" and len(present) >= len(part):
            raise DataError(
                f"{part.name} has {len(present)} classes and {len(part)} examples: every class is one example, and "
                "nothing tells classes apart from examples; two a class are needed, five are better."
            )
    chosen = np.arange(len(part))
    if items < len(part):
        _, chosen = hold_out(strata(part.y), None, share=items / len(part), seed=seed)
        problems.append(Problem("looked-at", part.name, f"{len(chosen)} of {len(part)} items are looked at (--items)"))
    pixels = None if whole.facts is None else whole.facts.pixels[learn][chosen]
    groups = None if whole.groups is None else whole.groups[learn][chosen]
    return part.take(chosen), problems, pixels, groups


def deciding(tried: list[Candidate], applying: list[str]) -> str:
    """The score to go by: one of `DECIDING` that all have, else the one that most have."""
    for name in DECIDING:
        if all(name in c.scores for c in tried):
            return name
    return max(applying, key=lambda s: sum(s in c.scores for c in tried))


def ordered(tried: list[Candidate], by: str, seed: int = 0, groups: NDArray[Any] | None = None) -> list[Ranked]:
    """Best first; equal scores by speed. ``groups`` (n,) names which of the items belong together."""
    tried = sorted(tried, key=lambda c: (-c.scores[by], -c.items_per_second))
    best, found = tried[0], []
    for c in tried:
        behind = compared(best.right, c.right, seed, groups) if c is not best else None
        enough = c is best or (by == "probe" and behind is not None and behind["ci95"][0] <= 0)
        front = not any(o.scores[by] >= c.scores[by] and o.items_per_second >= c.items_per_second
                        and (o.scores[by], o.items_per_second) != (c.scores[by], c.items_per_second)
                        for o in tried if o is not c)  # fmt: skip
        found.append(Ranked(c.backbone, c.scores[by], c.scores, c.not_applicable, c.published_accuracy, c.parameters,
                            c.width, c.megabytes, c.items_per_second, c.seconds, c.seen, behind, enough,
                            front))  # fmt: skip
    return found


def dissent(favourites: dict[str, str], best: str) -> dict[str, list[str]]:
    """Network -> the scores and controls that would take it instead of ``best``."""
    found: dict[str, list[str]] = {}
    for name, backbone in favourites.items():
        if backbone != best:
            found.setdefault(backbone, []).append(name.replace("_", " "))
    return found


def favourites(ranking: list[Ranked]) -> dict[str, str]:
    """The first by each score, by size and by published accuracy."""
    found = {}
    for name in dict.fromkeys(s for r in ranking for s in r.scores):
        found[name] = max((r for r in ranking if name in r.scores), key=lambda r: r.scores[name]).backbone
    found["parameters"] = max(ranking, key=lambda r: r.parameters).backbone
    known = [r for r in ranking if r.published_accuracy is not None]
    if known:
        found["published_accuracy"] = max(known, key=lambda r: r.published_accuracy or 0).backbone
    return found
