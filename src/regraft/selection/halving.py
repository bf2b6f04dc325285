"""``--backbone auto``: many networks on few items, the better half on twice as many, until one is left.

Successive halving (Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943) over pretrained networks, the cheap
first and within a time, which is the idea of Quick-Tune (Arango et al. 2024, https://arxiv.org/abs/2306.03828). Rows
are stored: no item is run twice, and the fit that follows begins with what the winner has. For a head on features the
winner may get others beside it, see `regraft.selection.fusing`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones import catalog
from regraft.core.errors import InputError, RegraftError
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.data.dataset import Dataset
from regraft.data.folds import hold_out
from regraft.data.splits import Split
from regraft.options.network import parts_in
from regraft.selection import fusing
from regraft.selection.candidates import Candidate, attempt, compared, names

FIRST, LEAST_A_CLASS, MOST, TASTE = 8, 8, 3000, 32
"""The first round sees an eighth of the items, at least 8 a class; none sees more than 3,000. A taste is one batch."""


def choose(
    split: Split,
    backbone: str,
    *,
    seed: int,
    left: float,
    store: RowStore,
    device: str,
    size: int | None = None,
    trains: bool = False,
) -> tuple[str, dict[str, Any]]:
    """The network for the training part of ``split``, within ``left`` seconds as far as they can be foreseen.

    ``trains`` leaves out ``raw``, which has nothing to train, and fusions, of which no method trains the parts. Returns
    its name and a record: every round with its candidates, their scores and seconds, who went and why, where LogME and
    the probe disagree, and which fusions were tried. Only the training part is looked at.
    """
    began, data = time.perf_counter(), split.train
    if data.kind.numbers:
        raise InputError("--backbone auto chooses by a probe of classes, and the labels are numbers; name a network.")
    _, _, listed = backbone.partition(":")
    asked = names(data.modality, listed or None)
    counted = data.modality == "text" and (not listed or ("tfidf" in asked and len(asked) > 1))
    beside = {"raw"} if trains else {"tfidf"} if counted else set()
    waiting = sorted((c for c in asked if c not in beside), key=_price)
    order = _nested(data, seed)
    classes = max(len(data.classes), 2)
    n = min(len(order), max(LEAST_A_CLASS * classes, -(-len(order) // FIRST)))
    most = min(len(order), MOST)
    kit: dict[str, Any] = {"store": store, "device": device, "seed": seed, "size": size}
    search = _Search(split, order, kit, lambda: left - (time.perf_counter() - began))
    standing: list[Candidate] = []
    gone: list[str] = []
    while True:
        standing = search.round(waiting, n)
        if not standing:
            raise InputError("--backbone auto found no network that can be used: "
                             + "; ".join(f"{c['backbone']}: {c['why']}" for c in search.left_out))  # fmt: skip
        if len(standing) == 1 or n >= most or search.settled(standing):
            break
        kept = standing[: -(-len(standing) // 2)]
        search.drop(standing[len(kept) :], kept[0])
        gone = [*(c.backbone for c in standing[len(kept) :]), *gone]
        waiting, n = [c.backbone for c in kept], min(2 * n, most)
    best, fusion = standing[0], None
    if not trains:
        best, fusion = search.fused(best, [*(c.backbone for c in standing[1:]), *gone], counted, n, most)
    say(f"--backbone auto takes {best.backbone}")
    return best.backbone, search.record(best) | ({"fusion": fusion} if fusion else {}) | {"asked": backbone}


def _price(name: str) -> float:
    """A guess at what an item costs, to begin with the cheap: published giga-operations."""
    try:
        bases = [p.removeprefix("random:").partition("@")[0].partition("[")[0] for p in parts_in(name)]
        return sum(catalog.best_row(b)[0].gigaops or 0.0 for b in bases if b != "raw")
    except RegraftError:
        return 0.0


def _nested(data: Dataset, seed: int) -> NDArray[np.int64]:
    """All positions in an order whose beginnings are drawn by class: each round's items are among the next one's."""
    order: list[NDArray[np.int64]] = []
    rest = np.arange(len(data))
    share = 1 / FIRST
    while len(rest) > 1 and share < 1:
        keep, drawn = hold_out(data.kind.strata(data.y[rest], data.classes), None, share=share, seed=seed)
        if not len(drawn):
            break
        order.append(rest[drawn])
        rest = rest[keep]
        share = min(1.0, len(np.concatenate(order)) / len(rest))
    tail = np.random.default_rng(seed).permutation(rest)
    return np.concatenate([*order, tail]).astype(np.int64)


class _Search:
    """The rounds of one search, and what is told of them."""

    def __init__(self, split: Split, order: NDArray[np.int64], kit: dict[str, Any], left: Any) -> None:
        self.split, self.order, self.kit, self.left = split, order, kit, left
        self.rounds: list[dict[str, Any]] = []
        self.left_out: list[dict[str, str]] = []
        self.fixed: dict[str, float] = {}
        self.pace: dict[str, float] = {}

    def round(self, waiting: list[str], n: int) -> list[Candidate]:
        """The candidates on the first ``n`` items, best first; what there is no time for is left out, but one stays."""
        found: list[Candidate] = []
        for name in waiting:
            if found and not self._affordable(name, n):
                continue
            candidate = self._measured(name, n, ["probe", "logme"])
            if candidate is not None:
                found.append(candidate)
        found.sort(key=lambda c: (-c.scores.get("probe", -1.0), -c.scores.get("logme", -np.inf)))
        if found:
            shown = {c.backbone: {**c.scores, "seconds": round(sum(c.seconds.values()), 3)} for c in found}
            record: dict[str, Any] = {"items": n, "candidates": shown}
            by_logme = max(found, key=lambda c: c.scores.get("logme", -np.inf)).backbone
            if by_logme != found[0].backbone:
                record["logme_would_take"] = by_logme
                say(f"on {n} items the probe prefers {found[0].backbone}, logme {by_logme}")
            self.rounds.append(record)
        return found

    def _measured(self, name: str, n: int, scores: list[str], counted: bool = False) -> Candidate | None:
        split, chosen = self.split, np.sort(self.order[:n])
        begun = time.perf_counter()
        pixels = None if split.train_pixels is None else split.train_pixels[chosen]
        found = attempt(name, split.train.take(chosen), scores, pixels=pixels, groups=self._groups(n), timed=False,
                        counted=counted, **self.kit)  # fmt: skip
        if isinstance(found, str):
            self.left_out.append({"backbone": name, "why": found})
            return None
        self.fixed[name] = found.seconds["load"]
        each = (time.perf_counter() - begun - self.fixed[name]) / n
        self.pace[name] = max(self.pace.get(name, 0.0), each)
        return found

    def _affordable(self, name: str, n: int) -> bool:
        """Whether there is time for ``n`` items, by what a network cost before, else by a taste of one batch."""
        if name not in self.pace and n > 2 * TASTE and self._measured(name, TASTE, []) is None:
            return False
        needed = self._seconds(name, n)
        if needed > self.left():
            why = f"{n} items would take about {needed:.0f} s, and {max(self.left(), 0):.0f} s are left of the budget"
            self.left_out.append({"backbone": name, "why": why})
            say(f"left out: {name}: {why}")
            return False
        return True

    def _seconds(self, name: str, n: int) -> float:
        """How long ``n`` items are foreseen to take: of several networks side by side as long as all of them."""
        known = [name] if name in self.pace else parts_in(name)
        return sum(self.fixed.get(p, 0.0) + self.pace.get(p, 0.0) * n for p in known)

    def _groups(self, n: int) -> NDArray[Any] | None:
        """Which of the first ``n`` items belong together."""
        return None if self.split.groups is None else self.split.groups[np.sort(self.order[:n])]

    def fused(
        self, best: Candidate, runners_up: list[str], counted: bool, n: int, most: int
    ) -> tuple[Candidate, dict[str, Any] | None]:
        """``best``, which was measured on ``n`` items, and what makes it better beside it, with a record; None where
        nothing could. On ``most`` items, where there is time to look at one partner on so many.
        """
        partners = fusing.partners_of(best.backbone, runners_up, counted)
        if not partners or not best.right:
            return best, None
        if n < most and self._seconds(f"{best.backbone}+{partners[0]}", most) <= self.left():
            again = self._measured(best.backbone, most, ["probe"])
            best, n = (best, n) if again is None else (again, most)

        def measure(name: str) -> Candidate | None:
            if self._seconds(name, n) > self.left():
                self.left_out.append({"backbone": name, "why": f"{max(self.left(), 0):.0f} s are left of the budget"})
                return None
            return self._measured(name, n, ["probe"], counted=True)

        whole, steps = fusing.joined(best, partners, measure, self._groups(n))
        lines = fusing.told(steps, whole.backbone)
        for line in lines:
            say(line)
        return whole, {"items": n, "steps": steps, "told": lines}

    def settled(self, standing: list[Candidate]) -> bool:
        """Whether the first is better than each of the others beyond its paired interval."""
        groups = self._groups(self.rounds[-1]["items"])
        leads = [compared(standing[0].right, c.right, self.kit["seed"], groups) for c in standing[1:]]
        return all(lead is not None and lead["ci95"][0] > 0 for lead in leads)

    def drop(self, gone: list[Candidate], best: Candidate) -> None:
        groups = self._groups(self.rounds[-1]["items"])
        for c in gone:
            lead = compared(best.right, c.right, self.kit["seed"], groups)
            by = f"{100 * lead['value']:.1f} points" if lead else "the probe" if "probe" in best.scores else "LogME"
            self.left_out.append({"backbone": c.backbone, "why": f"behind {best.backbone} by {by} on "
                                                                 f"{self.rounds[-1]['items']} items"})  # fmt: skip

    def record(self, best: Candidate) -> dict[str, Any]:
        return {"chosen": best.backbone, "rounds": self.rounds, "left_out": self.left_out}
