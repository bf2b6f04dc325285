"""`Classifier`, `Regressor` and `FeatureExtractor`: the same parts in scikit-learn's conventions.

Constructors only store; ``fit`` does the work; what was learned ends in ``_``. They use all rows they are given.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from regraft.backbones.base import Pretrained
from regraft.data.inputs import as_items
from regraft.data.items import Items, TableRows
from regraft.errors import DataError, InputError
from regraft.features.choice import network_for
from regraft.features.fusion import learned, parts_of
from regraft.features.rows import Runner
from regraft.features.store import RowStore
from regraft.features.tables import columns_of
from regraft.methods import METHODS
from regraft.methods.ridge import LEAST_ROWS
from regraft.model import artefact
from regraft.model.model import Model
from regraft.model.sureness import sureness
from regraft.runtime import resolve_device
from regraft.types import TargetSpec


class _OnNetwork(BaseEstimator):
    """What the estimators share: from ``X`` to the rows of a frozen network."""

    backbone: str | None
    weights: str | Path | None
    engine: str
    device: str

    def _items(self, x: Any, *, reset: bool) -> Items:
        if _has_gaps_or_names(x):
            named = as_items(x, modality="table")
            if reset:
                self.n_features_in_ = len(x.columns)
            return named
        if _is_table(x):
            return TableRows(validate_data(self, x, reset=reset, dtype=np.float64), "X")
        items = as_items(x)
        if not len(items):
            raise DataError("Found array with 0 sample(s) while a minimum of 1 is required.")
        return items

    def _rows(self, network: Pretrained, items: Items) -> NDArray[Any]:
        if isinstance(items, TableRows):
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


def _has_gaps_or_names(x: Any) -> bool:
    """Whether it is a DataFrame with categories or missing values, whose columns must be learned."""
    if not (hasattr(x, "columns") and hasattr(x, "dtypes") and hasattr(x, "isna")) or not len(x.columns):
        return False
    mixed = any(getattr(kind, "kind", "O") not in "fiub" for kind in x.dtypes)
    texts = len(x.columns) == 1 and mixed
    return not texts and (mixed or bool(x.isna().to_numpy().any()))


def _is_table(x: Any) -> bool:
    """Whether scikit-learn's own validation should look at ``x``: everything but pictures, paths and items."""
    if isinstance(x, str | Path) or hasattr(x, "targets"):
        return False
    if hasattr(x, "load") and hasattr(x, "digest"):
        return False
    if isinstance(x, list | tuple):
        return not len(x) or not (isinstance(x[0], str | Path) or hasattr(x[0], "getbands") or np.ndim(x[0]) >= 2)
    shape, kind = getattr(x, "shape", ()), getattr(getattr(x, "dtype", None), "kind", "")
    texts = kind in "UO" and len(shape) == 1 and len(x) and isinstance(next(iter(x)), str | Path)
    return len(shape) not in (3, 4) and not texts


def _say_stopped(record: dict[str, Any]) -> None:
    for why in record.get("stopped_early", ()):
        warnings.warn(f"Before its end, {why}: it may change with more.", ConvergenceWarning, stacklevel=3)


class _Model(_OnNetwork):
    """An estimator that ends in a model."""

    method: str
    record_: dict[str, Any]
    model_: Model

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted model as an artefact that `regraft.load` and the command line read."""
        check_is_fitted(self)
        record = {"name": Path(folder).name, "method": self.method, "data": "X, y", "choice": self.record_}
        return artefact.save(self.model_, Path(folder), metrics={}, record=record)


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
        items = self._items(X, reset=True)
        check_classification_targets(y)
        labels = column_or_1d(y, warn=True)
        if len(labels) != len(items):
            raise DataError(f"X has {len(items)} items and y {len(labels)} labels; each item takes one label.")
        self.classes_, indices = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"y holds one class ({self.classes_[0]}); a classifier needs two or more.")
        network = learned(network_for(items, self.backbone, self.weights), items)
        rows = self._rows(network, items)
        own_units = network.spec.modality == "table"
        spec = TargetSpec("classification", tuple(str(c) for c in self.classes_.tolist()))
        fitted = method.fit_features(
            rows,
            indices,
            spec,
            seed=self.seed,
            own_units=own_units,
            class_weight=self._class_weight(),
            blocks=[p.width for p in parts_of(network)],
        )
        _say_stopped(fitted.record)
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
        items = self._items(X, reset=False)
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
    unseen numbers, ``residuals_`` (n,) of cross-validation.
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
        items = self._items(X, reset=True)
        values = column_or_1d(y, warn=True)
        assert_all_finite(values, input_name="y")
        values = values.astype(np.float64)
        if len(values) != len(items):
            raise DataError(f"X has {len(items)} items and y {len(values)} numbers; each item takes one.")
        if len(values) < 2:
            raise DataError("Found 1 sample; two or more are needed to learn a number.")
        network = learned(network_for(items, self.backbone, self.weights), items)
        spec = TargetSpec("regression")
        fitted = method.fit_features(
            self._rows(network, items), values, spec, seed=self.seed, alpha=self.alpha, quantiles=self.quantiles,
            own_units=network.spec.modality == "table", blocks=[p.width for p in parts_of(network)],
            names=columns_of(network),
        )  # fmt: skip
        _say_stopped(fitted.record)
        self.folds_ = fitted.folds
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
        items = self._items(X, reset=False)
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

        CV+ (Barber et al. 2021, https://arxiv.org/abs/1905.02928): by heads that had not seen some of the items each.
        Raises ``InputError`` where the items do not carry that level.
        """
        check_is_fitted(self)
        if not 0 < level < 1:
            raise InputError(f"level is {level}; it must lie between 0 and 1, such as 0.9.")
        if self.folds_ is None or not self.folds_.carries(level):
            least = max(LEAST_ROWS, math.ceil(1 / (1 - level) - 1e-9) - 1)
            raise InputError(f"{len(self.residuals_)} items are too few for an interval of {level:g}: {least} or more "
                             "carry one.")  # fmt: skip
        items = self._items(X, reset=False)
        rows = self._rows(self.model_.network, items)
        return self.folds_.ends(rows, level, self.model_.probabilities(rows)[:, 0])


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
        items = self._items(X, reset=True)
        self.network_ = learned(network_for(items, self.backbone, self.weights), items)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """(n, d) features; raises ``DataError`` naming the first item that cannot be read."""
        check_is_fitted(self)
        return self._rows(self.network_, self._items(X, reset=False)).astype(np.float32)

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
