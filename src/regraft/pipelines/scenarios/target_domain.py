"""A labelled source and another domain, to which the model is brought without its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import stack_rows
from regraft.core.types import Problem
from regraft.data.audit.measure import facts
from regraft.data.dataset import Dataset
from regraft.data.items import Items
from regraft.features.labelled import LabelledFeatures, fresh_rows
from regraft.methods import METHODS
from regraft.methods.adaptation.on_features import in_own_units
from regraft.methods.base import Fitted
from regraft.methods.probes import linear_probe as PROBE
from regraft.metrics.validators import spread
from regraft.models import artefact
from regraft.models.model import Model
from regraft.pipelines.result import FitResult
from regraft.pipelines.scenarios.single import Single
from regraft.pipelines.stages.domain_report import Domain, chosen, report
from regraft.pipelines.stages.evaluate import share_seen_in_pretraining
from regraft.pipelines.stages.features import rows_of, tell_how_read
from regraft.pipelines.stages.learn import head_learner
from regraft.pipelines.stages.open_target import TargetDomain, learn_from, open_target
from regraft.training.adaptation import LOOKED_AT, SOURCE_ONLY, train_adaptation
from regraft.training.requirements import check as check_training


class Adaptation(Single):
    """The model of the source beside the one adapted to the target; labels of the target only serve to report, but for
    those that may be learned from.
    """

    target: TargetDomain
    before: Domain
    after: Domain
    fit_head: Callable[..., Fitted]
    plain: Fitted

    def load_network(self) -> None:
        """That of the source; where none was named, one that reads the target too."""
        data, asked, train = self.options.data, self.options.scenario, self.halves.train
        hints = data.hints(task=data.task or train.target.task, kept=train.roles, lenient=True)
        self.target = open_target(asked.target, train, self.halves.val, mapping=asked.mapping, hints=hints,
                                  labels=asked.target_labels, seed=self.options.run.seed)  # fmt: skip
        super().load_network()
        if self.target.labelled is not None:
            learn_from(self.halves, self.target.labelled)
        with self.watch("extract"):
            for part in (self.target.learn, self.target.judged, self.target.unknown):
                if part is not None:
                    self.look_at(part, np.arange(len(part)))
        if self.networks:
            check_training(self.network, self.halves.train, self.options)

    def extract(self) -> None:
        """Rows of both domains; of a network that learns those of the items to learn from alone."""
        self.begin()
        self.run.log("start", settings=self.settings, split=self.halves.how, columns=self.halves.columns)
        split, target = self.halves, self.target
        split.problems += target.problems
        tell_how_read(self.context, split.train, split.val, target.learn, target.judged)
        self.train, computed = rows_of(self.context, split.train)
        self.judged, more = rows_of(self.context, None if self.networks else split.val)
        self.goal, of_goal = rows_of(self.context, target.learn)
        self.shown, of_shown = rows_of(self.context, None if self.networks else target.judged)
        self.strange, of_strange = rows_of(self.context, None if self.networks else target.unknown)
        self.computed += computed + more + of_goal + of_shown + of_strange

    def take_default(self, *others: Items) -> None:
        """One that reads the target's items too."""
        super().take_default(self.target.learn.items, *others)

    @property
    def networks(self) -> bool:
        """Whether the method trains a network."""
        return self.meaning.kind == "adapting networks"

    def learn(self) -> None:
        """The source's model, and what the method makes of it."""
        if self.networks:
            self._train()
        else:
            self._fit()

    def _train(self) -> None:
        context, source, rows = self.context, self.halves.train, self.train
        before, after = train_adaptation(self.method, self.network, self.warm, source, rows,
                                         self.target.learn.take(self.goal.items), context.training,
                                         context.groups_of(rows))  # fmt: skip
        self.halves.problems += before.problems
        self.choice = {"source": before.record, **after.record}
        self.before, self.after = (
            self._view(Model(m.network, m.head, source.target_name, source.target)) for m in (before, after)
        )

    def _view(self, model: Model) -> Domain:
        """A trained model's view of both domains; of what it learned from, at most 2,000 items are looked at."""
        split, target = self.halves, self.target

        def seen(data: Dataset | None, items: NDArray[np.int64] | None = None) -> LabelledFeatures:
            if data is None or not len(data):
                nothing = np.zeros(0, np.int64)
                return LabelledFeatures(np.zeros((0, model.network.width), np.float32), nothing, nothing)
            places = np.arange(len(data)) if items is None else spread(items, LOOKED_AT)
            return fresh_rows(model.network, data, places, self.options.network.engine, self.device)

        return Domain(
            model, seen(split.train, self.train.items), seen(split.val), seen(target.learn, self.goal.items),
            None if target.judged is None else seen(target.judged),
            None if target.unknown is None else seen(target.unknown),
        )  # fmt: skip

    def _fit(self) -> None:
        source, train = self.halves.train, self.train
        self.fit_head = head_learner(self.context)
        self.plain = self.fit_head(train.x, train.y, groups=self.context.groups_of(train))
        said = self.plain.record.get("stopped_early", ())
        self.halves.problems += [Problem("stopped-early", source.name, why) for why in said]
        tried = {m: self.adapted(METHODS.get(m), train.x, train.y) for m in self._candidates()}
        self.before = self._of(self.plain)
        views, best, record = {m: self._of(f) for m, f in tried.items()}, next(iter(tried)), dict[str, Any]()
        if self.method.KIND == "auto":
            best, record = chosen({SOURCE_ONLY: self.before, **views})
            self.method = PROBE if best == SOURCE_ONLY else METHODS.get(best)
            self.run.log("auto", **record)
        fitted = tried.get(best, self.plain)
        self.after = views.get(best, self.before)
        self.choice = {**fitted.record, **record}

    def _candidates(self) -> Sequence[str]:
        """The methods on features that are tried."""
        if self.method.KIND != "auto":
            return [self.meaning.method]
        tried: Sequence[str] = self.method.ON_TEXTS if self.network.spec.modality == "text" else self.method.ON_TARGET
        return tried

    def _of(self, fitted: Fitted) -> Domain:
        """A head's view of both domains."""
        source, target = self.halves.train, self.target
        return Domain(
            Model(self.network, fitted.head, source.target_name, source.target), self.train, self.judged, self.goal,
            self.shown if target.judged is not None else None, self.strange if target.unknown is not None else None,
        )  # fmt: skip

    def adapted(self, method: Any, rows: Any, labels: NDArray[Any]) -> Fitted:
        """What a method on features makes of these rows of the source."""
        if self.network.spec.modality == "table":
            return in_own_units(method, rows, labels, self.goal.x, self._again, seed=self.options.run.seed)
        fitted: Fitted = method.fit_domains(rows, labels, self.goal.x, self._again, seed=self.options.run.seed)
        return fitted

    def _again(self, rows: Any, labels: NDArray[Any], *, record: dict[str, Any] | None = None) -> Fitted:
        """A probe with the choices of the source-only one, where no other record is given."""
        return self.fit_head(rows, labels, record=record or self.plain.record)

    def evaluate(self) -> None:
        """On the source and the target, beside the model of the source alone."""
        with self.watch("controls"):
            self.figures, self.gain = report(self.context, self.method, self.target, self.before, self.after)

    def refit(self) -> None:
        """Both heads learned from the judged items of the source too."""
        train, val = self.train, self.judged
        self.refitted = bool(self.options.evaluation.refit and len(val.y) and not self.networks)
        if not self.refitted:
            return
        x, y = stack_rows([train.x, val.x]), np.concatenate([train.y, val.y])
        if self.after is not self.before:
            self.after.model.head = self.adapted(self.method, x, y).head
        self.before.model.head = self._again(x, y).head

    def save(self) -> None:
        """Both models, the adapted one in ``model/``."""
        split, work = self.halves, self.run.work
        self.seen = share_seen_in_pretraining(self.context, split.val, split.pixels)
        self.seen_in_target = self._seen_in_target()
        self.items = {"train": len(self.train.y) - split.repeated, "val": len(self.before.val.y),
                      "target": len(self.goal.y),
                      "target_judged": 0 if self.before.judged is None else len(self.before.judged.y)}  # fmt: skip
        record = self.record() | {
            "target": self.settings["target"], "trained_on": self.items["train"] + self.refitted * self.items["val"],
            "judged_on": self.items["target_judged" if self.figures["target"] else "val"], "refit": self.refitted,
            "seen": self.seen, "seen_in_target": self.seen_in_target,
        }  # fmt: skip
        known = [self.learned_items(split.train, split.val if self.refitted else None, goal)
                 for goal in (self.target.learn, None)]  # fmt: skip
        artefact.save(self.after.model, work / "model", metrics=self.figures, record=record, learned=known[0])
        artefact.save(self.before.model, work / SOURCE_ONLY,
                      metrics={"target": self.figures["controls"].get(SOURCE_ONLY)},
                      record={**record, "method": SOURCE_ONLY, "gain": None}, learned=known[1])  # fmt: skip

    def _seen_in_target(self) -> float | None:
        """The share of the target's judged pictures whose labels the network's pretraining saw, None where unknown."""
        judged = self.target.judged
        if self.network.seen is None or judged is None:
            return None
        found, _ = facts(judged.items, self.store)
        return share_seen_in_pretraining(self.context, judged.take(found.positions), found.pixels)

    def result(self) -> FitResult:
        """See `regraft.pipelines.result.FitResult`."""
        split = self.halves
        return FitResult(
            run=str(self.path), task=split.train.target.task, method=self.meaning.method, backbone=self.network.name,
            engine=self.context.runner.engine, metrics=self.figures, gain=self.gain, seconds=self.watch.record(),
            cached=self.computed == 0, items=self.items, classes=split.train.classes, split=split.how,
            choice=self.choice, decision=self.after.model.decision, seen=self.seen, seen_in_target=self.seen_in_target,
            seen_in_training=share_seen_in_pretraining(self.context, split.train, split.train_pixels),
            rows={"computed": self.computed}, problems=[asdict(p) for p in split.problems],
            corrections=split.corrections, default=None if self.default is None else asdict(self.default),
        )  # fmt: skip
