"""Several tasks on one network, in one artefact: frozen with a head each, or trained by all of them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from regraft.core.errors import InputError
from regraft.core.files import write_json
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.audit.audit import audited
from regraft.data.corrections import open_corrected
from regraft.data.dataset import Dataset
from regraft.data.frames import is_frame
from regraft.data.names import short
from regraft.data.open import name_of, open_data, split_part
from regraft.features.default import default_for
from regraft.features.fusion import parts_of
from regraft.methods import METHODS, kind_of
from regraft.models import artefact
from regraft.options.fit import FitOptions, Meaning, is_auto, raise_all
from regraft.options.network import parts_in
from regraft.pipelines import run_folder
from regraft.pipelines.result import FitResult, Shared
from regraft.pipelines.scenarios.base import Line, Scenario
from regraft.pipelines.scenarios.single import Single
from regraft.pipelines.stages.features import rows_of
from regraft.pipelines.stages.learn import AlreadyTrained
from regraft.pipelines.validate import one_each
from regraft.training.multi_task import Task, train_tasks
from regraft.training.network import train_network
from regraft.training.requirements import check as check_training
from regraft.training.trainer import Initialization, TrainedNetwork

Tasks = Mapping[str, tuple[Any, str | None]]
"""By name the data and the label's column."""


class MultiTask(Scenario):
    """A task for each of the data; with one table, for each of its columns in ``--label`` (with commas).

    The first task settles the network for all; of one table, what the columns mean is learned from the first task's
    training rows, and no label is a column that another learns from. Writes a run folder: ``model/`` with a head for
    each task on one network, ``tasks/NAME/`` with each run.
    """

    results: dict[str, FitResult]
    problems: list[Problem]
    models: dict[str, artefact.Loaded]

    METHOD: ClassVar[str]

    def __init__(self, data: Sequence[Any], options: FitOptions, line: Line) -> None:
        super().__init__(options, [name_of(d) for d in data], self.meant(options.training.method or self.METHOD))
        self.data, self.line = data, line
        self.default: dict[str, Any] | None = None

    @abstractmethod
    def meant(self, method: str) -> Meaning:
        """For what the options are."""

    @property
    def stem(self) -> str:
        """The run is named after the first of the data."""
        return self.names[0]

    @property
    def how(self) -> str:
        """The run is named after what it is, not after the method."""
        return "shared"

    @property
    def settings(self) -> dict[str, Any]:
        """The options by name, with those of sharing."""
        asked = self.options.scenario
        return super().settings | {"share": asked.share, "task_weights": asked.task_weights, "soft": asked.soft}

    def read_result(self, done: dict[str, Any]) -> Shared:
        """The result of a run that was done before, from its record."""
        return Shared.read(done)

    def check(self) -> None:
        """Raises ``InputError`` naming every option that cannot be meant."""
        said = list(self.options.wrong(self.meaning))
        if any(n.startswith("tfidf") for n in parts_in(self.options.network.backbone or "")):
            said.append(InputError("tfidf is counted in each task's own items; tasks share a pretrained network."))
        raise_all([*map(InputError, self.unusable()), *said])
        self.tasks = named(self.data, self.options.data.label)
        self.files = dict(zip(self.tasks, one_each(self.options.data.corrections, len(self.tasks), "--corrections",
                                                   "tasks"), strict=True))  # fmt: skip

    def unusable(self) -> list[str]:
        """What else cannot be meant, in words."""
        return []

    def split(self) -> None:
        """Each task splits its own items; here it is listed what they have in common."""
        self.opened = opened_tasks(self.tasks, self.options)
        self.problems = in_common(self.opened)

    def load_network(self) -> None:
        """The first task's, for all; where none was named for texts, one that reads those of all."""
        asked, items = self.options.network, [d.items for d in self.opened.values()]
        if asked.backbone is None and asked.init is None and items[0].modality == "text":
            default = default_for(*items, one=True, weights=asked.weights)
            default.tell()
            self.problems += default.problems(self.stem)
            self.default, self.options = asdict(default), self.options.changed(backbone=default.backbone)

    def of_task(self, name: str) -> FitOptions:
        """The options of one task's own fit."""
        return self.options.changed(
            share=None, task_weights=None, soft=None, overwrite=False, track=None, label=self.tasks[name][1],
            corrections=self.files[name], out=str(self.run.work / "tasks" / name),
            drop=not_looked_at(self.tasks, name, self.options.data.drop),
        )  # fmt: skip

    def save(self) -> None:
        """The heads of all tasks on their network."""
        work = self.run.work
        alike = {tuple(p.digest() for p in parts_of(m.network)) for m, _ in self.models.values()}
        if len(alike) > 1 and self.options.scenario.soft is None:
            raise InputError("The tasks' items are of different sizes, and so are the networks made for them: name a "
                             "pretrained network with --backbone.")  # fmt: skip
        artefact.save_tasks({n: m for n, (m, _) in self.models.items()}, work / "model",
                            metrics={n: r.metrics for n, r in self.results.items()},
                            records={n: manifest["record"] for n, (_, manifest) in self.models.items()},
                            learned={n: artefact.learned_by(work / "tasks" / n) for n in self.models})  # fmt: skip

    def result(self) -> Shared:
        """See `regraft.pipelines.result.Shared`."""
        results = {n: _moved(r, self.run.work / "tasks" / n, self.path / "tasks" / n) for n, r in self.results.items()}
        seconds = {step: s for step, s in self.watch.record().items() if s}
        return Shared(str(self.path), next(iter(results.values())).backbone, str(self.options.training.method), results,
                      {n: r.rows["computed"] for n, r in results.items()}, seconds, self.problems,
                      self.default)  # fmt: skip


