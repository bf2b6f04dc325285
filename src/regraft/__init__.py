"""regraft: transfer learning for those with few labels.

    regraft.fit("photos/")                     from a folder to a judged, saved model
    regraft.load("runs/photos-1").predict(x)   use it
    regraft.Classifier, Regressor, Detector, FeatureExtractor
                                               the same in scikit-learn's conventions

Names are imported when first used, so that ``import regraft`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regraft.core.renamed import install as _old_names
from regraft.version import __version__

if TYPE_CHECKING:
    from regraft.api import (
        align,
        audit,
        augment,
        cache,
        compare,
        convert,
        demo,
        distill,
        evaluate,
        explain,
        export_model,
        fit,
        insights,
        inspect,
        list_backbones,
        list_methods,
        load,
        predict,
        rank,
        report,
        runs,
        shift,
        verify,
        weights,
    )
    from regraft.core.errors import RegraftError
    from regraft.estimators.classifier import Classifier
    from regraft.estimators.detector import Detector
    from regraft.estimators.feature_extractor import FeatureExtractor
    from regraft.estimators.regressor import Regressor

_old_names()

_WHERE = {
    "Classifier": "regraft.estimators.classifier",
    "Detector": "regraft.estimators.detector",
    "FeatureExtractor": "regraft.estimators.feature_extractor",
    "Regressor": "regraft.estimators.regressor",
    "RegraftError": "regraft.core.errors",
}

# no name here may be that of a module of the package: importing the module would put it in the name's place
__all__ = [
    "Classifier",
    "Detector",
    "FeatureExtractor",
    "RegraftError",
    "Regressor",
    "align",
    "audit",
    "augment",
    "cache",
    "compare",
    "convert",
    "demo",
    "distill",
    "evaluate",
    "explain",
    "export_model",
    "fit",
    "insights",
    "inspect",
    "list_backbones",
    "list_methods",
    "load",
    "predict",
    "rank",
    "report",
    "runs",
    "shift",
    "verify",
    "weights",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'regraft' has no attribute {name!r}")
    value = getattr(import_module(_WHERE.get(name, "regraft.api")), name)
    if name not in _WHERE:  # a command: what fails below it ends here
        value = import_module("regraft.core.border").bordered(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
