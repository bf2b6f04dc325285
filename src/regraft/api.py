"""The commands as Python functions, complete with what the outputs add (`fit` writes its report).

Names are imported when first used, so that a command pays for its own parts alone.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regraft.backbones.text.alignment import Alignment
    from regraft.commands.align import align
    from regraft.commands.audit import audit
    from regraft.commands.augment import augment
    from regraft.commands.cache import cache
    from regraft.commands.compare import compare
    from regraft.commands.convert import Conversion, convert
    from regraft.commands.demo import DemoResult
    from regraft.commands.distill import distill
    from regraft.commands.evaluate import evaluate
    from regraft.commands.explain import explain
    from regraft.commands.export import export as export_model
    from regraft.commands.fit import fit
    from regraft.commands.insights import insights
    from regraft.commands.inspect import inspect
    from regraft.commands.predict import predict
    from regraft.commands.rank import rank
    from regraft.commands.runs import list_backbones, list_methods, runs, verify
    from regraft.commands.serve import Serving, serve
    from regraft.commands.shift import shift
    from regraft.commands.weights import weights
    from regraft.data.audit.inspection import Inspection
    from regraft.explanation.occlusion import Explanation
    from regraft.explanation.pictures import PictureExplanations
    from regraft.export.export import Exported
    from regraft.inference.answering import PredictResult
    from regraft.inference.detector import BoxPredictor
    from regraft.inference.evaluation import Evaluation
    from regraft.inference.load import AnyPredictor
    from regraft.inference.multi_task import TaskPredictor
    from regraft.inference.predictor import Predictor
    from regraft.pipelines.audit.result import Audit
    from regraft.pipelines.comparison.compare import Comparison
    from regraft.pipelines.result import FitResult, Shared
    from regraft.pipelines.shift import Shift
    from regraft.reports.page import write_report as report
    from regraft.selection.ranking import Ranking
    from regraft.text_mining.summary import Insights

_WHERE = {
    "Alignment": "regraft.backbones.text.alignment",
    "AnyPredictor": "regraft.inference.load",
    "Audit": "regraft.pipelines.audit.result",
    "BoxPredictor": "regraft.inference.detector",
    "Comparison": "regraft.pipelines.comparison.compare",
    "Conversion": "regraft.commands.convert",
    "DemoResult": "regraft.commands.demo",
    "Evaluation": "regraft.inference.evaluation",
    "Explanation": "regraft.explanation.occlusion",
    "Exported": "regraft.export.export",
    "FitResult": "regraft.pipelines.result",
    "Insights": "regraft.text_mining.summary",
    "Inspection": "regraft.data.audit.inspection",
    "PictureExplanations": "regraft.explanation.pictures",
    "PredictResult": "regraft.inference.answering",
    "Predictor": "regraft.inference.predictor",
    "Ranking": "regraft.selection.ranking",
    "Serving": "regraft.commands.serve",
    "Shared": "regraft.pipelines.result",
    "Shift": "regraft.pipelines.shift",
    "TaskPredictor": "regraft.inference.multi_task",
    **dict.fromkeys(("list_backbones", "list_methods", "runs", "verify"), "regraft.commands.runs"),
    **{n: f"regraft.commands.{n}" for n in ("align", "audit", "augment", "cache", "compare", "convert", "distill",
                                            "evaluate", "explain", "fit", "insights", "inspect", "predict", "rank",
                                            "serve", "shift", "weights")},
    "export_model": "regraft.commands.export:export",
    "report": "regraft.reports.page:write_report",
}  # fmt: skip
"""The module of each name, and what it is called there where that is something else."""

__all__ = [
    "Alignment", "Audit", "BoxPredictor", "Comparison", "Conversion", "DemoResult", "Evaluation", "Explanation",
    "Exported", "FitResult", "Insights", "Inspection", "PictureExplanations", "PredictResult", "Predictor", "Ranking",
    "Serving", "Shared", "Shift", "TaskPredictor",
    "align", "audit", "augment", "cache", "compare", "convert", "demo", "distill", "evaluate", "explain",
    "export_model", "fit", "insights", "inspect",
    "list_backbones", "list_methods", "load", "predict", "rank", "report", "runs", "serve", "shift", "verify",
    "weights",
]  # fmt: skip


def load(path: str | Path, *, engine: str = "auto", device: str = "auto", backbone: Any = None) -> AnyPredictor:
    """The model of a run or artefact folder, ready to predict; raises ``ArtefactError``. ``backbone`` is the
    ``nn.Module`` it was fitted on, where that was the user's own: its weights are the saved ones.
    """
    from regraft.inference.load import load_any

    return load_any(path, engine=engine, device=device, backbone=backbone)


def demo(what: str = "digits", *, out: str | None = None, seeds: int = 10) -> tuple[DemoResult, Path]:
    """`regraft.commands.demo.demo`, and the report's path."""
    from regraft.commands.demo import demo as run
    from regraft.reports.page import write_report

    result = run(what, out=out, seeds=seeds)
    return result, write_report(result.fit.run)


def __getattr__(name: str) -> Any:
    if name == "DetectionResult":
        warnings.warn("regraft.api.DetectionResult is FitResult now; the old name will go.", DeprecationWarning, 2)
        return import_module(_WHERE["FitResult"]).FitResult
    if name not in _WHERE:
        raise AttributeError(f"module 'regraft.api' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    globals()[name] = value = getattr(import_module(module), attribute or name)
    return value


def __dir__() -> list[str]:
    return __all__
