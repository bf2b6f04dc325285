"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from regraft.backbones.base import Pretrained
from regraft.core.border import written_by_regraft
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device, say, set_threads
from regraft.data.dataset import Dataset
from regraft.data.open import name_of, open_data
from regraft.data.splits import Split, make_split
from regraft.features.fusion import learned
from regraft.features.runner import Runner
from regraft.methods import METHODS
from regraft.models.heads import LinearHead
from regraft.options.fit import FitOptions, Meaning, is_auto
from regraft.options.run import seconds_of
from regraft.options.training import TRAINED
from regraft.pipelines import run_folder as runfolder
from regraft.pipelines.context import FitContext
from regraft.pipelines.result import DetectionResult, FitResult
from regraft.pipelines.scenarios.adaptation import train_target
from regraft.pipelines.scenarios.adaptation_report import fit_target
from regraft.pipelines.scenarios.boxes import detect
from regraft.pipelines.scenarios.multi_domain import fit_joint
from regraft.pipelines.scenarios.target_domain import learn_from, open_target
from regraft.pipelines.stages.network import started
from regraft.pipelines.validate import check, meaning_of, recorded
from regraft.selection import halving as search
from regraft.selection.method import DEFAULT_BUDGET


def fit(data: Any, *, network: Pretrained | None = None, **given: Any) -> FitResult | DetectionResult:
    """Learns from the part train, judges on val (or a held-out fifth), then refits on both and saves.

    ``given`` are the options of `regraft.options.fit.FitOptions`, by name. Where a fifth would be fewer than 60 items,
    or with ``cv`` folds, a method on features is cross-validated instead. ``data`` is a path, ``embedded:NAME``, a
    DataFrame or a `Dataset`; pictures with boxes go to `detect`; several data in a list are for the method ``joint``.
    ``method`` is by default linear-probe, for detectors finetune. ``accuracy`` asks for a confidence below which the
    model leaves an item to a person, so that the rest reaches that accuracy. Where the label is a number, ``alpha`` is
    the strength of the ridge (by default that of most evidence, 0 for none), ``interval`` the level of intervals around
    predictions, ``quantiles`` those to predict beside the mean. ``target`` is data of another domain to adapt to, whose
    labels, if it has any, only serve to report, but for ``target_labels`` of them; ``mapping`` renames its classes
    (``kitten=cat``). ``text``, ``image``, ``features``, ``part`` and ``group`` say what the columns of a table are,
    ``drop`` names those that are not looked at. ``network`` takes the place of what ``backbone`` names, with all it has
    learned; not for boxes and several data. ``outliers`` lets the model flag what is unlike the training data. Writes a
    run folder: ``model/`` (the artefact), ``run.json``, ``log.jsonl``, ``predictions.csv``. Raises ``InputError`` and
    its kinds, see `regraft.core.errors`.
    """
    options = FitOptions.of(**given)
    if isinstance(data, list | tuple):
        return _domains(list(data), options, network)
    opened = open_data(data, format=options.data.format, hints=options.data.hints())
    settings = recorded(options, name_of(data))
    if opened.target.task == "detection":
        if network is not None:
            raise InputError("network= is not for boxes; a detector starts from --detector, --backbone or --init.")
        return detect(opened, options, settings)
    _no_detector(options, f"{opened.name} is for {opened.target.task}")
    meaning = meaning_of(options, task=opened.target.task)
    check(options, meaning)
    one = _Fit(options, meaning, settings | {"method": meaning.method})
    if (done := one.finished()) is not None:
        return done
    one.split_data(opened)
    one.search_network()
    one.load_network(named=network)
    return one.learn_and_save()


def _domains(data: list[Any], options: FitOptions, network: Pretrained | None) -> FitResult:
    """Several data: domains of one task."""
    if network is not None:
        raise InputError("network= is for one data set; several data start from what --backbone or --init names.")
    _no_detector(options, "several data")
    meaning = meaning_of(options, several=True)
    check(options, meaning)
    settings = recorded(options, [name_of(d) for d in data]) | {"method": meaning.method}
    set_threads(options.network.threads)
    found = fit_joint(data, options.data.val, settings, overwrite=options.run.overwrite, resume=options.run.resume)
    return _result(found)


def _no_detector(options: FitOptions, what: str) -> None:
    if options.network.detector is not None:
        raise InputError(f"--detector {options.network.detector} is for pictures with boxes; {what}.")


def _result(found: dict[str, Any]) -> FitResult:
    return FitResult(**{**found, "classes": tuple(found["classes"])})