class SharedFeatures(MultiTask):
    """The network stays as it is: rows are computed once where the items are the same."""

    METHOD = "linear-probe"

    def meant(self, method: str) -> Meaning:
        """Each task is fitted by itself."""
        return Meaning(method, kind_of(method))

    def unusable(self) -> list[str]:
        """Methods that train the network."""
        if self.meaning.kind == "features":
            return []
        closed = ", ".join(m for m in METHODS if kind_of(m) == "features")
        return [f"--share features keeps the network, and {self.meaning.method} trains it; methods on features: "
                f"{closed}."]  # fmt: skip

    def learn(self) -> None:
        """A fit for each task, each judged as any other."""
        self.results, self.models = {}, {}
        first_data = next(iter(self.tasks.values()))[0]
        for name, (data, _) in self.tasks.items():
            say(f"task {name}")
            before = next(iter(self.models.values()), None)
            known = before[0].network if before and same_data(data, first_data) else None
            with self.watch(name):
                self.results[name] = self.line.fit(data, self.of_task(name), known)
                self.models[name] = artefact.load(self.run.work / "tasks" / name, before)
            if is_auto(self.options.network.backbone):
                self.options = self.options.changed(backbone=self.results[name].backbone, budget=None)
                self.run.settings = self.settings

    def evaluate(self) -> None:
        """Each task's fit has judged it."""


class SharedParameters(MultiTask):
    """All tasks train the network in turns, their losses weighed by ``--task-weights`` (see
    `regraft.methods.multi_task`), or with ``--soft`` one each, drawn together by an L2 term of that strength; each is
    judged beside its probe and the same network trained on it alone.
    """

    jobs: dict[str, Single]

    METHOD = "lp-ft"

    def meant(self, method: str) -> Meaning:
        """All train one network."""
        return Meaning(method, "training", "tasks")

    def unusable(self) -> list[str]:
        """Other ways of training, and a target."""
        said, target = [], self.options.scenario.target
        if self.meaning.method != self.METHOD:
            said.append(f"--share parameters trains as {self.METHOD} does; leave out --method {self.meaning.method}.")
        if target is not None:
            said.append(f"--target {name_of(target)}: --share parameters has no use for it.")
        return said

    def learn(self) -> None:
        """One training for all tasks."""
        with self.watch("prepare"):
            self.jobs = self._jobs()
        problems = {name: list(job.halves.problems) for name, job in self.jobs.items()}
        say(f"training {', '.join(self.jobs)} together")
        with self.watch("together"):
            learned = {name: self._task(job) for name, job in self.jobs.items()}
            for name, job in self.jobs.items():
                job.halves.problems[:] = problems[name]  # what could not be read is told once
            first = next(iter(self.jobs.values()))
            context = replace(first.context.training.inside("together"), options=self.options)
            self.trained = train_tasks(learned, first.network, context)
        self.learned = learned

    def evaluate(self) -> None:
        """Each task beside its probe and the network trained on it alone."""
        self.results = {}
        for name, job in self.jobs.items():
            with self.watch(name):
                alone = None if self.options.evaluation.controls == "none" else self._alone(job, name)
                job.method = AlreadyTrained(self.trained[name], alone)
                job.others = tuple(j.halves.train for n, j in self.jobs.items() if n != name)
                with run_folder.RunFolder(
                    job.path, job.settings, overwrite=job.path.exists(), resume=self.options.run.resume
                ) as job.run:
                    self.results[name] = self.line.complete(job)
        self.models = {n: artefact.load(self.run.work / "tasks" / n) for n in self.tasks}

    def _jobs(self) -> dict[str, Single]:
        """A fit for each task, all on the network of the first, each up to where its rows are computed."""
        jobs: dict[str, Single] = {}
        for name, (data, _) in self.tasks.items():
            own = self.of_task(name)
            opened = open_corrected(data, own.data.corrections, format=own.data.format, hints=own.data.hints())
            if opened.modality == "table":
                raise InputError("--share parameters trains a network, and a table has none; --share features fits a "
                                 "head for each task.")  # fmt: skip
            job = Single(opened, data, own, next(iter(jobs.values())).network if jobs else None,
                         Meaning(self.METHOD, "training", "tasks", opened.target.task))  # fmt: skip
            job.check()
            job.prepare()
            with job.watch("audit"):
                job.split()
            with job.watch("prepare"):
                job.load_network()
            check_training(job.network, job.halves.train, job.options)
            job.run = self.run
            job.begin()
            jobs[name] = job
        return jobs

    def _task(self, job: Single) -> Task:
        rows, _ = rows_of(job.context, job.halves.train)
        return Task.of(job.halves.train, rows, job.context.groups_of(rows), job.context.training)

    def _alone(self, job: Single, name: str) -> TrainedNetwork:
        """The same network trained on this task alone, as the control."""
        say(f"the control: {name} alone")
        task = self.learned[name]
        context = replace(job.context.training, folder=self.run.work / "together").inside(f"alone-{name}")
        rows = task.examples.rows
        return train_network(
            METHODS.get(self.METHOD), Initialization(job.network, task.head.requires_grad_(False), task.record),
            job.halves.train, rows, context, job.context.groups_of(rows),
        )  # fmt: skip


