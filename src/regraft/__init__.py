"""regraft: transfer learning for those with few labels.

    regraft.fit("photos/")                     from a folder to a judged, saved model
    regraft.load("runs/photos-1").predict(x)   use it
    regraft.Classifier, regraft.FeatureExtractor    the same in scikit-learn's conventions

Names are imported when first used, so that ``import regraft`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from regraft.api import (
        backbones,
        cache,
        demo,
        evaluate,
        fit,
        inspect,
        load,
        methods,
        predict,
        report,
        runs,
        verify,
    )
    from regraft.errors import RegraftError
    from regraft.estimators import Classifier, FeatureExtractor

_WHERE = {
    **dict.fromkeys(
        ("backbones", "cache", "demo", "evaluate", "fit", "inspect", "load", "methods", "predict", "report", "runs",
         "verify"),
        "regraft.api",
    ),
    "Classifier": "regraft.estimators",
    "FeatureExtractor": "regraft.estimators",
    "RegraftError": "regraft.errors",
}  # fmt: skip

__all__ = [
    "Classifier", "FeatureExtractor", "RegraftError", "backbones", "cache", "demo", "evaluate", "fit", "inspect",
    "load", "methods", "predict", "report", "runs", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'regraft' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
