"""``regraft compare``: whether runs differ on the items that all of them were judged on, and in what they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError
from regraft.metrics.paired_tests import Paired, holm, widened
from regraft.pipelines.comparison import differences
from regraft.pipelines.comparison.judged_run import JudgedRun
from regraft.pipelines.stages.cross_validation import widening

SHOWN, LEVEL = 10, 0.05


@dataclass(frozen=True)
class Comparison:
    """Runs on the ``items`` that all were judged on. ``runs`` holds a dict each: ``run``, ``value`` and ``ci95`` of the
    ``metric`` on these items, how many it was judged on (``judged``) and learned from, ``seconds``. ``against`` holds
    one for each run but the first, the base: ``difference`` (more is better) with ``ci95``, ``p`` and ``p_holm``,
    adjusted for their number; of classes ``better`` and ``worse``, how many items one alone answered right, with some
    of their names. ``settings`` and ``versions`` are rows of ``name`` and ``values`` of those that differ;
    ``relabelled`` are some items with another label in some run, left out. ``groups`` is how many groups the items are
    of, None where they stand for themselves; ``notes`` are sentences on what a reader should know; ``out`` is the page.
    """

    task: str
    metric: str
    test: str
    items: int
    groups: int | None
    runs: list[dict[str, Any]]
    against: list[dict[str, Any]]
    settings: list[dict[str, Any]]
    versions: list[dict[str, Any]]
    relabelled: list[str]
    notes: list[str]
    out: str | None = None


def compare(paths: Sequence[str], seed: int = 0) -> Comparison:
    """Compares the runs in the folders ``paths`` with the first of them; ``seed`` is that of the bootstrap.

    Raises ``InputError`` where there are fewer than two, where their tasks or classes of several labels or boxes
    differ, or no item was judged by all.
    """
    if len(paths) < 2:
        raise InputError("compare takes two runs or more, such as: regraft compare runs/a runs/b.")
    if repeated := [p for p in dict.fromkeys(paths) if list(paths).count(p) > 1]:
        raise InputError(f"{repeated[0]} is named twice; a run does not differ from itself.")
    runs = [JudgedRun.read(path) for path in paths]
    _comparable(runs)
    shared, relabelled = _shared(runs)
    groups = next((r.groups for r in shared if r.groups is not None), None)
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None
    against = [_against(shared[0], other, groups, seed) for other in shared[1:]]
    for row, p in zip(against, holm([row["p"] for row in against]), strict=True):
        row["p_holm"] = p
    return Comparison(
        task=runs[0].result["task"], metric=runs[0].answers.METRIC, test=runs[0].answers.test(groups),
        items=len(shared[0].names), groups=None if groups is None else len(np.unique(groups)),
        runs=[_row(run, one, groups) for run, one in zip(runs, shared, strict=True)], against=against,
        settings=differences.settings(runs), versions=differences.versions(runs), relabelled=relabelled[:SHOWN],
        notes=_notes(runs, shared[0], relabelled) + differences.learned(runs),
    )  # fmt: skip


def _comparable(runs: Sequence[JudgedRun]) -> None:
    first = runs[0]
    for other in runs[1:]:
        tasks = [r.result["task"] for r in (first, other)]
        if tasks[0] != tasks[1]:
            raise InputError(f"{first.run} is for {tasks[0]} and {other.run} for {tasks[1]}: their figures are not of "
                             "the same kind.")  # fmt: skip
        apart = sorted(set(first.result["classes"]) ^ set(other.result["classes"]))
        if first.answers.METRIC == "map" and apart:
            raise InputError(f"{first.run} and {other.run} know other classes ({', '.join(apart[:SHOWN])}): a mean "
                             "over classes compares those of the same ones.")  # fmt: skip


def _shared(runs: Sequence[JudgedRun]) -> tuple[list[JudgedRun], list[str]]:
    """The runs on the items that all were judged on with the same label, and the names of those with another."""
    first = runs[0]
    places = np.stack([np.arange(len(first.names)), *(r.places(first.names, first.digests) for r in runs[1:])])
    everywhere = np.flatnonzero((places >= 0).all(0))
    if not len(everywhere):
        raise InputError(f"{first.run} and {' and '.join(r.run for r in runs[1:])} were judged on no item in common: "
                         "fit them on the same data with the same --seed, or the same --val.")  # fmt: skip
    both = [run.take(place[everywhere]) for run, place in zip(runs, places, strict=True)]
    same = np.array([all(one == label for one in rest)
                     for label, *rest in zip(*(r.answers.labels for r in both), strict=True)], bool)  # fmt: skip
    if not same.any():
        raise InputError(f"Not one of the {len(same):,} items that all runs were judged on has the same label in them.")
    keep = np.flatnonzero(same)
    return [run.take(keep) for run in both], [both[0].names[i] for i in np.flatnonzero(~same)]


def _wider(*runs: JudgedRun) -> float:
    """By how much errors of figures are larger than those of so many new items: of cross-validated answers."""
    return max((widening(1) for r in runs if r.crossed), default=1.0)


def _against(base: JudgedRun, other: JudgedRun, groups: NDArray[Any] | None, seed: int) -> dict[str, Any]:
    """What the test says of two runs."""
    wider = _wider(base, other)
    found: Paired = other.answers.against(base.answers, groups, seed)
    ends = _ends(found.value, found.ci95, wider, -1.0 if base.answers.SIGN > 0 else -math.inf)
    row: dict[str, Any] = {"run": other.run, "difference": found.value, "ci95": ends, "p": widened(found.p, wider)}
    ours, theirs = other.answers.right(), base.answers.right()
    if ours is not None and theirs is not None:
        for name, some in (("better", ours & ~theirs), ("worse", theirs & ~ours)):
            row |= {name: int(some.sum()), f"{name}_items": [other.names[i] for i in np.flatnonzero(some)[:SHOWN]]}
    return row


def _ends(value: float, ci95: list[float], wider: float, low: float) -> list[float]:
    return [max(low, min(-low, value + wider * (end - value))) for end in ci95]


def _row(run: JudgedRun, shared: JudgedRun, groups: NDArray[Any] | None) -> dict[str, Any]:
    (value, ci95), wider = shared.answers.figure(groups), _wider(run)
    low, high = (value + wider * (end - value) for end in ci95)
    ends = [max(0.0, low), min(1.0, high) if run.answers.SIGN > 0 else high]
    return {"run": run.run, "value": value, "ci95": ends, "judged": len(run.names),
            "learned": run.result["items"]["train"], "backbone": run.result["backbone"],
            "method": run.result["method"], "seconds": run.result["seconds"]["total"]}  # fmt: skip


def _notes(runs: Sequence[JudgedRun], shared: JudgedRun, relabelled: list[str]) -> list[str]:
    said, judged = [], [len(r.names) for r in runs]
    if any(n != len(shared.names) for n in judged):
        each = ", ".join(f"{r.run} {n:,}" for r, n in zip(runs, judged, strict=True))
        said.append(f"only the {len(shared.names):,} items that all runs were judged on count ({each})")
    if relabelled:
        said.append(f"{len(relabelled):,} items have another label in some run and are left out, such as "
                    f"{', '.join(relabelled[:3])}")  # fmt: skip
    if not any(shared.digests):
        said.append("no digests were kept of what the runs were judged on: items are matched by their names alone")
    if (wider := _wider(*runs)) > 1:
        said.append("answers of a cross-validation are those of its first round, each by a model that had not seen the "
                    f"item; errors count {wider:.2f} times, since its models share their training items")  # fmt: skip
    return said
