"""One data set with one label an item."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.backbones.modules.base import left_undrawn
from regraft.core.arrays import stack_rows
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.items import Items, PictureFiles
from regraft.data.open import name_of
from regraft.data.splits import Split, make_split
from regraft.features.default import Default, default_for
from regraft.features.encoders.table import columns_of
from regraft.features.fusion import adapted, without_int8
from regraft.features.fusion import learned as with_learned_maps
from regraft.features.labelled import LabelledFeatures
from regraft.features.one_pass import one_pass
from regraft.features.runner import Runner
from regraft.methods import METHODS
from regraft.models import artefact
from regraft.models.heads import LinearHead
from regraft.models.learned import Learned as LearnedItems
from regraft.options.fit import FitOptions, Meaning, is_auto
from regraft.options.network import INT8
from regraft.options.run import seconds_of
from regraft.options.training import DEFAULT_BUDGET, TRAINED
from regraft.pipelines.context import FitContext, Kept
from regraft.pipelines.evidence.predictions import write_evidence, write_line
from regraft.pipelines.result import FitResult
from regraft.pipelines.run_folder import RunFolder
from regraft.pipelines.scenarios.base import Scenario
from regraft.pipelines.stages.contamination import learned_from
from regraft.pipelines.stages.evaluate import cross_validate, evaluate, share_seen_in_pretraining
from regraft.pipelines.stages.features import rows_of, tell_how_read
from regraft.pipelines.stages.first_pass import networks_of
from regraft.pipelines.stages.learn import AlreadyTrained, Learned, head_learner, known_items, learn, model_of
from regraft.pipelines.stages.network import started
from regraft.pipelines.stages.outcome import Outcome, answering, judge
from regraft.pipelines.validate import meaning_of, recorded


class Single(Scenario):
    """Frozen features and a head on them, or a trained network, judged on what is held out or by cross-validation."""

    halves: Split
    network: Pretrained
    context: FitContext
    train: LabelledFeatures
    judged: LabelledFeatures
    learned: Learned
    outcomes: list[Outcome]

    def __init__(
        self, opened: Dataset, data: Any, options: FitOptions, network: Pretrained | None = None,
        meaning: Meaning | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options, name_of(data), meaning or meaning_of(options, task=opened.target.task))
        self.opened, self.given = opened, network
        self.method: Any = None
        self.warm: LinearHead | None = None
        self.asked = ""
        self.tried: dict[str, Any] | None = None
        self.others: tuple[Dataset, ...] = ()
        self.computed = 0
        self.made: dict[str, Pretrained] = {}
        self.default: Default | None = None
        self._begun: RunFolder | None = None
        self._may_begin = False

    def split(self) -> None:
        """The part train, and val or a fifth held out; of few items folds."""
        options = self.options
        few = self.meaning.kind == "features" and self.meaning.scenario == "single" and options.evaluation.refit
        self.halves = make_split(
            self.opened, options.data.val, format=options.data.format, hints=options.data.hints(),
            seed=options.run.seed, store=self.store, few=few, cv=options.evaluation.cv, look=self._at_first,
        )  # fmt: skip

    def _at_first(self, data: Dataset, items: NDArray[np.int64]) -> None:
        """`look_at` before the audit; its seconds count for the rows."""
        start = time.perf_counter()
        self.look_at(data, items)
        self.watch.move(time.perf_counter() - start, "audit", "extract")

    def look_at(self, data: Dataset, items: NDArray[np.int64]) -> None:
        """Rows, and what the audit wants, of files of pictures in one pass, where rows are wanted of all of ``items``.

        It may do less, or nothing: later steps compute what they miss.
        """
        calibrates = self.options.network.engine == INT8  # which is done on the training part, not known yet
        if self.meaning.kind == "adapting networks" or calibrates or not isinstance(data.items, PictureFiles):
            return
        some = data.items.take(items)
        networks = networks_of(some, self.options, self.given, self.made)
        if networks:
            if self.meaning.scenario == "single":
                self._check_training(networks[0], data)
            asked = self.options.network
            engines = [e for n in networks for e in Runner(n, asked.engine, self.device).engines(some)]
            self._begin(networks[0])
            self.computed += one_pass(data.items, items, engines, self.store)

    @contextmanager
    def early(self) -> Iterator[None]:
        self._may_begin = True
        try:
            yield
        except BaseException:
            if self._begun is not None:
                self._begun.__exit__(*sys.exc_info())
            raise
        self._may_begin = False

    def _begin(self, network: Pretrained) -> None:
        """The run folder before the first pass, which may take most of the time: what is stopped there is resumed."""
        run = self.options.run
        if self._may_begin and not run.resume:
            self._may_begin = False
            settings = recorded(self.options.changed(backbone=network.name), self.names)
            self._begun = RunFolder(self.path, settings, overwrite=run.overwrite)

    def run_folder(self) -> RunFolder:
        return super().run_folder() if self._begun is None else self._begun.settled(self.settings)

    def load_network(self) -> None:
        """The network that was named, or chosen by the training items, or the one given; with the maps that are learned
        from the items.
        """
        asked = self.options.network
        if is_auto(asked.backbone):
            self.asked = str(asked.backbone)
            with self.watch("search"):
                backbone, self.tried = self._choose(self.halves)
            budget = self.options.training.budget if self.meaning.method == "auto" else None
            self.options = self.options.changed(backbone=backbone, budget=budget)
        network = self.given
        if network is None and asked.init is None:
            if asked.backbone is None:
                self.take_default()
            network = self.made.get(str(self.options.network.backbone))
        if network is None:
            network, self.warm = started(self.halves, str(self.names), self.options.network)
            network = with_learned_maps(network, self.halves.train.items)
        if "random" in self.options.evaluation.controls and (why := left_undrawn(network)):
            self.halves.problems.append(Problem("control-left-out", network.name, why))
        self.network, computed = self._for_engine(network, self.halves)
        self.computed += computed
        self.options = self.options.changed(backbone=network.name)

    def take_default(self, *others: Items) -> None:
        """The network for the training items, and ``others`` that it is to read, where none was named; of methods that
        train, adapt or share one, no counted words.
        """
        one = self.meaning.kind != "features" or self.meaning.scenario != "single"
        weights, train = self.options.network.weights, self.halves.train
        found = default_for(train.items, *others, one=one, weights=weights)
        found.tell()
        self.halves.problems += found.problems(train.name)
        self.default = None if found.backbone == "raw" else found
        self.options = self.options.changed(backbone=found.backbone)

    def _for_engine(self, network: Pretrained, part: Split) -> tuple[Pretrained, int]:
        """The network as the engine runs it, and the forward passes that this cost."""
        if self.options.network.engine != INT8:
            return without_int8(network), 0
        from regraft.pipelines.stages.int8 import quantised  # what proves it is imported where it is asked for

        with self.watch("extract"):
            return quantised(network, part, seed=self.options.run.seed, device=self.device, store=self.store)

    def _choose(self, part: Split) -> tuple[str, dict[str, Any]]:
        from regraft.selection import halving as search

        left = self.watch.left(seconds_of(self.options.training.budget or DEFAULT_BUDGET))
        return search.choose(
            part, self.asked, seed=self.options.run.seed, left=left / (2 if self.meaning.method == "auto" else 1),
            store=self.store, device=self.device, size=self.options.network.size, trains=self.meaning.kind in TRAINED,
        )  # fmt: skip

    def extract(self) -> None:
        """Rows of the training and the judged items."""
        self._check_training(self.network, self.halves.train)
        self.begin()
        split = self.halves
        self.run.log("start", settings=self.settings, split=split.how, columns=split.columns)
        if split.train.roles is not None:
            say(str(split.train.roles))
        judged = f", {len(split.val or ())} to judge on" if split.folds is None else ""
        say(f"{len(split.train)} items to learn from{judged}: {split.how}")
        if proof := self.network.provenance.get("int8"):
            self.run.log("calibrated", **proof)
        tell_how_read(self.context, split.train, split.val)
        self.train, computed = rows_of(self.context, split.train)
        self.judged, more = rows_of(self.context, split.val)
        self.computed += computed + more
        self.run.log("extracted", rows=len(self.train.y) + len(self.judged.y), computed=self.computed)

    def _check_training(self, network: Pretrained, data: Dataset) -> None:
        """Raises ``InputError`` where the method trains and cannot train this, before features are computed."""
        if self.meaning.kind == "training":
            from regraft.training.requirements import trainees  # what trains is imported where something does

            trainees(network, data, self.options)

    def begin(self) -> None:
        """What the stages need of this fit."""
        runner = Runner(self.network, self.options.network.engine, self.device)
        tried = self.run.kept("search", self.tried)
        self.context = FitContext(self.run, self.options, str(self.names), self.halves, self.network, self.warm, runner,
                                  self.store, self.watch, tried, kept=Kept(self.made), others=self.others)  # fmt: skip
        self.method = self.method or METHODS.get(self.meaning.method)
        split = self.halves
        if tried is not None and split.folds is not None:
            # every fold searches anew, so once is enough
            self.asked, split.folds, self.context.choose = tried["asked"], split.folds[:1], self._chosen_by

    def _chosen_by(self, part: Split) -> Pretrained:
        """The network that a part of the training items would choose."""
        network = self.options.changed(backbone=self._choose(part)[0], init=None, weights=None).network
        return self._for_engine(started(part, str(self.names), network)[0], part)[0]

    def learn(self) -> None:
        """A head, or a trained network; and what the training items look like to it."""
        context, train, problems = self.context, self.train, self.halves.problems
        self.learned = learn(context, self.method, train)
        model, choice = self.learned.model, self.learned.choice
        problems += [Problem("stopped-early", self.halves.train.name, why) for why in choice.get("stopped_early", ())]
        event = "fitted" if self.learned.probe is None else "trained"
        self.run.log(event, **choice, decision=model.decision)
        self.choice = choice | ({"search": context.search} if context.search else {})
        self.trains = adapted(model.network)
        if self.options.evaluation.outliers:
            model.familiar, problem = known_items(context, self.learned, train)
            problems += [problem] if problem else []

    def evaluate(self) -> None:
        """Beside no features, raw input, the untrained network, and of a trained one the probe."""
        split, model = self.halves, self.learned.model
        rounds: list[Outcome] = []
        if split.folds is not None:
            rounds = cross_validate(self.context, self.method, self.train, split.folds)
        elif split.val is not None and len(self.judged.y):
            rounds = [evaluate(self.context, self.learned, self.train, self.judged, self._alone())]
        self.figures: dict[str, Any] = {"val": None, "controls": {}}
        self.gain = self.gain_over_probe = self.seen = None
        on = split.val if split.folds is None else split.train
        if rounds and on is not None:
            self.figures, self.gain, self.gain_over_probe = judge(model, rounds, split, self.options.run.seed)
            self.judged = rounds[0].rows if split.folds is not None else self.judged
            pixels = split.pixels if split.folds is None else split.train_pixels
            self.seen = share_seen_in_pretraining(self.context, on, pixels)
            self.run.log("judged", val=self.figures["val"], gain=self.gain, gain_over_probe=self.gain_over_probe)
            self._show(rounds[0], on)
        self.computed += sum(r.computed for r in rounds)
        self.outcomes = rounds

    def _alone(self) -> Any:
        """The same network trained for this task alone, as a control."""
        if not isinstance(self.method, AlreadyTrained) or self.method.alone is None:
            return None
        alone = self.method.alone
        model = model_of(self.context, alone)
        model.decision, _ = model.decided(alone.logits, self.train.y if alone.logits is None else alone.labels)
        return model

    def _show(self, first: Outcome, on: Dataset) -> None:
        """The files that a person looks at."""
        model = self.learned.model
        shown = answering(model, first.answers, first.carries)
        groups = self.halves.groups_judged(first.rows.items)
        why = self._why(on) if self.halves.folds is None else None  # of folds nobody keeps the models
        write_evidence(self.run.work, on, first.rows, shown, first.probabilities, groups, why)
        names = columns_of(model.network)
        if self.context.numbers and names and len(names) == 1 and self.learned.probe is None:
            rest = self.judged if self.halves.folds is None else self.train.at(np.zeros(0, np.int64))
            write_line(self.run.work, names, self.halves.train.target_name, self.train, rest, model)

    def _why(self, on: Dataset) -> Any:
        """What maps of pictures are made by, where one or two passes make one; else None."""
        if on.modality != "image" or self.learned.model.several:
            return None
        from regraft.explanation.pictures import MapMaker
        from regraft.inference.predictor import Predictor

        context = self.context
        maker = MapMaker(Predictor(self.learned.model, {"record": {}}, runner=context.runner))
        return None if maker.method == "occlusion" else maker

    def refit(self) -> None:
        """A head learned from the judged items too; what a cross-validation judged has learned from all."""
        held_out = len(self.judged.y) and self.halves.folds is None
        self.refitted = bool(self.options.evaluation.refit and held_out and not self.trains)
        if self.refitted:
            x = stack_rows([self.train.x, self.judged.x])
            y = np.concatenate([self.train.y, self.judged.y])
            fitted = head_learner(self.context, self.method)(x, y, record=self.choice)
            self.learned.model.head, self.choice = fitted.head, fitted.record

    def save(self) -> None:
        """The model with its figures and a record of what it is."""
        split, learned_on = self.halves, len(self.train.y) + self.refitted * len(self.judged.y)
        record = self.record() | {
            "trained_on": learned_on, "judged_on": len(self.judged.y), "refit": self.refitted, "seen": self.seen,
            "cross_validation": split.cross_validation,
        }  # fmt: skip
        artefact.save(self.learned.model, self.run.work / "model", metrics=self.figures, record=record,
                      learned=self.learned_items(split.train, split.val if self.refitted else None))  # fmt: skip

    def record(self) -> dict[str, Any]:
        """What the artefact says of the run that made it."""
        return {"name": self.path.name, "data": self.names, "method": self.options.training.method,
                "settings": self.settings, "choice": self.choice, "columns": self.halves.columns,
                "gain": self.gain}  # fmt: skip

    def learned_items(self, *data: Dataset | None) -> LearnedItems | None:
        """The items that went into the model, None where not all are known."""
        return learned_from(*data, *self.others, network=self.network, init=self.options.network.init, store=self.store)

    def result(self) -> FitResult:
        """See `regraft.pipelines.result.FitResult`."""
        split = self.halves
        return FitResult(
            run=str(self.path), task=split.train.target.task, method=str(self.options.training.method),
            backbone=self.network.name, engine=self.context.runner.engine, metrics=self.figures, gain=self.gain,
            gain_over_probe=self.gain_over_probe, seconds=self.watch.record(), cached=self.computed == 0,
            items={"train": len(self.train.y), "val": len(self.judged.y)}, classes=split.train.classes,
            split=split.how, choice=self.choice, decision=self.learned.model.decision, seen=self.seen,
            seen_in_training=share_seen_in_pretraining(self.context, split.train, split.train_pixels),
            rows={"computed": self.computed}, problems=[asdict(p) for p in split.problems], columns=split.columns,
            cross_validation=split.cross_validation, corrections=split.corrections,
            default=None if self.default is None else asdict(self.default),
        )  # fmt: skip
