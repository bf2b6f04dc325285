"""One fit, after everything was found: rows, a model, its figures, an artefact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.arrays import stack_rows, subsample
from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, say, track
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.splits import Split, part_of_split
from regraft.features.encoders.table import columns_of
from regraft.features.fusion import learned, learns, parts_of
from regraft.features.labelled import LabelledFeatures, adapted_rows
from regraft.features.runner import Runner
from regraft.methods.base import Fitted
from regraft.methods.probes import linear_probe as PROBE
from regraft.models import artefact
from regraft.models.heads import LinearHead
from regraft.models.learned import Learned
from regraft.models.model import Model
from regraft.models.outliers import OutlierDetector
from regraft.options.run import seconds_of
from regraft.pipelines import run_folder as runfolder
from regraft.pipelines.evidence.predictions import write_evidence, write_line
from regraft.pipelines.result import FitResult
from regraft.pipelines.stages.contamination import learned_from
from regraft.pipelines.stages.controls import Control, ControlKit, Kept, run_controls
from regraft.pipelines.stages.fusion_ablation import part_outputs
from regraft.pipelines.stages.learn import AlreadyTrained
from regraft.pipelines.stages.outcome import Outcome, answering, judge, together
from regraft.pipelines.stages.outliers import fit_outlier_detector, unlike_figures
from regraft.selection.method import DEFAULT_BUDGET, auto
from regraft.tasks import Wanted
from regraft.tasks.uncertainty import uncertainty
from regraft.training.trainer import Initialization, TrainedNetwork, adapt
from regraft.training.validation import promised

KNOWN = 2000
"""Of how many items a trained network's features are computed anew, to know what training items look like."""


