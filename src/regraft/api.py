"""The commands as Python functions, complete with what the outputs add (`fit` writes its report)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.commands.augment import augment
from regraft.commands.demo import DemoResult
from regraft.commands.demo import demo as _demo
from regraft.commands.evaluate import Evaluation, evaluate
from regraft.commands.fit import FitResult
from regraft.commands.fit import fit as _fit
from regraft.commands.inspect import Inspection, inspect
from regraft.commands.listings import cache, list_backbones, list_methods, runs, verify
from regraft.commands.predict import PredictResult, predict
from regraft.predictor import Predictor, load
from regraft.reports.page import write_report as report


def fit(data: str, **options: Any) -> FitResult:
    """`regraft.commands.fit.fit`, and ``report.html`` in the run folder."""
    result = _fit(data, **options)
    report(result.run)
    return result


def demo(what: str = "digits", *, out: str | None = None, seeds: int = 10) -> tuple[DemoResult, Path]:
    """`regraft.commands.demo.demo`, and the report's path."""
    result = _demo(what, out=out, seeds=seeds)
    return result, report(result.fit.run)


__all__ = [
    "DemoResult", "Evaluation", "FitResult", "Inspection", "PredictResult", "Predictor",
    "augment", "cache", "demo",
    "evaluate", "fit", "inspect", "list_backbones", "list_methods", "load", "predict", "report", "runs", "verify",
]  # fmt: skip
