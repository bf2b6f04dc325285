"""Modules by the names they had in 0.1: importing one gives today's, with a ``DeprecationWarning``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

RENAMED = {
    "backbones.entries": ("backbones.rows",),
    "boxes": ("core.boxes",),
    "commands.bulk": ("inference.answer_files",),
    "commands.inner": ("training.validation", "training.calibration"),
    "commands.job": ("pipelines.context", "pipelines.result"),
    "commands.split": ("data.splits", "data.folds", "data.relabel", "features.labelled"),
    "data.pictures": ("data.image.decoding",),
    "data.found_writers": ("data.writers.detections",),
    "data.sources": ("data.open",),
    "densities": ("metrics.densities",),
    "detection_metrics": ("metrics.detection",),
    "errors": ("core.errors",),
    "features.choice": ("features.network",),
    "features.rows": ("features.runner", "core.arrays"),
    "features.store": ("core.row_store",),
    "files": ("core.files",),
    "intervals": ("metrics.intervals",),
    "methods.folds": ("data.folds",),
    "methods.linear_probe": ("methods.probes.linear_probe",),
    "methods.logistic": ("methods.probes.logistic",),
    "methods.ridge": ("methods.probes.ridge",),
    "methods.steps": ("methods.adaptation.on_networks",),
    "model": ("models",),
    "model.artefact": ("models.artefact",),
    "model.familiar": ("models.outliers",),
    "model.heads": ("models.heads",),
    "model.model": ("models.model",),
    "model.sureness": ("tasks.uncertainty",),
    "predictor": ("inference.predictor", "inference.load", "inference.multi_task"),
    "regression_metrics": ("metrics.numbers",),
    "runtime": ("core.runtime",),
    "tent": ("inference.tent",),
    "training.batches": ("training.feeds.base", "training.feeds.images", "training.feeds.tokens",
                         "training.feeds.features"),
    "types": ("core.types",),
}  # fmt: skip
"""By the old name, below ``regraft``, the modules that hold today what it held."""

NAMES = {
    "Adapted": "TrainedNetwork",
    "counting": "recompute_batch_norm_statistics",
    "exact": "full_precision",
    "passed": "forward_both",
    "still": "frozen_batch_norm_statistics",
    "Familiar": "OutlierDetector",
    "Job": "FitContext",
    "Rows": "LabelledFeatures",
    "TargetSpec": "LabelSpec",
    "below": "stack_rows",
    "beside": "stack_columns",
    "inner_split": "validation_split",
    "sureness": "uncertainty",
}
"""What is called otherwise since."""


class _Old(ModuleType):
    """An old module: its names are looked up in today's."""

    def __getattr__(self, name: str) -> object:
        for part in RENAMED[self.__name__.removeprefix("regraft.")]:
            found = getattr(import_module(f"regraft.{part}"), NAMES.get(name, name), None)
            if found is not None:
                return found
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class _Finder(MetaPathFinder, Loader):
    """Finds old names, before the empty folders that an update may leave."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, old = name.partition(".")
        if package != "regraft" or old not in RENAMED:
            return None
        return ModuleSpec(name, self, is_package=any(other.startswith(f"{old}.") for other in RENAMED))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = " and ".join(f"regraft.{part}" for part in RENAMED[spec.name.removeprefix("regraft.")])
        warnings.warn(f"{spec.name} is {new} now; the old name will go.", DeprecationWarning, stacklevel=2)
        return _Old(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs: names are looked up when asked for."""


def install() -> None:
    """Lets old names be imported; installed once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
