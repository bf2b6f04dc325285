"""`Classifier`, `Regressor` and `FeatureExtractor`: the same parts in scikit-learn's conventions.

Constructors only store; ``fit`` does the work; what was learned ends in ``_``. They use all rows they are given.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from regraft.backbones.base import Pretrained
from regraft.data.audit import require_target, target_problems
from regraft.data.cells import Cells
from regraft.data.dataset import Dataset
from regraft.data.formats.table import of_features, only_column
from regraft.data.frames import is_frame
from regraft.data.inputs import as_items
from regraft.data.items import Items, TableRows
from regraft.data.labels import LEAST_ROWS
from regraft.data.targets import as_labels, as_numbers
from regraft.errors import DataError, DataWarning, InputError
from regraft.features.choice import network_for
from regraft.features.fusion import learned, parts_of
from regraft.features.rows import Runner
from regraft.features.store import RowStore
from regraft.features.tables import TableNetwork, columns_of
from regraft.files import output
from regraft.methods import METHODS
from regraft.model import artefact
from regraft.model.model import Model
from regraft.model.sureness import sureness
from regraft.regression_metrics import conformal_radius
from regraft.runtime import resolve_device
from regraft.types import Hints, Problem, Roles, TargetSpec

_TOLD = {"far-out", "classes-differ-by-case", "more-columns-than-rows"}


class _OnNetwork(BaseEstimator):
    """What the estimators share: from ``X`` to the rows of a frozen network."""

    backbone: str | None
    weights: str | Path | None
    engine: str
    device: str

    columns_: Roles | None = None

    def _items(self, x: Any, network: Pretrained | None = None) -> Items:
        """``x`` as items to learn from; with ``network`` as what that reads, a table by the names it has learned."""
        if is_frame(x) and (network is None or network.spec.modality == "table"):
            return self._of_frame(x, network)
        if network is None:
            self.columns_ = None
        if _is_table(x) and (network is None or network.spec.modality == "table"):
            return TableRows(self._checked(x, network, dtype=np.float64), "X")
        if network is None:
            items = as_items(x)
        else:
            items = as_items(x, modality=network.spec.modality, hints=Hints(kept=self.columns_))
        if not len(items):
            raise DataError("Found array with 0 sample(s) while a minimum of 1 is required.")
        return items

    def _of_frame(self, x: Any, network: Pretrained | None) -> Items:
        if not len(x):
            raise DataError("Found array with 0 sample(s) while a minimum of 1 is required.")
        if network is None:
            self.columns_ = only_column(x)
            if self.columns_ is not None:
                return as_items(x, modality=self.columns_.modality, hints=Hints(kept=self.columns_))
            self._checked(x, network, skip_check_array=True)
            cells, self.columns_, problems = of_features(x)
            _tell(problems)
            return cells
        if self.columns_ is None:
            return TableRows(self._checked(x, network, dtype=np.float64), "X")
        self._checked(x, network, skip_check_array=True)
        items = as_items(x, modality="table", hints=Hints(kept=self.columns_))
        if isinstance(network, TableNetwork) and isinstance(items, Cells):
            _tell(network.oddities(items))
        return items

    def _checked(self, x: Any, network: Pretrained | None, **how: Any) -> Any:
        """scikit-learn's own checks of a table, of its names and their order."""
        try:
            return validate_data(self, x, reset=network is None, **how)
        except (ValueError, TypeError) as error:
            raise DataError(str(error)) from error

    def _rows(self, network: Pretrained, items: Items) -> NDArray[Any]:
        if isinstance(items, TableRows) and not isinstance(network, TableNetwork):
            return items.array[items.index]
        found = Runner(network, self.engine, resolve_device(self.device)).stored(items, RowStore())
        for i, why in sorted(found.failed.items()):
            raise DataError(f"{items.name(i)} cannot be used: {why}.")
        return found.rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


def _tell(problems: Sequence[Problem]) -> None:
    """What a fit would list, where there is no list: as warnings to whoever called ``fit`` or ``predict``."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("regraft."):
        level, frame = level + 1, frame.f_back
    for problem in problems:
        warnings.warn(f"{problem.item} {problem.message}", DataWarning, stacklevel=level)


def _is_table(x: Any) -> bool:
    """Whether scikit-learn's own validation should look at ``x``: everything but pictures, paths, texts and items."""
    if isinstance(x, str | bytes | bytearray | PurePath | Image.Image) or hasattr(x, "targets"):
        return False
    if isinstance(x, Mapping) and not hasattr(x, "shape"):  # some of scipy's sparse arrays are mappings
        return False
    if (hasattr(x, "load") and hasattr(x, "digest")) or hasattr(x, "read"):
        return False
    if isinstance(x, list | tuple):
        return not len(x) or (isinstance(x[0], list | tuple | int | float | np.number) and np.ndim(x[0]) < 2) or (
            np.ndim(x[0]) == 1 and not isinstance(x[0], str | bytes))  # fmt: skip
    shape, kind = getattr(x, "shape", None), getattr(getattr(x, "dtype", None), "kind", "")
    if shape is None:
        return hasattr(x, "__array__")
    several = len(shape) in (3, 4) or (kind in "UOST" and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)))
    return not (several and _holds_items(x, len(shape)))


