"""What a model and those it is compared with said of judged items, and that of several folds as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.commands.controls import Control
from regraft.commands.parts import PartOutputs
from regraft.commands.split import Rows
from regraft.commands.unlike import SHOWN
from regraft.features.rows import below


@dataclass(frozen=True)
class Outcome:
    """What a model said of judged items it had not seen, and what it is compared with: ``probabilities`` (m, K) for
    ``rows``, how they become answers, ``carries`` whether intervals are among them, and the figures of ``unlike`` ones.
    """

    rows: Rows
    probabilities: NDArray[Any]
    decision: dict[str, Any]
    carries: bool
    controls: list[Control]
    parts: PartOutputs | None = None
    unlike: dict[str, Any] | None = None
    computed: int = 0

    @property
    def answers(self) -> Control:
        """The model as one more that is judged."""
        return Control("model", self.probabilities, self.decision)

    def control(self, name: str) -> Control:
        """The one of that name."""
        return next(c for c in self.controls if c.name == name)


def together(folds: list[Outcome]) -> Outcome:
    """One outcome of those of several folds, in the order of their items: where the folds decide each by themselves
    (thresholds, sigma, an interval's radius), an item is decided as its fold does.
    """
    if len(folds) == 1:
        return folds[0]
    items = np.concatenate([f.rows.items for f in folds])
    order = np.argsort(items)
    sizes = [len(f.rows.items) for f in folds]

    def joined(parts: list[Any]) -> Any:
        return below(parts)[order]

    def decided(each: list[dict[str, Any]]) -> dict[str, Any]:
        found = {k: v for k, v in each[0].items() if all(k in e for e in each)}
        for key in [k for k in ("thresholds", "sigma", "abstain_below") if k in found]:
            found[key] = joined([np.tile(e[key], (n, 1)) if key == "thresholds" else np.full(n, e[key])
                                 for e, n in zip(each, sizes, strict=True)])  # fmt: skip
        if "interval" in found:
            radii = [np.full(n, e["interval"]["radius"]) for e, n in zip(each, sizes, strict=True)]
            found["interval"] = found["interval"] | {"radius": joined(radii)}
        return found

    carries = all(f.carries for f in folds)
    # where one fold is too small for intervals, those of the others are left out
    own = [f.probabilities[:, :-2] if f.carries and not carries else f.probabilities for f in folds]
    decision = decided([f.decision for f in folds])
    if not carries:
        decision.pop("interval", None)
    controls = [Control(same[0].name, joined([c.probabilities for c in same]), decided([c.decision for c in same]))
                for same in _alike([f.controls for f in folds])]  # fmt: skip
    rows = Rows(*(joined([getattr(f.rows, name) for f in folds]) for name in ("x", "y", "items")))
    return Outcome(rows, joined(own), decision, carries, controls, _joined_parts([f.parts for f in folds], joined),
                   _joined_unlike([f.unlike for f in folds]), sum(f.computed for f in folds))  # fmt: skip


def _alike(folds: list[list[Control]]) -> list[list[Control]]:
    """By control those of all folds; what some have not (a fold may choose a network by itself) is left out."""
    kinds = [{c.name.partition(":")[0]: c for c in controls} for controls in folds]
    return [[of[kind] for of in kinds] for kind in kinds[0] if all(kind in of for of in kinds)]


def _joined_parts(found: list[PartOutputs | None], joined: Callable[[list[Any]], Any]) -> PartOutputs | None:
    parts = [p for p in found if p is not None]
    if len(parts) < len(found) or any(p.alone.keys() != parts[0].alone.keys() for p in parts):
        return None
    alone, without = ({n: joined([getattr(p, kind)[n] for p in parts]) for n in getattr(parts[0], kind)}
                      for kind in ("alone", "without"))  # fmt: skip
    stacked = [p.stacked for p in parts]
    return PartOutputs(alone, without, None if any(s is None for s in stacked) else joined(stacked))


def _joined_unlike(found: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    known = [f for f in found if f is not None]
    if not known:
        return None
    most = sorted((m for f in known for m in f["most"]), key=lambda m: -m["mahalanobis"])
    return {"items": sum(f["items"] for f in known), "flagged": sum(f["flagged"] for f in known),
            "expected": float(np.mean([f["expected"] for f in known])), "most": most[:SHOWN]}  # fmt: skip
