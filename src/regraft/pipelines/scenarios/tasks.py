"""The tasks of ``--share parameters``, from their data to a run for each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device, say, set_threads
from regraft.data.open import name_of, open_data
from regraft.data.splits import make_split
from regraft.features.runner import Runner
from regraft.methods import METHODS
from regraft.options.fit import FitOptions, Meaning
from regraft.pipelines import run_folder as runfolder
from regraft.pipelines.context import FitContext
from regraft.pipelines.result import FitResult
from regraft.pipelines.stages.learn import AlreadyTrained
from regraft.pipelines.stages.network import started
from regraft.pipelines.validate import check, recorded
from regraft.training.multi_task import Task, task_of, together
from regraft.training.requirements import check as check_training
from regraft.training.trainer import Initialization, TrainedNetwork, adapt

TRAINS = "lp-ft"
"""How tasks train one network."""
Tasks = Mapping[str, tuple[Any, str | None]]


def fit_together(
    tasks: Tasks, run: runfolder.RunFolder, weights: str, soft: float | None, options: dict[str, Any], *, resume: bool
) -> tuple[dict[str, FitResult], dict[str, float]]:
    """A run in ``tasks/NAME`` for each task after all of them have trained one network, and the seconds of each."""
    jobs = _jobs(tasks, run, options)
    problems = {name: list(job.split.problems) for name, job in jobs.items()}
    folder = run.work / "together"
    folder.mkdir(exist_ok=True)
    begun = time.perf_counter()
    say(f"training {', '.join(jobs)} together")
    for job in jobs.values():
        check_training(job.network, job.split.train, job.settings | {"target": None})
    learned = {name: _task(job) for name, job in jobs.items()}
    first = next(iter(jobs.values()))
    trained = together(learned, first.network, first.settings, weights, soft, folder=folder, device=first.runner.device,
                       store=first.store)  # fmt: skip
    seconds = {"together": round(time.perf_counter() - begun, 3)}
    results = {}
    for name, job in jobs.items():
        begun = time.perf_counter()
        job.split.problems[:] = problems[name]  # what could not be read is told once
        alone = None if job.settings["controls"] == "none" else _alone(job, name)
        own = run.work / "tasks" / name
        with runfolder.RunFolder(own, job.settings, overwrite=own.exists(), resume=resume) as folder_of:
            others = tuple(j.split.train for n, j in jobs.items() if n != name)
            results[name] = replace(job, run=folder_of, others=others).result(AlreadyTrained(trained[name], alone))
            folder_of.finish(asdict(results[name]))
        seconds[name] = round(time.perf_counter() - begun, 3)
    return results, seconds


def _jobs(tasks: Tasks, run: runfolder.RunFolder, options: dict[str, Any]) -> dict[str, FitContext]:
    told = FitOptions.of(**options)
    if told.scenario.target is not None:
        raise InputError(f"--target {name_of(told.scenario.target)}: --share parameters has no use for it.")
    jobs: dict[str, FitContext] = {}
    for name, (data, column) in tasks.items():
        own = told.changed(label=column, out=str(run.work / "tasks" / name),
                           drop=not_looked_at(tasks, name, told.data.drop))  # fmt: skip
        check(own, Meaning(TRAINS, "training", "tasks"))
        settings = recorded(own, name_of(data))
        set_threads(settings["threads"])
        store, device = RowStore(), resolve_device(settings["device"])
        hints = own.data.hints()
        watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
        with watch("audit"):
            opened = open_data(data, format=settings["format"], hints=hints)
            split = make_split(
                opened, settings["val"], format=settings["format"], hints=hints, seed=settings["seed"], store=store
            )
        if split.train.modality == "table":
            raise InputError("--share parameters trains a network, and a table has none; --share features fits a head "
                             "for each task.")  # fmt: skip
        if jobs:
            network = next(iter(jobs.values())).network
        else:
            network, _ = started(split, settings["data"], settings["init"], settings["backbone"], settings["weights"],
                                 settings["size"])  # fmt: skip
        settings["backbone"] = network.name
        check(own, Meaning(TRAINS, "training", "tasks", split.train.target.task))
        jobs[name] = FitContext(
            run, settings, split, network, None, Runner(network, settings["engine"], device), store, watch
        )
    return jobs


def _task(job: FitContext) -> Task:
    rows, _ = job.rows(job.split.train)
    return task_of(job.split.train, rows, job.groups_of(rows), job.settings)


def _alone(job: FitContext, name: str) -> TrainedNetwork:
    """The same network trained on this task alone, as the control."""
    say(f"the control: {name} alone")
    task = _task(job)
    folder = job.run.work / "together" / f"alone-{name}"
    folder.mkdir(exist_ok=True)
    head = task.head
    if task.numbers:
        head.restate(task.unit, task.zero)
    groups = job.groups_of(task.rows)
    return adapt(
        METHODS.get(job.settings["method"]),
        Initialization(job.network, head.requires_grad_(False), task.record),
        job.split.train,
        task.rows,
        job.settings,
        groups=groups,
        folder=folder,
        device=job.runner.device,
        store=job.store,
    )


def same_data(a: Any, b: Any) -> bool:
    """Whether two tasks were given the same data."""
    return a is b or (isinstance(a, str | Path) and isinstance(b, str | Path) and Path(a) == Path(b))


def not_looked_at(tasks: Tasks, name: str, drop: str | None) -> str | None:
    """``drop`` and the labels that other tasks have in the same table."""
    data, own = tasks[name]
    return ",".join(filter(None, [drop, *(c for d, c in tasks.values() if same_data(d, data) and c != own)])) or None