class _Fit:
    """One fit of one data set, step by step; ``settings`` become what its run records."""

    split: Split
    network: Pretrained

    def __init__(self, options: FitOptions, meaning: Meaning, settings: dict[str, Any]) -> None:
        self.options, self.meaning, self.settings = options, meaning, settings
        self.path = runfolder.folder_for(options.run.out, settings["data"], meaning.method, options.run.resume)
        self.watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
        self.asked: str | None = settings["backbone"]
        self.tried: dict[str, Any] | None = None
        self.warm: LinearHead | None = None

    def finished(self) -> FitResult | None:
        """The result of the run that is to be resumed, where it was done already."""
        if not self.options.run.resume:
            return None
        if is_auto(self.asked):
            self.settings |= runfolder.remembered(self.path)
            self.asked = self.settings["backbone"]
        done = runfolder.finished(self.path, self.settings)
        if not done:
            return None
        say(f"{self.path} is already finished")
        with written_by_regraft(self.path):
            return _result(done)

    def split_data(self, opened: Dataset) -> None:
        """What to learn from and what to judge on."""
        options = self.options
        set_threads(options.network.threads)
        self.device, self.store = resolve_device(options.network.device), RowStore()
        few = self.meaning.kind == "features" and options.scenario.target is None and options.evaluation.refit
        with self.watch("audit"):
            self.split = make_split(
                opened, options.data.val, format=options.data.format, hints=options.data.hints(), seed=options.run.seed,
                store=self.store, few=few, cv=options.evaluation.cv,
            )  # fmt: skip

    def search_network(self) -> None:
        """``--backbone auto``: the network that suits the training items."""
        if self.asked is None or not is_auto(self.asked):
            return
        with self.watch("search"):
            self.settings["backbone"], self.tried = self._choose(self.split, self.asked)
        self.settings["budget"] = self.options.training.budget if self.meaning.method == "auto" else None

    def _choose(self, part: Split, asked: str) -> tuple[str, dict[str, Any]]:
        left = self.watch.left(seconds_of(self.options.training.budget or DEFAULT_BUDGET))
        return search.choose(
            part, asked, seed=self.options.run.seed, left=left / (2 if self.meaning.method == "auto" else 1),
            store=self.store, device=self.device, size=self.options.network.size, trains=self.meaning.kind in TRAINED,
        )  # fmt: skip

    def load_network(self, named: Pretrained | None) -> None:
        """The network that was named or chosen, or the one given; with the maps that are learned from the items."""
        told = self.options.network
        with self.watch("prepare"):
            if named is None:
                named, self.warm = started(self.split, self.settings["data"], told.init, self.settings["backbone"],
                                           told.weights, told.size)  # fmt: skip
                named = learned(named, self.split.train.items)
            self.network, self.runner = named, Runner(named, told.engine, self.device)
        self.settings |= {"backbone": named.name}

    def learn_and_save(self) -> FitResult:
        """Features, a model, its figures, the run folder."""
        run_options = self.options.run
        with runfolder.RunFolder(
            self.path, self.settings, overwrite=run_options.overwrite, resume=run_options.resume
        ) as run:
            found = run.kept("search", self.tried)
            context = FitContext(run, self.settings, self.split, self.network, self.warm, self.runner, self.store,
                                 self.watch, found)  # fmt: skip
            if found is not None and self.split.folds is not None:
                # every fold searches anew, so once is enough
                self.asked, self.split.folds, context.choose = found["asked"], self.split.folds[:1], self._chosen_by
            method = METHODS.get(self.meaning.method)
            result = context.result(method) if self.options.scenario.target is None else self._adapted(context, method)
            run.finish(asdict(result))
        return result

    def _chosen_by(self, part: Split) -> Pretrained:
        """The network that a part of the training items would choose."""
        name, _ = self._choose(part, self.asked or "auto")
        return started(part, self.settings["data"], None, name, None, self.options.network.size)[0]

    def _adapted(self, context: FitContext, method: Any) -> FitResult:
        """The model brought to another domain."""
        options, train = self.options, self.split.train
        hints = options.data.hints(task=options.data.task or train.target.task, kept=train.roles, lenient=True)
        goal = open_target(options.scenario.target, train, self.split.val, mapping=options.scenario.mapping,
                           hints=hints, labels=options.scenario.target_labels, seed=options.run.seed)  # fmt: skip
        if goal.labelled is not None:
            learn_from(self.split, goal.labelled)
        return _result((train_target if method.KIND == "adapting networks" else fit_target)(context, method, goal))