def _holds_items(x: Any, axes: int) -> bool:
    """Whether an array, or a column of objects, holds pictures, paths or texts."""
    first = next(iter(np.ravel(x)), None) if axes < 3 else None
    return axes > 2 or first is None or isinstance(first, str | bytes | PurePath | Image.Image) or np.ndim(first) > 1


class _Model(_OnNetwork):
    """An estimator that ends in a model."""

    method: str
    record_: dict[str, Any]
    model_: Model

    def _require(self, items: Items, labels: NDArray[Any], spec: TargetSpec, name: str) -> None:
        """The checks of `regraft fit` on what is to be learned; what has to do with judging is no matter here."""
        data = Dataset("y", items, {name: spec}, {name: labels}, np.full(len(items), ""))
        require_target(data)
        _tell([p for p in target_problems(data) if p.kind in _TOLD])

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted model as an artefact that `regraft.load` and the command line read."""
        check_is_fitted(self)
        place = output(folder, "The folder to save into")
        record = {"name": place.name, "method": self.method, "data": "X, y", "choice": self.record_}
        if self.columns_ is not None:
            record["columns"] = self.columns_.to_json()
        return artefact.save(self.model_, place, metrics={}, record=record)


class Classifier(ClassifierMixin, _Model):
    """Few-label classification on a pretrained network.

    Parameters
    ----------
    backbone : a catalog name such as ``mobilenet_v2``, ``raw``, ``random:NAME`` or ``NAME@BLOCK``; by default
        ``regraft_tiny`` for pictures up to 64 pixels, ``mobilenet_v2`` for larger ones, ``raw`` for tables.
    method : how knowledge is transferred; a method on features (``linear-probe``).
    weights : a weights file that takes the place of the catalog's.
    class_weight : ``balanced`` lets every class weigh the same; or a dict, label -> weight.
    seed : decides the folds by which the strength is chosen.
    """

    def __init__(
        self,
        backbone: str | None = None,
        method: str = "linear-probe",
        *,
        weights: str | Path | None = None,
        class_weight: str | dict[Any, float] | None = None,
        engine: str = "auto",
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.weights = weights
        self.engine = engine
        self.device = device
        self.class_weight = class_weight
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """``X`` as in `regraft.data.inputs.as_items`, ``y`` (n,) of any labels with two classes or more."""
        method = METHODS.get(self.method)
        if not hasattr(method, "fit_features"):
            raise InputError(
                f"Classifier takes methods on features so far, not {self.method}: regraft.fit trains with it."
            )
        if y is None:
            raise ValueError("This Classifier estimator requires y to be passed, but the target y is None.")
        items = self._items(X)
        labels = as_labels(y, len(items))
        self.classes_, indices = np.unique(labels, return_inverse=True)
        spec = TargetSpec("classification", tuple(str(c) for c in self.classes_.tolist()))
        self._require(items, indices, spec, "label")
        if len(self.classes_) == len(labels) > LEAST_ROWS:
            _tell([Problem("labels-differ", "y", f"holds another label for each of its {len(labels)} items: are they "
                           "classes?")])  # fmt: skip
        network = learned(network_for(items, self.backbone, self.weights), items)
        rows = self._rows(network, items)
        own_units = network.spec.modality == "table"
        fitted = method.fit_features(
            rows,
            indices,
            spec,
            seed=self.seed,
            own_units=own_units,
            class_weight=self._class_weight(),
            blocks=[p.width for p in parts_of(network)],
        )
        self.model_ = Model(network, fitted.head, "label", spec)
        self.record_ = fitted.record
        return self

    def _class_weight(self) -> str | list[float] | None:
        if isinstance(self.class_weight, dict):
            return [self.class_weight.get(c, 1.0) for c in self.classes_.tolist()]
        if self.class_weight not in (None, "balanced"):
            raise InputError(f"class_weight is {self.class_weight!r}; wanted is None, 'balanced' or label -> weight.")
        return self.class_weight

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(n, k) probabilities, columns in the order of ``classes_``."""
        check_is_fitted(self)
        items = self._items(X, self.model_.network)
        return self.model_.probabilities(self._rows(self.model_.network, items))

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) labels as they were given to ``fit``."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return labels


