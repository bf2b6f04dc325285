"""What a fit with a target does: adapt without its labels, then report on it beside the source-only model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.core.arrays import stack_rows
from regraft.core.types import Problem
from regraft.data.audit.measure import facts
from regraft.features.fusion import parts_of
from regraft.features.labelled import LabelledFeatures
from regraft.methods import METHODS
from regraft.methods.adaptation.on_features import in_own_units
from regraft.methods.base import Fitted, Options
from regraft.methods.probes import linear_probe as PROBE
from regraft.metrics.validators import VALIDATORS, Seen, collapsed, information, judged, preference, spread
from regraft.models import artefact
from regraft.models.model import Model
from regraft.pipelines.evidence.domains import write_domains
from regraft.pipelines.evidence.predictions import write_evidence
from regraft.pipelines.scenarios.target_domain import TargetDomain
from regraft.pipelines.stages.controls import constant
from regraft.tasks import TASKS

if TYPE_CHECKING:
    from regraft.pipelines.context import FitContext

CHOOSES = "snd"
"""The validator that chooses the epoch and the method, fixed beforehand: no method here makes it large by itself. A
model whose answers have collapsed, which it cannot see, is never preferred to one whose have not (`preference`).
"""

SOURCE_ONLY = "source-only"
LOOKED_AT = 2000


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


def fit_target(job: FitContext, method: Any, target: TargetDomain) -> dict[str, Any]:
    """The fields of a `regraft.pipelines.fit.FitResult`."""
    split, settings, watch = job.split, job.settings, job.watch
    split.problems += target.problems
    with watch("extract"):
        found = [job.rows(d) for d in (split.train, split.val, target.learn, target.judged, target.unknown)]
    train, val, goal, shown, strange = (r for r, _ in found)
    computed = sum(c for _, c in found)
    learn = partial(
        PROBE.fit_features, target=split.train.target, seed=settings["seed"], class_weight=settings["class_weight"],
        own_units=job.network.spec.modality == "table", blocks=[p.width for p in parts_of(job.network)],
    )  # fmt: skip
    if "blocks" in learn.keywords and len(learn.keywords["blocks"]) < 2:
        learn.keywords.pop("blocks")
    groups = None if split.groups is None else split.groups[train.items]
    name, spec = split.train.target_name, split.train.target
    rows: dict[str, Any] = {"train": train, "val": val, "target": goal, "judged": shown if target.judged else None,
                            "unknown": strange if target.unknown else None}  # fmt: skip
    with watch("fit"):
        plain = learn(train.x, train.y, groups=groups)
        split.problems += [Problem("stopped-early", split.train.name, w) for w in plain.record.get("stopped_early", ())]
        before = Domain(Model(job.network, plain.head, name, spec), **rows)
        again = partial(_learn, learn, plain.record)
        own = job.network.spec.modality == "table"
        tried = {m: _adapted(METHODS.get(m), own, train.x, train.y, goal.x, again, settings["seed"])
                 for m in (method.ON_TARGET if method.KIND == "auto" else [settings["method"]])}  # fmt: skip
    views = {m: Domain(Model(job.network, f.head, name, spec), **rows) for m, f in tried.items()}
    best, record = next(iter(tried)), dict[str, Any]()
    if method.KIND == "auto":
        best, record = _chosen({SOURCE_ONLY: before, **views})
        method = PROBE if best == SOURCE_ONLY else METHODS.get(best)
        job.run.log("auto", **record)
    after, fitted = (before, plain) if best == SOURCE_ONLY else (views[best], tried[best])
    with watch("controls"):
        figures, won = report(job, method, target, before, after)
    refit = bool(settings["refit"] and len(val.y))
    if refit:
        x, y = stack_rows([train.x, val.x]), np.concatenate([train.y, val.y])
        with watch("fit"):
            if after is not before:
                after.model.head = _adapted(method, own, x, y, goal.x, again, settings["seed"]).head
            before.model.head = again(x, y).head
    return finished(job, target, before, after, figures, won, {**fitted.record, **record}, computed, refit)


def _adapted(
    method: Any, own_units: bool, source: Any, labels: NDArray[Any], target: Any, learn: Any, seed: int
) -> Fitted:
    """What a method on features makes of these."""
    if own_units:
        return in_own_units(method, source, labels, target, learn, seed=seed)
    fitted: Fitted = method.fit_domains(source, labels, target, learn, seed=seed)
    return fitted


def _chosen_by(method: Any) -> str:
    """What was chosen without the target's labels, and by what."""
    if method.KIND == "auto":
        return f"the method, by {CHOOSES} on the target's items without labels"
    if method.KIND == "adapting networks" and method.plan_domains(1, Options(1)).phases:
        return f"the epoch, by {CHOOSES} on the target's items without labels"
    return "nothing had to be chosen"


def _chosen(views: dict[str, Domain]) -> tuple[str, dict[str, Any]]:
    """The model that the validator prefers, and what it said of each."""
    usual = views[SOURCE_ONLY].on_source()
    scores = {name: preference(view.on_target(), usual) for name, view in views.items()}
    best = max(scores, key=lambda name: scores[name])
    return best, {"validator": CHOOSES, "scores": scores, "taken": best}


def _learn(learn: Callable[..., Any], chosen: dict[str, Any], rows: Any, labels: NDArray[Any], *,
           record: dict[str, Any] | None = None) -> Any:  # fmt: skip
    """A probe with the choices of the source-only one, where no other record is given."""
    return learn(rows, labels, record=record or chosen)


