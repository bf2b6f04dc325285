"""How pretrained networks compare on some data: scores, order, cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.core.types import Hints, Problem
from regraft.data.audit.audit import audited_to_learn
from regraft.data.audit.checks import require_target
from regraft.data.dataset import Dataset
from regraft.data.folds import hold_out
from regraft.data.open import open_data
from regraft.data.parts import training_part
from regraft.selection.candidates import Candidate, attempt, compared
from regraft.tasks import TASKS

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


def looked_at(
    data: Any, items: int, hints: Hints, format: str | None, seed: int, store: RowStore
) -> tuple[Dataset, list[Problem], NDArray[np.uint64] | None, NDArray[Any] | None]:
    """The readable items of the training part, at most ``items`` of them; problems, digests of pixels, groups."""
    opened = open_data(data, format=format, hints=hints)
    training_part(opened)  # refuses data without one
    whole, learn = audited_to_learn(opened, store)
    part = whole.data.take(learn)
    if part.target.task not in TASKS:
        raise InputError(f"{part.name} is pictures with boxes; networks are ranked for one answer an item.")
    require_target(part)
    problems = [*whole.problems]
    present = [n for n, count in part.class_counts().items() if count]
    if len(present) >= len(part) and not part.kind.several:
        raise DataError(
            f"{part.name} has {len(present)} classes and {len(part)} examples: every class is one example, and "
            "nothing tells classes apart from examples; two a class are needed, five are better."
        )
    chosen = np.arange(len(part))
    if items < len(part):
        _, chosen = hold_out(part.kind.strata(part.y, part.classes), None, share=items / len(part), seed=seed)
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


def rank_candidates(
    candidates: list[str], looked: Dataset, applying: list[str], by: str | None, *, store: RowStore, device: str,
    pixels: NDArray[np.uint64] | None, groups: NDArray[Any] | None, seed: int, size: int | None,
) -> Ranking:  # fmt: skip
    """Every candidate on the items ``looked``, by the scores that apply, the best first; ``by`` decides, by default the
    score that suits best. Raises ``InputError`` where none could be ranked.
    """
    tried: list[Candidate] = []
    left_out = []
    for name in candidates:
        found = attempt(name, looked, applying, store=store, device=device, pixels=pixels, groups=groups, seed=seed,
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
    return Ranking(looked.name, looked.target.task, len(looked), looked.classes, by, choice, ranking, left_out,
                   favourites(ranking), 0.0, [])  # fmt: skip
