"""What a model and those it is compared with said of judged items, of several folds as one, and their figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import stack_rows
from regraft.data.splits import Split
from regraft.features.labelled import LabelledFeatures
from regraft.models.model import Model
from regraft.pipelines.stages.controls import Control
from regraft.pipelines.stages.cross_validation import mean_of_rounds, widening
from regraft.pipelines.stages.fusion_ablation import PartOutputs, adds_nothing, part_figures
from regraft.pipelines.stages.judging import abstaining, best_control
from regraft.pipelines.stages.outliers import SHOWN


@dataclass(frozen=True)
class Outcome:
    """What a model said of judged items it had not seen, and what it is compared with: ``probabilities`` (m, K) for
    ``rows``, how they become answers, ``carries`` whether intervals are among them, and the figures of ``unlike`` ones.
    """

    rows: LabelledFeatures
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
        return stack_rows(parts)[order]

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
    controls = [Control(_name(same), joined([c.probabilities for c in same]), decided([c.decision for c in same]))
                for same in _alike([f.controls for f in folds])]  # fmt: skip
    rows = LabelledFeatures(*(joined([getattr(f.rows, name) for f in folds]) for name in ("x", "y", "items")))
    return Outcome(rows, joined(own), decision, carries, controls, _joined_parts([f.parts for f in folds], joined),
                   _joined_unlike([f.unlike for f in folds]), sum(f.computed for f in folds))  # fmt: skip


def _name(same: list[Control]) -> str:
    """That of a control in all folds; ``random`` where these chose networks of their own."""
    names = {c.name for c in same}
    return names.pop() if len(names) == 1 else same[0].name.partition(":")[0]


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
    whole = None if any(s is None for s in stacked) else joined(stacked)
    return PartOutputs(alone, without, whole, parts[0].parts)


def _joined_unlike(found: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    known = [f for f in found if f is not None]
    if not known:
        return None
    most = sorted((m for f in known for m in f["most"]), key=lambda m: -m["mahalanobis"])
    return {"items": sum(f["items"] for f in known), "flagged": sum(f["flagged"] for f in known),
            "expected": float(np.mean([f["expected"] for f in known])), "most": most[:SHOWN]}  # fmt: skip


def answering(model: Model, control: Control, carries: bool = False) -> Model:
    """The model as it would be were its answers those of ``control``, with its intervals where it carries some."""
    return replace(model, decision=control.decision, folds=model.folds if carries else None)


def judge(
    model: Model, rounds: list[Outcome], split: Split, seed: int
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]:
    """The figures on the judged items beside those of the controls, the gain over the best control and that over the
    probe: of one outcome, or of several rounds of a cross-validation, whose means they are.
    """
    task = model.target.task
    metric = model.task.headline

    def mean(figures: Callable[[Outcome, NDArray[Any] | None], Any]) -> Any:
        each = [figures(r, split.groups_judged(r.rows.items)) for r in rounds]
        return mean_of_rounds(each) if split.folds is not None else each[0]

    def over(name: str) -> dict[str, Any]:
        def gained(r: Outcome, groups: NDArray[Any] | None) -> dict[str, Any]:
            won = model.task.gain(r.rows.y, r.probabilities, r.control(name).probabilities, seed, groups)
            return {**won, "against": name, "metric": metric}

        found: dict[str, Any] = mean(gained)
        return found

    def by_model(r: Outcome, groups: NDArray[Any] | None) -> dict[str, Any]:
        return answering(model, r.answers, r.carries).figures(r.rows.y, r.probabilities, groups)

    def by_control(name: str, r: Outcome, groups: NDArray[Any] | None) -> dict[str, Any]:
        control = r.control(name)
        return answering(model, control).figures(r.rows.y, control.probabilities, groups)

    def by_parts(r: Outcome, groups: NDArray[Any] | None) -> dict[str, Any]:
        assert r.parts is not None
        return part_figures(answering(model, r.answers), r.parts, r.rows.y, r.probabilities, seed, groups)

    figures: dict[str, Any] = {"val": mean(by_model), "controls": {}}
    if split.folds is None and split.copied is not None and split.copied[rounds[0].rows.items].any():
        rows, alone = rounds[0].rows, ~split.copied[rounds[0].rows.items]
        left = split.groups_judged(rows.items[alone])
        rest = model.figures(rows.y[alone], rounds[0].probabilities[alone], left) if alone.any() else None
        figures["val_without_copies"] = {"items": int(alone.sum()), **(rest or {})}
    deciding = [r for r in rounds if "abstain_below" in r.decision]
    if deciding and "abstain_below" in model.decision:
        each = [abstaining(r.rows.y, r.probabilities, r.decision["abstain_below"], split.groups_judged(r.rows.items))
                for r in deciding]  # fmt: skip
        found = mean_of_rounds(each, widening(len(rounds))) if split.folds is not None else each[0]
        figures["abstaining"] = found | {"abstain_below": model.decision["abstain_below"]}
    for name in [c.name for c in rounds[0].controls]:
        figures["controls"][name] = mean(partial(by_control, name))
    if rounds[0].parts is not None:
        parts = mean(by_parts)
        figures["parts"] = parts | {"nothing": adds_nothing(parts)}
    if rounds[0].unlike is not None:
        figures["unlike"] = rounds[0].unlike
    best = best_control(figures["controls"], task)
    over_best = None if best is None else over(best)
    return figures, over_best, over("linear-probe") if "linear-probe" in figures["controls"] else None
