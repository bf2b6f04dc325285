"""The commands as Python functions, complete with what the outputs add (`fit` writes its report)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from regraft.commands.align import Alignment, align
from regraft.commands.augment import augment
from regraft.commands.convert import Conversion, convert
from regraft.commands.demo import DemoResult
from regraft.commands.demo import demo as _demo
from regraft.commands.evaluate import evaluate
from regraft.commands.explain import Explanation
from regraft.commands.explain import explain as _explain
from regraft.commands.fit import fit
from regraft.commands.insights import insights as _insights
from regraft.commands.inspect import inspect
from regraft.commands.predict import PredictResult, predict
from regraft.commands.rank import rank as _rank
from regraft.commands.runs import cache, list_backbones, list_methods, runs, verify
from regraft.commands.shift import shift as _shift
from regraft.data.audit.inspection import Inspection
from regraft.inference.detector import BoxPredictor
from regraft.inference.detector import load as load_detector
from regraft.inference.evaluation import Evaluation
from regraft.inference.load import load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.models.artefact.detector import is_detector
from regraft.pipelines.result import DetectionResult, FitResult
from regraft.pipelines.scenarios.multi_task import Shared
from regraft.pipelines.shift import Shift
from regraft.reports.insights import checked_page, write_explanation, write_insights
from regraft.reports.page import write_report as report
from regraft.reports.ranking import write_ranking
from regraft.reports.shift import write_shift
from regraft.selection.ranking import Ranking
from regraft.text_mining.summary import Insights


def load(path: str | Path, *, engine: str = "auto", device: str = "auto") -> Predictor | TaskPredictor | BoxPredictor:
    """The model of a run or artefact folder, ready to predict; raises ``ArtefactError``."""
    return load_detector(path, device=device) if is_detector(path) else load_any(path, engine=engine, device=device)


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


def shift(source: Any, target: Any, *, out: str | None = None, **options: Any) -> Shift:
    """`regraft.commands.shift.shift`, and with ``out`` a page (.html) that shows it."""
    page = checked_page(out)
    found = _shift(source, target, **options)
    return replace(found, out=str(write_shift(page, found))) if page else found


__all__ = [
    "Alignment", "BoxPredictor", "Conversion", "DemoResult", "DetectionResult", "Evaluation", "Explanation",
    "FitResult", "Insights", "Inspection", "PredictResult", "Predictor", "Ranking", "Shared", "Shift", "TaskPredictor",
    "align", "augment", "cache", "convert", "demo", "evaluate", "explain", "fit", "insights", "inspect",
    "list_backbones", "list_methods", "load", "predict", "rank", "report", "runs", "shift", "verify",
]  # fmt: skip
