"""The commands as Python functions, complete with what the outputs add (`fit` writes its report)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from regraft.commands.augment import augment
from regraft.commands.demo import DemoResult
from regraft.commands.demo import demo as _demo
from regraft.commands.evaluate import Evaluation, evaluate
from regraft.commands.explain import Explanation
from regraft.commands.explain import explain as _explain
from regraft.commands.fit import FitResult
from regraft.commands.fit import fit as _fit
from regraft.commands.insights import Insights
from regraft.commands.insights import insights as _insights
from regraft.commands.inspect import Inspection, inspect
from regraft.commands.listings import cache, list_backbones, list_methods, runs, verify
from regraft.commands.predict import PredictResult, predict
from regraft.commands.rank import Ranking
from regraft.commands.rank import rank as _rank
from regraft.commands.share import Shared
from regraft.commands.share import share as _share
from regraft.predictor import Predictor, TaskPredictor
from regraft.predictor import load_any as load
from regraft.reports.insights import checked_page, write_explanation, write_insights
from regraft.reports.page import write_report as report
from regraft.reports.ranking import write_ranking


def fit(data: Any, *, share: str | None = None, **options: Any) -> FitResult | Shared:
    """`regraft.commands.fit.fit`, and ``report.html`` in the run folder.

    With ``share``, or a list of several data, `regraft.commands.share.share`: several tasks on one network.
    """
    if share is not None or isinstance(data, list | tuple):
        found = _share(data if isinstance(data, list | tuple) else [data], share, **options)
        for task in found.tasks.values():
            report(task.run)
        return found
    result = _fit(data, **options)
    report(result.run)
    return result


def demo(what: str = "digits", *, out: str | None = None, seeds: int = 10) -> tuple[DemoResult, Path]:
    """`regraft.commands.demo.demo`, and the report's path."""
    result = _demo(what, out=out, seeds=seeds)
    return result, report(result.fit.run)


def rank(data: Any, *, out: str | None = None, **options: Any) -> Ranking:
    """`regraft.commands.rank.rank`, and with ``out`` a page (.html) that shows it."""
    page = checked_page(out)
    found = _rank(data, **options)
    return replace(found, out=str(write_ranking(page, found))) if page else found


def insights(model: str, data: Any, *, out: str | None = None, **options: Any) -> Insights:
    """`regraft.commands.insights.insights`, and with ``out`` a page (.html) that shows it."""
    page = checked_page(out)
    found = _insights(model, data, **options)
    return replace(found, out=str(write_insights(page, found))) if page else found


def explain(model: str, text: str, *, out: str | None = None, **options: Any) -> Explanation:
    """`regraft.commands.explain.explain`, and with ``out`` a page (.html) with the words highlighted."""
    page = checked_page(out)
    found = _explain(model, text, **options)
    return replace(found, out=str(write_explanation(page, found))) if page else found


__all__ = [
    "DemoResult", "Evaluation", "Explanation", "FitResult", "Insights", "Inspection", "PredictResult", "Predictor",
    "Ranking", "Shared", "TaskPredictor", "augment", "cache", "demo", "evaluate", "explain", "fit", "insights",
    "inspect", "list_backbones", "list_methods", "load", "predict", "rank", "report", "runs", "verify",
]  # fmt: skip
