"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from regraft.backbones.base import Pretrained
from regraft.core.border import written_by_regraft
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device, say, set_threads
from regraft.data.open import name_of, open_data
from regraft.data.splits import Split, make_split
from regraft.features.fusion import learned
from regraft.features.runner import Runner
from regraft.methods import METHODS
from regraft.options.fit import FitOptions, is_auto
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

    ``given`` are the options of `regraft.options.fit.FitOptions`, by name.

    Where a fifth would be fewer than 60 items, or with ``cv`` folds, a method on features is cross-validated instead.
    ``data`` is a path, ``embedded:NAME``, a DataFrame or a `Dataset`; pictures with boxes go to `detect`; several data
    in a list are for the method ``joint``. ``method`` is by default linear-probe, for detectors finetune. ``accuracy``
    asks for a confidence below which the model leaves an item to a person, so that the rest reaches that accuracy.
    Where the label is a number, ``alpha`` is the strength of the ridge (by default that of most evidence, 0 for none),
    ``interval`` the level of intervals around predictions, ``quantiles`` those to predict beside the mean. ``target``
    is data of another domain to adapt to, whose labels, if it has any, only serve to report, but for ``target_labels``
    of them; ``mapping`` renames its classes (``kitten=cat``). ``text``, ``image``, ``features``, ``part`` and ``group``
    say what the columns of a table are, ``drop`` names those that are not looked at.
    ``network`` takes the place of what ``backbone`` names, with all it has learned; not for boxes and several data.
    ``outliers`` lets the model flag what is unlike the training data. Writes a run folder: ``model/`` (the artefact),
    ``run.json``, ``log.jsonl``, ``predictions.csv``. Raises ``InputError`` and its kinds, see `regraft.core.errors`.
    """
    options = FitOptions.of(**given)
    overwrite, resume = options.run.overwrite, options.run.resume
    val, target, out = options.data.val, options.scenario.target, options.run.out
    several = isinstance(data, list | tuple)
    settings = recorded(options, [name_of(d) for d in data] if several else name_of(data))
    hints = options.data.hints()
    opened = None
    if several and network is not None:
        raise InputError("network= is for one data set; several data start from what --backbone or --init names.")
    if not several:
        opened = open_data(data, format=options.data.format, hints=hints)
        if opened.target.task == "detection":
            if network is not None:
                raise InputError("network= is not for boxes; a detector starts from --detector, --backbone or --init.")
            return detect(opened, options, settings)
    if options.network.detector is not None:
        what = "several data" if opened is None else f"{opened.name} is for {opened.target.task}"
        raise InputError(f"--detector {options.network.detector} is for pictures with boxes; {what}.")
    meaning = meaning_of(options, several=several, task=None if opened is None else opened.target.task)
    method = settings["method"] = meaning.method
    check(options, meaning)
    if opened is None:
        set_threads(options.network.threads)
        joined = fit_joint(list(data), val, settings, overwrite=overwrite, resume=resume)
        return FitResult(**{**joined, "classes": tuple(joined["classes"])})
    path = runfolder.folder_for(out, settings["data"], method, resume)
    watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
    if resume and is_auto(options.network.backbone):
        settings |= runfolder.remembered(path)
    if resume and (done := runfolder.finished(path, settings)):
        say(f"{path} is already finished")
        with written_by_regraft(path):
            return FitResult(**{**done, "classes": tuple(done["classes"])})

    set_threads(options.network.threads)
    where, seed = resolve_device(options.network.device), options.run.seed
    size, budget = options.network.size, options.training.budget
    store = RowStore()
    with watch("audit"):
        few = meaning.kind == "features" and target is None and options.evaluation.refit
        split = make_split(opened, val, format=options.data.format, hints=hints, seed=seed, store=store, few=few,
                           cv=options.evaluation.cv)  # fmt: skip

    def choose(part: Split, asked: str) -> tuple[str, dict[str, Any]]:
        spare = watch.left(seconds_of(budget or DEFAULT_BUDGET)) / (2 if method == "auto" else 1)
        return search.choose(
            part, asked, seed=seed, left=spare, store=store, device=where, size=size,
            trains=meaning.kind in TRAINED,
        )  # fmt: skip

    def chosen_by(part: Split) -> Pretrained:
        return started(part, settings["data"], None, choose(part, asked)[0], None, size)[0]

    tried, asked = None, settings["backbone"]
    if is_auto(asked):
        with watch("search"):
            settings["backbone"], tried = choose(split, asked)
        settings["budget"] = budget if method == "auto" else None
    with watch("prepare"):
        warm = None
        if network is None:
            network, warm = started(split, settings["data"], options.network.init, settings["backbone"],
                                    options.network.weights, size)  # fmt: skip
            network = learned(network, split.train.items)
        runner = Runner(network, options.network.engine, where)
    settings |= {"backbone": network.name}
    with runfolder.RunFolder(path, settings, overwrite=overwrite, resume=resume) as run:
        found = run.kept("search", tried)
        job = FitContext(run, settings, split, network, warm, runner, store, watch, found)
        if found is not None and split.folds is not None:
            # every fold searches anew, so once is enough
            asked, split.folds, job.choose = found["asked"], split.folds[:1], chosen_by
        if target is None:
            result = job.result(METHODS.get(method))
        else:
            hints = options.data.hints(task=options.data.task or split.train.target.task, kept=split.train.roles,
                                       lenient=True)  # fmt: skip
            goal = open_target(target, split.train, split.val, mapping=options.scenario.mapping, hints=hints,
                               labels=options.scenario.target_labels, seed=seed)  # fmt: skip
            if goal.labelled is not None:
                learn_from(split, goal.labelled)
            how = METHODS.get(method)
            result = FitResult(**(train_target if how.KIND == "adapting networks" else fit_target)(job, how, goal))
        run.finish(asdict(result))
    return result
