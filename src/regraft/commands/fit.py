"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

import inspect
import time
from dataclasses import asdict, replace
from typing import Any

from regraft.core.runtime import importing
from regraft.options import reference
from regraft.pipelines import run_folder
from regraft.pipelines.fit import fit as fit_one
from regraft.pipelines.result import FitResult, Shared


def fit(data: Any, **options: Any) -> FitResult | Shared:
    """Learns from labelled data, judges honestly beside controls, saves a model, its figures and ``report.html``.

    ``data`` is a path, ``embedded:NAME``, a DataFrame or a `Dataset`; several of them in a list are domains of one task
    for the method ``joint``, else tasks that ``share`` a network. See `regraft.pipelines.fit.fit`. Raises
    ``InputError`` naming every option that cannot be meant, and its kinds, see `regraft.core.errors`.

    ``backbone`` may be an ``nn.Module`` that gives features (n, d); ``spec`` then says how its pictures are prepared:
    a `regraft.core.types.PreprocessSpec`, a dict of its fields, a size, the preset of torchvision's weights, an image
    processor of transformers, of its models on texts the fast tokenizer. The options:

    """
    begun = time.perf_counter()
    result: FitResult | Shared = fit_one(data, **options)
    done = time.perf_counter()
    with importing():
        from regraft.reports.page import write_report  # it draws: no fit that is refused needs that
    for one in result.tasks.values() if isinstance(result, Shared) else [result]:
        write_report(one.run)
    now = time.perf_counter()
    if "report" in result.seconds or "open" not in result.seconds:  # a run that was finished before, or by 0.1
        return result
    seconds = all_seconds(result.seconds, now - begun, now - done)
    run_folder.record_seconds(result.run, seconds)
    return tracked(replace(result, seconds=seconds), options.get("track"))


def tracked(result: FitResult | Shared, name: str | None) -> FitResult | Shared:
    """The same once the tracker ``name``, if any, was given the run, each task of several as one; with a problem where
    it did not take it.
    """
    if name is None:
        return result
    from regraft.pipelines.tracking.base import track

    runs = [one.run for one in (result.tasks.values() if isinstance(result, Shared) else [result])]
    problems = [p for p in (track(name, run) for run in runs) if p is not None]
    if isinstance(result, Shared):
        return replace(result, problems=[*result.problems, *problems])
    return replace(result, problems=[*result.problems, *map(asdict, problems)])


def all_seconds(seconds: dict[str, float], passed: float, report: float) -> dict[str, float]:
    """The seconds of a fit with those of its report; they add up to the start-up and what has ``passed`` since."""
    total = seconds.get("startup", 0.0) + passed
    named = {k: v for k, v in seconds.items() if k not in ("other", "total")} | {"report": report}
    every = {**named, "other": max(total - sum(named.values()), 0.0), "total": total}
    return {k: round(v, 4) for k, v in every.items()}


fit.__doc__ = f"{inspect.cleandoc(fit.__doc__ or '')}\n\n{reference.parameters()}"
fit.__signature__ = reference.signature()  # type: ignore[attr-defined]
