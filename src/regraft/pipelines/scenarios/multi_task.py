"""``regraft fit A B C --share features``: several tasks on one frozen network, a head each, in one artefact."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from regraft.backbones.base import Pretrained
from regraft.core.border import written_by_regraft
from regraft.core.errors import InputError, UnknownName
from regraft.core.files import write_json
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.audit.audit import audited
from regraft.data.frames import is_frame
from regraft.data.names import short
from regraft.data.open import name_of, open_data, split_part
from regraft.features.fusion import parts_in, parts_of
from regraft.methods import METHODS, kind_of
from regraft.methods.multi_task import WEIGHTS
from regraft.models import artefact
from regraft.options.fit import is_auto
from regraft.pipelines import run_folder as runfolder
from regraft.pipelines.fit import fit
from regraft.pipelines.result import FitResult
from regraft.pipelines.run_folder import remembered
from regraft.pipelines.scenarios.tasks import TRAINS, fit_together, not_looked_at, same_data
from regraft.pipelines.validate import hints_of

WAYS = ("features", "parameters")


@dataclass(frozen=True)
class Shared:
    """Several tasks by name, each with the result of its own fit; ``run`` holds the artefact that answers all of them.

    ``computed`` are the forward passes that each task still needed. ``problems`` name items that only one task has.
    """

    run: str
    backbone: str
    method: str
    tasks: dict[str, FitResult]
    computed: dict[str, int]
    seconds: dict[str, float]
    problems: list[Problem] = field(default_factory=list)


def share(
    data: Sequence[Any],
    how: str | None = "features",
    *,
    label: str | None = None,
    task_weights: str | None = None,
    soft: float | None = None,
    out: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    **options: Any,
) -> Shared:
    """Fits a task for each of ``data``; with one table, for each of its columns in ``label`` (with commas).

    With ``features`` the network stays as it is: rows are computed once where the items are the same. With
    ``parameters`` all tasks train it in turns, their losses weighed by ``task_weights`` (see
    `regraft.methods.multi_task`), or with ``soft`` one each, drawn together by an L2 term of that strength; each is
    judged beside its probe and the same network trained on it alone. The first task settles the network for all, by the
    options of `fit`; of one table, what the columns mean is learned from the first task's training rows, and no label
    is a column that another learns from. Writes a run folder: ``model/`` with a head for each task on one network,
    ``tasks/NAME/`` with each run. Raises ``InputError``.
    """
    if how is None:
        raise InputError(
            f"{len(data)} data sets are several tasks: --share features fits them on one network, a head each; where "
            "they are domains of one task, --method joint learns from all."
        )
    if how not in WAYS:
        raise UnknownName("way to share", how, WAYS)
    method = options["method"] = options.get("method") or ("linear-probe" if how == "features" else TRAINS)
    if how == "features" and kind_of(method) != "features":
        closed = ", ".join(m for m in METHODS if kind_of(m) == "features")
        raise InputError(f"--share features keeps the network, and {method} trains it; methods on features: {closed}.")
    if how == "features" and task_weights:
        raise InputError("--task-weights is for --share parameters: nothing that is shared learns with features.")
    if how == "parameters" and method != TRAINS:
        raise InputError(f"--share parameters trains as {TRAINS} does; leave out --method {method}.")
    if soft is not None and (how == "features" or not 0 <= soft < float("inf")):
        raise InputError(f"--soft {soft:g} is a strength from 0 for --share parameters.")
    if task_weights not in (None, *WEIGHTS):
        raise UnknownName("way to weigh tasks", task_weights, list(WEIGHTS))
    if any(n.startswith("tfidf") for n in parts_in(options.get("backbone") or "")):
        raise InputError("tfidf is counted in each task's own items; tasks share a pretrained network.")
    tasks = named(data, label)
    begun = time.perf_counter()
    path = runfolder.folder_for(out, name_of(data[0]), "shared", resume)
    if resume and is_auto(options.get("backbone")):
        options |= remembered(path)
    settings: dict[str, Any] = {
        "data": [name_of(d) for d in data],
        "share": how,
        "label": label,
        **options,
        "out": out,
        "task_weights": task_weights,
        "soft": soft,
    }
    if resume and (done := runfolder.finished(path, settings)):
        say(f"{path} is already finished")
        with written_by_regraft(path):
            finished = {n: FitResult(**{**t, "classes": tuple(t["classes"])}) for n, t in done["tasks"].items()}
            return Shared(**{**done, "tasks": finished, "problems": [Problem(**p) for p in done["problems"]]})
    problems = in_common(tasks, options)
    results: dict[str, FitResult] = {}
    seconds: dict[str, float] = {}
    models: dict[str, artefact.Loaded] = {}
    first_data = next(iter(tasks.values()))[0]
    with runfolder.RunFolder(path, settings, overwrite=overwrite, resume=resume) as run:
        if how == "parameters":
            results, seconds = fit_together(tasks, run, task_weights or WEIGHTS[0], soft, options, resume=resume)
        for name, (one, column) in tasks.items() if how == "features" else ():
            started, own = time.perf_counter(), run.work / "tasks" / name
            say(f"task {name}")
            told = options | {"drop": not_looked_at(tasks, name, options.get("drop"))}
            before = next(iter(models.values()), None)
            known = before[0].network if before and same_data(one, first_data) else None
            fitted = fit(one, label=column, out=str(own), resume=resume, network=known, **told)
            assert isinstance(fitted, FitResult)
            results[name] = fitted
            models[name] = artefact.load(own, before)
            seconds[name] = round(time.perf_counter() - started, 3)
            if is_auto(options.get("backbone")):
                chosen = {"backbone": results[name].backbone, "budget": None}
                options |= chosen
                run.settings = run.settings | chosen
        models = models or {n: artefact.load(run.work / "tasks" / n) for n in tasks}
        alike = {_identity(m.network) for m, _ in models.values()}
        if len(alike) > 1 and soft is None:
            raise InputError("The tasks' items are of different sizes, and so are the networks made for them: name a "
                             "pretrained network with --backbone.")  # fmt: skip
        artefact.save_tasks({n: m for n, (m, _) in models.items()}, run.work / "model",
                            metrics={n: r.metrics for n, r in results.items()},
                            records={n: manifest["record"] for n, (_, manifest) in models.items()},
                            learned={n: artefact.learned_by(run.work / "tasks" / n) for n in models})  # fmt: skip
        results = {n: _moved(r, run.work / "tasks" / n, path / "tasks" / n) for n, r in results.items()}
        seconds["total"] = round(time.perf_counter() - begun, 3)
        first = next(iter(results.values()))
        found = Shared(str(path), first.backbone, method, results, {n: r.rows["computed"] for n, r in results.items()},
                       seconds, problems)  # fmt: skip
        run.finish(asdict(found))
    return found


def _identity(network: Pretrained) -> tuple[str, ...]:
    return tuple(p.digest() for p in parts_of(network))


def named(data: Sequence[Any], label: str | None) -> dict[str, tuple[Any, str | None]]:
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


def in_common(tasks: dict[str, tuple[Any, str | None]], options: dict[str, Any]) -> list[Problem]:
    """What of the tasks' items is in one task only. Raises ``InputError`` where they are of different kinds."""
    hints = {n: hints_of(options, label=c, drop=not_looked_at(tasks, n, options.get("drop")))
             for n, (_, c) in tasks.items()}  # fmt: skip
    opened = {n: open_data(d, format=options.get("format"), hints=hints[n]) for n, (d, _) in tasks.items()}
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


def _moved(result: FitResult, here: Path, there: Path) -> FitResult:
    """The result of a task's run under the name that its folder gets in the end, also in its own record."""
    result = replace(result, run=str(there))
    record = json.loads((here / runfolder.SETTINGS).read_text(encoding="utf-8"))
    record["settings"]["out"] = str(there)
    write_json(here / runfolder.SETTINGS, {**record, "result": asdict(result)})
    return result