class Regressor(RegressorMixin, _Model):
    """Numbers from few examples on a pretrained network: a Gaussian of one sigma around a linear function of features.

    Parameters
    ----------
    backbone : as for `Classifier`; ``raw`` for tables.
    method : how knowledge is transferred; a method on features (``linear-probe``).
    alpha : strength of the ridge, 0 for least squares; by default that under which the data is most probable.
    quantiles : those to learn beside the mean, such as ``(0.05, 0.5, 0.95)``.
    weights : a weights file that takes the place of the catalog's.
    seed : decides the folds by which ``sigma_`` and the intervals are found.

    After ``fit``: ``coef_`` (d,) and ``intercept_`` in the units of the features, ``sigma_`` the standard deviation of
    unseen numbers, ``residuals_`` (n,) of five-fold cross-validation.
    """

    def __init__(
        self,
        backbone: str | None = None,
        method: str = "linear-probe",
        *,
        alpha: float | None = None,
        quantiles: tuple[float, ...] | None = None,
        weights: str | Path | None = None,
        engine: str = "auto",
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.alpha = alpha
        self.quantiles = quantiles
        self.weights = weights
        self.engine = engine
        self.device = device
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """``X`` as in `regraft.data.inputs.as_items`, ``y`` (n,) finite numbers."""
        method = METHODS.get(self.method)
        if not hasattr(method, "fit_features"):
            raise InputError(f"Regressor takes methods on features, not {self.method}: regraft.fit trains with it.")
        if y is None:
            raise ValueError("This Regressor estimator requires y to be passed, but the target y is None.")
        items = self._items(X)
        values, spec = as_numbers(y, len(items)), TargetSpec("regression")
        if len(values) < 2:
            raise DataError("Found 1 sample; two or more are needed to learn a number.")
        self._require(items, values, spec, "value")
        network = learned(network_for(items, self.backbone, self.weights), items)
        fitted = method.fit_features(
            self._rows(network, items), values, spec, seed=self.seed, alpha=self.alpha, quantiles=self.quantiles,
            blocks=[p.width for p in parts_of(network)], names=columns_of(network),
        )  # fmt: skip
        unseen = values if fitted.logits is None else values[fitted.rows]
        self.model_ = Model(
            network, fitted.head, "value", spec, sureness(fitted.logits, unseen, quantiles=self.quantiles)
        )
        self.residuals_ = unseen - (unseen.mean() if fitted.logits is None else fitted.logits[:, 0])
        self.sigma_ = self.model_.sigma
        head: Any = fitted.head
        self.coef_ = (head.linear.weight[0] / head.scale).numpy()
        self.intercept_ = float(head.linear.bias[0] - (head.mean / head.scale) @ head.linear.weight[0])
        self.record_ = fitted.record
        return self

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        items = self._items(X, self.model_.network)
        return self.model_.probabilities(self._rows(self.model_.network, items))

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """(n,) numbers; with ``return_std`` also (n,) the standard deviations around them."""
        values = self._outputs(X)[:, 0]
        return (values, np.full(len(values), self.sigma_)) if return_std else values

    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """(n, q) the quantiles asked for, none below the one before it."""
        if not self.quantiles:
            raise InputError("Regressor has learned no quantiles; give some, such as quantiles=(0.05, 0.5, 0.95).")
        return self._outputs(X)[:, 1:]

    def predict_interval(self, X: Any, level: float = 0.9) -> NDArray[np.float64]:
        """(n, 2) the ends of intervals that hold about ``level`` of new numbers, whatever their distribution.

        Lei et al. 2018 (https://arxiv.org/abs/1604.04173), with five-fold residuals in place of held-out ones.
        """
        check_is_fitted(self)
        radius = conformal_radius(self.residuals_, level)
        if not np.isfinite(radius):
            raise InputError(f"{len(self.residuals_)} items are too few for an interval of {level:g}.")
        values = self._outputs(X)[:, 0]
        return np.stack([values - radius, values + radius], 1)


class FeatureExtractor(TransformerMixin, _OnNetwork):
    """A frozen pretrained network as a transformer: items in, (n, d) float32 out.

    Nothing is learned from the data; ``fit`` only loads the network (and, for ``raw``, notes the shape).
    """

    def __init__(
        self,
        backbone: str | None = None,
        *,
        weights: str | Path | None = None,
        engine: str = "auto",
        device: str = "auto",
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.engine = engine
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:
        items = self._items(X)
        self.network_ = learned(network_for(items, self.backbone, self.weights), items)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """(n, d) features; raises ``DataError`` naming the first item that cannot be read."""
        check_is_fitted(self)
        return self._rows(self.network_, self._items(X, self.network_)).astype(np.float32)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """(d,) names: the network's and a number."""
        check_is_fitted(self)
        name = self.network_.name
        return np.array([f"{name}_{i}" for i in range(self.network_.width)], dtype=object)