WAYS: dict[str, type[MultiTask]] = {"features": SharedFeatures, "parameters": SharedParameters}


def shared(data: Sequence[Any], options: FitOptions, line: Line) -> MultiTask:
    """The scenario that ``--share`` names."""
    return WAYS[str(options.scenario.share)](data, options, line)


def named(data: Sequence[Any], label: str | None) -> Tasks:
    """The tasks by name: the data and the label's column. Raises ``InputError`` where there are fewer than two."""
    columns = [c.strip() for c in label.split(",") if c.strip()] if label else []
    pairs: list[tuple[str, tuple[Any, str | None]]] = []
    if len(data) == 1:
        pairs += [(c, (data[0], c)) for c in columns]
    elif len(columns) in (0, 1, len(data)):
        every: Sequence[str | None] = columns if len(columns) == len(data) else [label] * len(data)
        pairs += [(_stem(d), (d, c)) for d, c in zip(data, every, strict=True)]
    else:
        raise InputError(
            f"--label names {len(columns)} columns for {len(data)} data sets: one for all or one for each."
        )
    if len(pairs) < 2:
        raise InputError("--share is for several tasks: several DATA, or one table with several columns in --label.")
    found: dict[str, tuple[Any, str | None]] = {}
    for name, pair in pairs:
        number = 2
        while name in found:
            name, number = f"{name.rsplit('-', 1)[0] if number > 2 else name}-{number}", number + 1
        found[name] = pair
    return found


def _stem(data: Any) -> str:
    if is_frame(data):
        return "table"
    return short(split_part(str(data))[0], "task")


def opened_tasks(tasks: Tasks, options: FitOptions) -> dict[str, Dataset]:
    """By name the data of the tasks."""

    def opened_as(name: str) -> Dataset:
        data, column = tasks[name]
        hints = options.data.hints(label=column, drop=not_looked_at(tasks, name, options.data.drop))
        return open_data(data, format=options.data.format, hints=hints)

    return {n: opened_as(n) for n in tasks}


def in_common(opened: dict[str, Dataset]) -> list[Problem]:
    """What of the tasks' items is in one task only. Raises ``InputError`` where they are of different kinds."""
    boxes = [n for n, d in opened.items() if d.target.task == "detection"]
    if boxes:
        raise InputError(f"{boxes[0]} is pictures with boxes; --share is for tasks of one answer an item.")
    kinds = {n: d.modality for n, d in opened.items()}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{n} holds {k} items" for n, k in kinds.items())
        raise InputError(f"Tasks that share a network take items of one kind: {told}.")
    store = RowStore()
    looked = {n: audited(d, store).facts for n, d in opened.items()}
    pixels = {n: np.unique(f.pixels) for n, f in looked.items() if f is not None}
    found = []
    for name, own in pixels.items():
        others = np.concatenate([p for n, p in pixels.items() if n != name])
        alone = int((~np.isin(own, others)).sum())
        if alone:
            text = f"{alone} of its {len(own)} items are in no other task: their rows are computed for it alone"
            found.append(Problem("different-items", name, text))
    return found


def same_data(a: Any, b: Any) -> bool:
    """Whether two tasks were given the same data."""
    return a is b or (isinstance(a, str | Path) and isinstance(b, str | Path) and Path(a) == Path(b))


def not_looked_at(tasks: Tasks, name: str, drop: str | None) -> str | None:
    """``drop`` and the labels that other tasks have in the same table."""
    data, own = tasks[name]
    return ",".join(filter(None, [drop, *(c for d, c in tasks.values() if same_data(d, data) and c != own)])) or None


def _moved(result: FitResult, here: Path, there: Path) -> FitResult:
    """The result of a task's run under the name that its folder gets in the end, also in its own record."""
    result = replace(result, run=str(there))
    record = json.loads((here / run_folder.SETTINGS).read_text(encoding="utf-8"))
    record["settings"]["out"] = str(there)
    write_json(here / run_folder.SETTINGS, {**record, "result": asdict(result)})
    return result