def finished(
    job: FitContext,
    target: TargetDomain,
    before: Domain,
    after: Domain,
    figures: dict[str, Any],
    won: dict[str, Any] | None,
    choice: dict[str, Any],
    computed: int,
    refit: bool,
) -> dict[str, Any]:
    """Both models saved, and the fields of the result."""
    split, settings, run = job.split, job.settings, job.run
    seen = {"seen": job.seen(split.val, split.pixels), "seen_in_target": _seen_in_target(job, target)}
    items = {"train": len(before.train.y) - split.repeated, "val": len(before.val.y), "target": len(before.target.y),
             "target_judged": 0 if before.judged is None else len(before.judged.y)}  # fmt: skip
    record = {"name": run.path.name, "data": settings["data"], "target": settings["target"],
              "columns": split.columns, "method": settings["method"], "settings": settings, "choice": choice,
              "trained_on": items["train"] + refit * items["val"],
              "judged_on": items["target_judged" if figures["target"] else "val"], "refit": refit, **seen,
              "gain": won}  # fmt: skip
    learned = [job.learned_from(split.train, split.val if refit else None, goal) for goal in (target.learn, None)]
    artefact.save(after.model, run.work / "model", metrics=figures, record=record, learned=learned[0])
    artefact.save(before.model, run.work / SOURCE_ONLY, metrics={"target": figures["controls"].get(SOURCE_ONLY)},
                  record={**record, "method": SOURCE_ONLY, "gain": None}, learned=learned[1])  # fmt: skip
    return {
        "run": str(run.path), "task": split.train.target.task, "method": settings["method"],
        "backbone": job.network.name, "engine": job.runner.engine, "metrics": figures, "gain": won,
        "gain_over_probe": None, "seconds": job.watch.record(), "cached": computed == 0, "items": items,
        "classes": split.train.classes, "split": split.how, "choice": choice, "decision": after.model.decision,
        **seen, "seen_in_training": job.seen(split.train, split.train_pixels), "rows": {"computed": computed},
        "problems": [asdict(p) for p in split.problems],
    }  # fmt: skip


def _seen_in_target(job: FitContext, target: TargetDomain) -> float | None:
    """The share of the target's judged pictures whose labels the network's pretraining saw, None where not known."""
    if job.network.seen is None or target.judged is None:
        return None
    found, _ = facts(target.judged.items, job.store)
    return job.seen(target.judged.take(found.positions), found.pixels)


def report(
    job: FitContext, method: Any, target: TargetDomain, before: Domain, after: Domain
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The figures on the source and the target, and the gain over source-only with its paired interval.

    ``metrics`` holds ``val`` (the adapted model on held-out items of the source), ``target`` (None where it has no
    labels), ``controls`` on the target, ``validators`` by name for both models, and ``chosen_by``.
    """
    figures: dict[str, Any] = {"val": None, "target": None, "controls": {}}
    if len(after.val.y):
        by = job.split.groups_judged(after.val.items)
        figures["val"] = after.model.figures(after.val.y, after.model.probabilities(after.val.x), by)
    scores = {SOURCE_ONLY: judged(before.seen()), "adapted": judged(after.seen())} if len(after.val.y) else {}
    figures["validators"] = {n: {who: s[n] for who, s in scores.items()} for n in VALIDATORS} if scores else {}
    figures["chosen_by"] = _chosen_by(METHODS.get(job.settings["method"]))
    won = None
    if target.judged is not None and after.judged is not None and len(after.judged.y):
        y = after.judged.y
        ours, theirs = (d.model.probabilities(d.judged.x) for d in (after, before))  # type: ignore[union-attr]
        by = None if target.judged.groups is None else target.judged.groups[after.judged.items]
        figures["target"] = after.model.figures(y, ours, by)
        figures["controls"] = {SOURCE_ONLY: before.model.figures(y, theirs, by)}
        if "majority" in job.settings["controls"]:
            common = constant(after.model.target, after.train.y, len(y))
            figures["controls"]["majority"] = after.model.figures(y, common.probabilities, by)
        won = {**TASKS["classification"].gain(y, ours, theirs, job.settings["seed"], by), "against": SOURCE_ONLY,
               "metric": "accuracy"}  # fmt: skip
        if target.same:
            job.split.problems.append(Problem("same-judged", target.judged.name, "the target has no part test: judged "
                                              "on the items adapted to, whose labels were not read"))  # fmt: skip
        if after.unknown is not None and len(after.unknown.y):
            figures["open_set"] = _open_set(after, ours)
        write_evidence(job.run.work, target.judged, after.judged, after.model, ours)
    elif job.split.val is not None and len(after.val.y):
        write_evidence(job.run.work, job.split.val, after.val, after.model, after.model.probabilities(after.val.x))
    if said := looks_collapsed(before, after) or (scores and worse(scores, getattr(method, "OPTIMISES", ()))):
        job.split.problems.append(Problem("looks-worse", target.learn.name, said))
    views = {"before": (before.train.x, before.target.x)}
    if after.model.network is not before.model.network:
        views["after"] = (after.train.x, after.target.x)
    write_domains(job.run.work / "domains.csv", views)
    job.run.log("judged", target=figures["target"], gain=won, validators=figures["validators"])
    return figures, won


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
