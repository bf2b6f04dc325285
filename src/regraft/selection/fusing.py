"""Whether networks side by side are better than the best of them alone: what ``--backbone auto`` asks at its end.

To the network that was best alone each runner-up is joined in turn (`regraft.features.fusion`), and judged by the same
cross-validated probe on the same training items. The best of those whose paired interval lies above 0 is taken, and the
rest are joined to it, as long as one of them helps and there are fewer than `PARTS`: forward selection, which spends
comparisons, so their number is paid for. A step that may try k partners takes intervals of 1 - 0.05 / k (Bonferroni).
An interval errs to both sides, so where no partner helps, one is taken in at most 2.5 % of searches; where some do, a
partner that does not joins them in a step of its own, at most 2.5 % of the time again. That the network beside which
they stand was the best of several makes it look better than it is, and these shares smaller; `tests/ranking` counts
them.

The words of `tfidf` are counted in all items looked at, without their labels, as its part of a probe's folds always is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from regraft.options.network import parts_in
from regraft.selection.candidates import Candidate, lead

PARTS, PARTNERS, LEVEL = 3, 3, 0.95
"""At most so many networks side by side; so many runners-up are tried; the level of the intervals of one step."""


def partners_of(best: str, runners_up: Sequence[str], counted: bool) -> list[str]:
    """What may stand beside the network ``best``: the first `PARTNERS` of the others that have no part of it, and
    where words can be ``counted``, their counts.
    """
    own = set(parts_in(best))
    others = [n for n in runners_up if n != "tfidf" and not own & set(parts_in(n))][:PARTNERS]
    return [*others, *(["tfidf"] if counted and "tfidf" not in own else [])]


def joined(
    best: Candidate,
    partners: Sequence[str],
    measure: Callable[[str], Candidate | None],
    groups: NDArray[Any] | None = None,
) -> tuple[Candidate, list[dict[str, Any]]]:
    """``best`` with the partners that make it better, and what was tried, step by step.

    ``measure`` looks at a fusion by its name on the items that ``best`` was measured on; it gives None where there is
    no time for it, or it fails. ``groups`` (n,) says which of these items belong together.
    """
    whole, left, steps = best, [*partners], []
    while left and len(parts_in(whole.backbone)) < PARTS:
        level = 1 - (1 - LEVEL) / len(left)
        tried: dict[str, Any] = {}
        better: list[tuple[Candidate, str]] = []
        for partner in left:
            one = measure(f"{whole.backbone}+{partner}")
            found = None if one is None else lead(one.right, whole.right, level, groups)
            if one is None or found is None:
                continue
            tried[one.backbone] = {"probe": one.scores["probe"], "gain": found[0], "interval": found[1]}
            better += [(one, partner)] if found[1][0] > 0 else []
        steps.append({"beside": whole.backbone, "probe": whole.scores.get("probe"), "level": level, "tried": tried})
        if not better:
            break
        whole, partner = max(better, key=lambda b: b[0].scores["probe"])
        left = [p for p in left if p != partner and not {*parts_in(p)} & {*parts_in(whole.backbone)}]
    return whole, steps


def told(steps: list[dict[str, Any]], chosen: str) -> list[str]:
    """What a person is told of the ``steps`` of `joined`, a sentence each."""
    lines = []
    for i, step in enumerate(steps):
        after = steps[i + 1]["beside"] if i + 1 < len(steps) else chosen
        if after in step["tried"]:
            found = step["tried"][after]
            low, high = (100 * end for end in found["interval"])
            lines.append(f"{after} is better by {100 * found['gain']:.1f} points ({low:.1f} to {high:.1f}) than "
                         f"{step['beside']} on the training items: {_count(after)} are taken")  # fmt: skip
        elif step["tried"]:
            lines.append(f"{step['beside']} stays as it is: not better beyond its interval, on the training items, is "
                         f"{' or '.join(step['tried'])}")  # fmt: skip
    return lines


def _count(name: str) -> str:
    parts = len(parts_in(name))
    return "both" if parts == 2 else f"all {parts}"
