"""What is said of a model that was adapted to another domain, beside the source-only one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.core.types import Problem
from regraft.features.labelled import LabelledFeatures
from regraft.methods import METHODS
from regraft.methods.base import Options
from regraft.metrics.validators import VALIDATORS, Seen, collapsed, information, judged, preference, spread
from regraft.models.model import Model
from regraft.pipelines.evidence.domains import write_domains
from regraft.pipelines.evidence.predictions import write_evidence
from regraft.pipelines.stages.controls import constant
from regraft.pipelines.stages.open_target import TargetDomain
from regraft.training.adaptation import LOOKED_AT, SOURCE_ONLY

if TYPE_CHECKING:
    from regraft.pipelines.context import FitContext

CHOOSES = "snd"
"""The validator that chooses the epoch and the method, fixed beforehand: no method here makes it large by itself. A
model whose answers have collapsed, which it cannot see, is never preferred to one whose have not (`preference`).
"""


@dataclass
class Domain:
    """One model with its view of both domains: features of what it learned from, of held-out items of the source, of
    the target's items, and of those that are reported on (None where the target has no labels).
    """

    model: Model
    train: LabelledFeatures
    val: LabelledFeatures
    target: LabelledFeatures
    judged: LabelledFeatures | None
    unknown: LabelledFeatures | None

    def on_source(self) -> float:
        """What the answers on the source tell, in nats: on held-out items, where there are any."""
        return information(self.model.logits(_some((self.val if len(self.val.y) else self.train).x)))

    def on_target(self) -> NDArray[Any]:
        """Logits of the target's items."""
        return self.model.logits(_some(self.target.x))

    def seen(self) -> Seen:
        """What a validator looks at: at most 2,000 items of each kind."""
        target, val, train = (_some(r.x) for r in (self.target, self.val, self.train))
        labels = spread(self.val.y, LOOKED_AT)
        return Seen(self.model.logits(target), target, self.model.logits(val), val, labels, train)


def _some(rows: Any) -> NDArray[Any]:
    """At most 2,000 rows as an array."""
    some: Any = spread(rows, LOOKED_AT)
    return some.toarray() if issparse(some) else some


def _chosen_by(method: Any) -> str:
    """What was chosen without the target's labels, and by what."""
    if method.KIND == "auto":
        return f"the method, by {CHOOSES} on the target's items without labels"
    if method.KIND == "adapting networks" and method.plan_domains(1, Options(1)).phases:
        return f"the epoch, by {CHOOSES} on the target's items without labels"
    return "nothing had to be chosen"


def chosen(views: dict[str, Domain]) -> tuple[str, dict[str, Any]]:
    """The model that the validator prefers, and what it said of each."""
    usual = views[SOURCE_ONLY].on_source()
    scores = {name: preference(view.on_target(), usual) for name, view in views.items()}
    best = max(scores, key=lambda name: scores[name])
    return best, {"validator": CHOOSES, "scores": scores, "taken": best}