@dataclass
class FitContext:
    """One run, after everything was found and before anything is computed."""

    run: runfolder.RunFolder
    settings: dict[str, Any]
    split: Split
    network: Pretrained
    warm: LinearHead | None
    runner: Runner
    store: RowStore
    watch: Stopwatch
    search: dict[str, Any] | None = None
    choose: Callable[[Split], Pretrained] | None = None
    """Chooses the network by a part of the training items, where it was not named."""
    kept: Kept = field(default_factory=Kept)
    others: tuple[Dataset, ...] = ()
    """What the network has learned from beside the training part: the items of other tasks."""

    @property
    def numbers(self) -> bool:
        return self.split.train.target.task == "regression"

    def result(self, method: Any) -> FitResult:
        """Features, a model, its figures beside those of controls, and the artefact in the run folder."""
        run, split, watch, seed = self.run, self.split, self.watch, self.settings["seed"]
        run.log("start", settings=self.settings, split=split.how, columns=split.columns)
        if split.train.roles is not None:
            say(str(split.train.roles))
        if split.folds is None:
            say(f"{len(split.train)} items to learn from, {len(split.val or ())} to judge on: {split.how}")
        else:
            say(f"{len(split.train)} items to learn from: {split.how}")
        with watch("extract"):
            train, computed = self.rows(split.train)
            judged, more = self.rows(split.val)
        run.log("extracted", rows=len(train.y) + len(judged.y), computed=computed + more)

        with watch("fit"):
            model, choice, probe = self.learned(method, train)
        said = split.problems
        for why in choice.get("stopped_early", ()):
            said.append(Problem("stopped-early", split.train.name, why))
        run.log("trained" if probe is not None else "fitted", **choice, decision=model.decision)
        if self.search:
            choice = choice | {"search": self.search}
        trained = "adapted_by" in model.network.provenance
        if self.settings["outliers"]:
            model.familiar, problem = self.familiar(model, train, probe)
            said += [problem] if problem else []
        rounds: list[Outcome] = []
        if split.folds is not None:
            with watch("judge"):
                rounds = self.cross_validated(method, train, split.folds)
        elif split.val is not None and len(judged.y):
            single = None
            if isinstance(method, AlreadyTrained) and method.alone is not None:
                alone = method.alone
                single = self.model_of(alone)
                single.decision, _ = single.decided(alone.logits, train.y if alone.logits is None else alone.labels)
            rounds = [self.outcome(model, train, judged, probe, single)]
        figures: dict[str, Any] = {"val": None, "controls": {}}
        over_best = over_probe = seen = None
        on = split.val if split.folds is None else split.train
        if rounds and on is not None:
            figures, over_best, over_probe = judge(model, rounds, split, seed)
            judged = rounds[0].rows if split.folds is not None else judged
            seen = self.seen(on, split.pixels if split.folds is None else split.train_pixels)
            run.log("judged", val=figures["val"], gain=over_best, gain_over_probe=over_probe)
            first, shown = rounds[0], answering(model, rounds[0].answers, rounds[0].carries)
            write_evidence(run.work, on, first.rows, shown, first.probabilities)
            names = columns_of(model.network)
            if self.numbers and names and len(names) == 1 and probe is None:
                rest = judged if split.folds is None else train.at(np.zeros(0, np.int64))
                write_line(run.work, names, split.train.target_name, train, rest, model)

        refit = bool(self.settings["refit"] and len(judged.y) and not trained and split.folds is None)
        if refit:
            x, y = stack_rows([train.x, judged.x]), np.concatenate([train.y, judged.y])
            with watch("fit"):
                fitted = self.learn(method)(x, y, record=choice)
                model.head, choice = fitted.head, fitted.record
        record = {
            "name": run.path.name, "data": self.settings["data"], "method": self.settings["method"],
            "settings": self.settings, "choice": choice, "trained_on": len(train.y) + refit * len(judged.y),
            "judged_on": len(judged.y), "refit": refit, "seen": seen, "columns": split.columns,
            "cross_validation": split.cross_validation,
            "gain": over_best,
        }  # fmt: skip
        artefact.save(model, run.work / "model", metrics=figures, record=record,
                      learned=self.learned_from(split.train, split.val if refit else None))  # fmt: skip
        computed += more + sum(r.computed for r in rounds)
        return FitResult(
            run=str(run.path), task=split.train.target.task, method=self.settings["method"],
            backbone=self.network.name, engine=self.runner.engine, metrics=figures, gain=over_best,
            gain_over_probe=over_probe, seconds=watch.record(),
            cached=computed == 0, items={"train": len(train.y), "val": len(judged.y)},
            classes=split.train.classes, split=split.how, choice=choice, decision=model.decision, seen=seen,
            seen_in_training=self.seen(split.train, split.train_pixels),
            rows={"computed": computed}, problems=[asdict(p) for p in split.problems], columns=split.columns,
            cross_validation=split.cross_validation,
        )  # fmt: skip

    def learned_from(self, *data: Dataset | None) -> Learned | None:
        """See `regraft.pipelines.stages.contamination.learned_from`."""
        return learned_from(*data, *self.others, network=self.network, settings=self.settings, store=self.store)

    def learn(self, method: Any, *, own: bool = True) -> Callable[..., Any]:
        """The method's way from features and labels to a head, that of the linear probe where it trains a network;
        with what is known of this network's columns, or without for others' (``own``).
        """
        learn = partial(
            (PROBE if method is None or method.KIND != "features" else method).fit_features,
            target=self.split.train.target,
            seed=self.settings["seed"],
            class_weight=self.settings["class_weight"],
            **({k: self.settings[k] for k in ("alpha", "quantiles")} if self.numbers else {}),
        )
        if not own:
            return learn
        return partial(learn, own_units=self.network.spec.modality == "table",
                       blocks=[p.width for p in parts_of(self.network)],
                       **({"names": columns_of(self.network)} if self.numbers else {}))  # fmt: skip

    def groups_of(self, rows: LabelledFeatures) -> NDArray[Any] | None:
        """(n,) what no choice by these training rows may tear."""
        return None if self.split.groups is None else self.split.groups[rows.items]

    def cross_validated(self, method: Any, all_rows: LabelledFeatures, folds: NDArray[np.int64]) -> list[Outcome]:
        """An outcome a round: every item judged by a model that had not seen it, with each choice made without it."""
        split = replace(self.split, val=self.split.train, val_groups=self.split.groups, folds=None, copied=None)
        number, rounds = folds[:, all_rows.items], list[Outcome]()
        count = int((number.max(1) + 1).sum())
        steps = iter(track(range(count), "cross-validation", count))
        kept = Kept()
        for i, fold in enumerate(number):
            found = []
            for f in range(int(fold.max()) + 1):
                next(steps, None)
                train, judged = (all_rows.at(np.flatnonzero(some)) for some in (fold != f, fold == f))
                if not len(judged.y):
                    continue
                settings = self.settings | {"outliers": self.settings["outliers"] and i == 0}
                one = replace(self, split=replace(split, problems=[]), settings=settings, kept=kept)
                found.append(one.fold(method, train, judged))
            rounds.append(together(found))
        next(steps, None)
        more = sum(r.computed for r in kept.rows.values())
        return [replace(rounds[0], computed=rounds[0].computed + more), *rounds[1:]]

    def fold(self, method: Any, train: LabelledFeatures, judged: LabelledFeatures) -> Outcome:
        """What is found from ``train`` alone, on the items ``judged``, both among the training items."""
        shown = judged
        if self.choose is not None:
            self.network = self.choose(part_of_split(self.split, train.items))
        if learns(self.network) or self.choose is not None:
            self.network = learned(self.network, self.split.train.items.take(train.items))
            self.runner = Runner(self.network, self.settings["engine"], self.runner.device)
            parts = []
            for rows in (train, judged):
                own = self.runner.stored(self.split.train.items.take(rows.items), self.store)
                parts.append(LabelledFeatures(own.rows, rows.y[own.positions], rows.items[own.positions]))
            train, judged = parts
        model, _, _ = self.learned(method, train)
        if self.settings["outliers"]:
            model.familiar, _ = self.familiar(model, train, None)
        found = self.outcome(model, train, judged, None)
        # each fold may have features of its own; those of the whole model are what can be shown together
        return replace(found, rows=shown.at(np.searchsorted(shown.items, found.rows.items)))

    def learned(self, method: Any, train: LabelledFeatures) -> tuple[Model, dict[str, Any], Model | None]:
        """The model, a record of how it was chosen, and for a trained method the probe it has to beat."""
        name, target, groups = self.split.train.target_name, self.split.train.target, self.groups_of(train)
        learn = partial(self.learn(method), groups=groups)
        fitted = learn(train.x, train.y)
        probe = Model(self.network, fitted.head, name, target)
        if method.KIND == "features":
            return self.closed_form(probe, fitted, train), fitted.record, None
        told = train.y if fitted.rows is None else train.y[fitted.rows]
        probe.decision, _ = probe.decided(fitted.logits, told)
        start = Initialization(self.network, fitted.head, fitted.record, self.warm)
        kit: Any = {"groups": groups, "folder": self.run.work, "device": self.runner.device, "store": self.store}
        tried: dict[str, Any] = {}
        adapted: TrainedNetwork | None
        if isinstance(method, AlreadyTrained):
            adapted = method.adapted
        elif method.KIND == "training":
            adapted = adapt(method, start, self.split.train, train, self.settings, **kit)
        else:
            left = self.watch.left(seconds_of(self.settings["budget"] or DEFAULT_BUDGET))
            adapted, steps = auto(start, self.split.train, train, self.settings, learn=learn, left=left, **kit)
            tried = {"auto": steps}
            self.run.log("auto", **tried)
        if adapted is None:
            return self.closed_form(probe, fitted, train), fitted.record | tried, None
        model = self.model_of(adapted)
        held = None if groups is None else groups[adapted.positions]
        model.decision = self.decision(model, adapted.logits, adapted.labels if len(adapted.labels) else train.y, held)
        if adapted.logits is None and fitted.logits is not None and self.numbers:
            # with few items the probe's errors are the only ones known; they carry no interval of another model
            model.decision |= uncertainty(fitted.logits, train.y) | {"sigma_by": f"{len(train.y)} items, by the probe"}
        if adapted.chose and promised(self.settings) is not None and adapted.logits is not None:
            text = "no group can be spared to find by what is promised: items that chose the epoch do it"
            self.split.problems.append(Problem("promised-by-known-items", self.split.train.name, text))
        return model, adapted.record | tried, probe

    def model_of(self, adapted: TrainedNetwork) -> Model:
        """A trained network as a model of the data's target."""
        target = self.split.train
        return Model(adapted.network, adapted.head, target.target_name, target.target)

    def familiar(
        self, model: Model, train: LabelledFeatures, probe: Model | None
    ) -> tuple[OutlierDetector | None, Problem | None]:
        """What the training items look like to the model, in the features of its own network."""
        split = self.split
        if probe is not None and split.train.modality != "table":  # the features are the trained network's
            some = subsample(len(train.y), KNOWN)
            train = self.recompute_features(model, split.train, train.at(some))
        return fit_outlier_detector(split.train, train, self.groups_of(train), self.settings["seed"])

    def recompute_features(self, model: Model, data: Dataset, rows: LabelledFeatures) -> LabelledFeatures:
        """The same items in the features of a trained network."""
        x = adapted_rows(model.network, data, rows, self.settings["engine"], self.runner.device)
        return LabelledFeatures(x, rows.y, rows.items)

    def closed_form(self, probe: Model, fitted: Fitted, train: LabelledFeatures) -> Model:
        """The probe as the model of the run."""
        rows = np.arange(len(train.y)) if fitted.rows is None else fitted.rows
        groups = self.groups_of(train)
        probe.decision = self.decision(probe, fitted.logits, train.y[rows], None if groups is None else groups[rows])
        if "interval" in probe.decision:
            probe.folds = fitted.folds
            probe.decision["interval"]["by"] = "CV+, by heads that had not seen some of the items each"
        return probe

    def seen(self, data: Dataset | None, pixels: NDArray[np.uint64] | None) -> float | None:
        """The share of pictures whose labels the network's pretraining saw, None where that is not known."""
        known = self.network.seen
        if known is None or pixels is None or data is None:
            return None
        held = np.flatnonzero(np.isin(pixels, known))
        if len(held):
            first = data.items.name(int(held[0])) + (f" and {len(held) - 1} more" if len(held) > 1 else "")
            text = f"the pretraining of {self.network.name} saw it with its label ({len(held)} of {len(data)})"
            said = Problem("seen-in-pretraining", first, text)
            self.split.problems += [] if said in self.split.problems else [said]
        return len(held) / max(len(data), 1)

    def outcome(
        self,
        model: Model,
        train: LabelledFeatures,
        judged: LabelledFeatures,
        probe: Model | None,
        single: Model | None = None,
    ) -> Outcome:
        """What the model, the controls, the ``probe`` it has to beat, the network trained for this task alone
        (``single``) and the parts of a fusion say of the ``judged`` items.
        """
        split = self.split
        assert split.val is not None
        rows = judged if probe is None else self.recompute_features(model, split.val, judged)
        probabilities = model.probabilities(rows.x)
        with self.watch("controls"):
            kit = ControlKit(split, train, judged, partial(self.learn(None, own=False), groups=self.groups_of(train)),
                             self.settings["engine"], self.runner.device, self.store, self.settings["size"],
                             self.kept)  # fmt: skip
            tried = run_controls(self.settings["controls"], self.network, kit)
            if probe is not None:
                tried.append(Control("linear-probe", probe.probabilities(judged.x), probe.decision))
            if single is not None:
                said = single.probabilities(self.recompute_features(single, split.val, judged).x)
                tried.append(Control("alone", said, single.decision))
        strangers = None
        if model.familiar is not None:
            names = [split.val.items.name(int(i)) for i in judged.items]
            strangers = unlike_figures(model.familiar, rows.x, names)
            if probe is not None:  # the network has learned from these: how much further out others lie, nobody knows
                strangers["expected"] = None
        return Outcome(rows, probabilities, model.decision, model.folds is not None, tried, part_outputs(model, kit),
                       strangers, sum(c.computed for c in tried))  # fmt: skip

    def decision(
        self, model: Model, outputs: NDArray[Any] | None, truth: NDArray[Any], groups: NDArray[Any] | None
    ) -> dict[str, Any]:
        """How outputs become answers; what a person should know of it is listed."""
        wanted = Wanted(*(self.settings[name] for name in ("accuracy", "interval", "quantiles")))
        found, problem = model.decided(outputs, truth, wanted, self.split.train.name, groups)
        self.split.problems += [problem] if problem else []
        return found

    def rows(self, data: Dataset | None) -> tuple[LabelledFeatures, int]:
        """The rows of one part and the forward passes they cost; what cannot be read is listed and left out."""
        if data is None or not len(data):
            nothing = np.zeros(0, np.int64)
            return LabelledFeatures(np.zeros((0, self.network.width), np.float32), nothing, nothing), 0
        found = self.runner.stored(data.items, self.store)
        for i, why in sorted(found.failed.items()):
            self.split.problems.append(Problem("unreadable", data.items.name(i), why + "; it is set aside"))
            say(f"set aside: {data.items.name(i)}: {why}")
        if not len(found.positions):
            raise DataError(f"None of the {len(data)} items of {data.name} can be read.")
        return LabelledFeatures(found.rows, data.y[found.positions], found.positions), found.computed