def report(
    context: FitContext, method: Any, target: TargetDomain, before: Domain, after: Domain
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The figures on the source and the target, and the gain over source-only with its paired interval.

    ``metrics`` holds ``val`` (the adapted model on held-out items of the source), ``target`` (None where it has no
    labels), ``controls`` on the target, ``validators`` by name for both models, and ``chosen_by``.
    """
    figures: dict[str, Any] = {"val": None, "target": None, "controls": {}}
    split, work, problems = context.split, context.run.work, context.split.problems
    if len(after.val.y):
        by = split.groups_judged(after.val.items)
        figures["val"] = after.model.figures(after.val.y, after.model.probabilities(after.val.x), by)
    scores = {SOURCE_ONLY: judged(before.seen()), "adapted": judged(after.seen())} if len(after.val.y) else {}
    figures["validators"] = {n: {who: s[n] for who, s in scores.items()} for n in VALIDATORS} if scores else {}
    figures["chosen_by"] = _chosen_by(METHODS.get(str(context.options.training.method)))
    won = None
    if target.judged is not None and after.judged is not None and len(after.judged.y):
        own, won, answers = _on_target(context, target, before, after)
        figures |= own
        if target.same:
            problems.append(Problem("same-judged", target.judged.name, "the target has no part test with labels: "
                                    "judged on the items adapted to, whose labels were not read"))  # fmt: skip
        write_evidence(work, target.judged, after.judged, after.model, answers, _groups(target, after))
    elif split.val is not None and len(after.val.y):
        answers, by = after.model.probabilities(after.val.x), split.groups_judged(after.val.items)
        write_evidence(work, split.val, after.val, after.model, answers, by)
    if said := looks_collapsed(before, after) or (scores and worse(scores, getattr(method, "OPTIMISES", ()))):
        problems.append(Problem("looks-worse", target.learn.name, said))
    views = {"before": (before.train.x, before.target.x)}
    if after.model.network is not before.model.network:
        views["after"] = (after.train.x, after.target.x)
    write_domains(work / "domains.csv", views)
    context.run.log("judged", target=figures["target"], gain=won, validators=figures["validators"])
    return figures, won


def _on_target(
    context: FitContext, target: TargetDomain, before: Domain, after: Domain
) -> tuple[dict[str, Any], dict[str, Any], NDArray[Any]]:
    """Figures on the target's judged items, the gain over source-only, and the probabilities of the adapted model."""
    assert target.judged is not None and after.judged is not None and before.judged is not None
    y = after.judged.y
    ours, theirs = (after.model.probabilities(after.judged.x), before.model.probabilities(before.judged.x))
    by = _groups(target, after)
    figures: dict[str, Any] = {"target": after.model.figures(y, ours, by),
                               "controls": {SOURCE_ONLY: before.model.figures(y, theirs, by)}}  # fmt: skip
    if "majority" in context.options.evaluation.controls:
        common = constant(after.model.target, after.train.y, len(y))
        figures["controls"]["majority"] = after.model.figures(y, common.probabilities, by)
    if after.unknown is not None and len(after.unknown.y):
        figures["open_set"] = _open_set(after, ours)
    won = after.model.task.gain(y, ours, theirs, context.seed, by)
    return figures, {**won, "against": SOURCE_ONLY, "metric": after.model.task.headline}, ours


def _groups(target: TargetDomain, after: Domain) -> NDArray[Any] | None:
    """(m,) which of the target's judged items belong together, None where they do not."""
    assert target.judged is not None and after.judged is not None
    return None if target.judged.groups is None else target.judged.groups[after.judged.items]


def looks_collapsed(before: Domain, after: Domain) -> str:
    """What to say where the adapted model's answers on the target tell little and less than source-only's; else ""."""
    left, plain, usual = information(after.on_target()), information(before.on_target()), before.on_source()
    if left >= plain or not collapsed(left, usual):
        return ""
    told = f"they tell {left:.2f} nats, source-only's {plain:.2f} there and {usual:.2f} on the source"
    return (f"the adapted model's answers on the target look collapsed: {told}; the model in {SOURCE_ONLY}/ may be the "
            "better one")  # fmt: skip


def worse(scores: dict[str, dict[str, float]], optimises: tuple[str, ...]) -> str:
    """What to say where most validators that the method does not make large itself favour source-only; else ""."""
    independent = [n for n in ("entropy", "im", "bnm", "snd", "dev") if n not in optimises]
    lower = [n for n in independent if scores["adapted"][n] < scores[SOURCE_ONLY][n]]
    if 2 * len(lower) <= len(independent):
        return ""
    return (f"without the target's labels the adapted model looks worse than source-only ({', '.join(lower)} of "
            f"{', '.join(independent)}): the model in {SOURCE_ONLY}/ may be the better one")  # fmt: skip


def _open_set(after: Domain, known: NDArray[Any]) -> dict[str, Any]:
    """How well the confidence parts items of known classes from others (area under the ROC curve)."""
    from sklearn.metrics import roc_auc_score

    assert after.unknown is not None
    strange = after.model.probabilities(after.unknown.x).max(1)
    truth = np.repeat([1, 0], [len(known), len(strange)])
    auc = roc_auc_score(truth, np.concatenate([known.max(1), strange])) if len(known) else None
    return {"items": len(strange), "auroc_of_confidence": None if auc is None else float(auc)}
