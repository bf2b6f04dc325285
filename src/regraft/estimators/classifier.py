"""`Classifier`, `Regressor` and `FeatureExtractor`: the same parts in scikit-learn's conventions.

Constructors only store; ``fit`` does the work; what was learned ends in ``_``. They use all rows they are given.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from regraft.core.border import tell
from regraft.core.errors import DataError, InputError
from regraft.core.files import output
from regraft.core.row_store import RowStore
from regraft.core.types import Problem, TargetSpec
from regraft.data.audit.checks import require_target, target_problems
from regraft.data.dataset import Dataset
from regraft.data.items import Items
from regraft.data.tabular.labels import LEAST_ROWS
from regraft.data.targets import as_labels, as_numbers
from regraft.estimators.base import OnNetwork
from regraft.features.encoders.table import columns_of
from regraft.features.fingerprints import fingerprints
from regraft.features.fusion import learned, parts_of
from regraft.features.network import network_for
from regraft.methods import METHODS
from regraft.methods.probes.ridge import LEAST_ROWS as LEAST_CARRIED
from regraft.models.artefact import write as artefact
from regraft.models.learned import Learned
from regraft.models.model import Model
from regraft.tasks.uncertainty import sureness

_TOLD = {"far-out", "classes-differ-by-case", "more-columns-than-rows"}


def _say_stopped(record: dict[str, Any]) -> None:
    for why in record.get("stopped_early", ()):
        warnings.warn(f"Before its end, {why}: it may change with more.", ConvergenceWarning, stacklevel=3)


class _Model(OnNetwork):
    """An estimator that ends in a model."""

    method: str
    record_: dict[str, Any]
    model_: Model
    learned_: Learned

    def _require(self, items: Items, labels: NDArray[Any], spec: TargetSpec, name: str) -> None:
        """The checks of `regraft fit` on what is to be learned; what has to do with judging is no matter here."""
        if spec.task == "regression" and len(labels) and np.ptp(labels) == 0:
            raise DataError(f"y is {labels[0]:g} for every item, so there is nothing to learn.")
        data = Dataset("y", items, {name: spec}, {name: labels}, np.full(len(items), ""))
        require_target(data)
        tell([p for p in target_problems(data) if p.kind in _TOLD])

    def _scored(self, X: Any) -> Items:
        """``X`` as items to be scored on; those that were learned from are told of."""
        check_is_fitted(self)
        network = self.model_.network
        items = self._items(X, network)
        known = self.learned_.among(items, fingerprints(items, network, RowStore()))
        tell([replace(p, item=f"{p.item}:") for p in known.problems("the score is too good")])
        return items

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted model as an artefact that `regraft.load` and the command line read."""
        check_is_fitted(self)
        place = output(folder, "The folder to save into")
        record = {"name": place.name, "method": self.method, "data": "X, y", "choice": self.record_}
        if self.columns_ is not None:
            record["columns"] = self.columns_.to_json()
        return artefact.save(self.model_, place, metrics={}, record=record, learned=self.learned_)


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
        self._check()
        method = METHODS.get(self.method)
        if not hasattr(method, "fit_features"):
            raise InputError(
                f"Classifier takes methods on features so far, not {self.method}: regraft.fit trains with it."
            )
        items = self._items(X)
        labels = as_labels(y, len(items))
        self.classes_, indices = np.unique(labels, return_inverse=True)
        spec = TargetSpec("classification", tuple(str(c) for c in self.classes_.tolist()))
        self._require(items, indices, spec, "label")
        if len(self.classes_) == len(labels) > LEAST_ROWS:
            tell([Problem("labels-differ", "y", f"holds another label for each of its {len(labels)} items: are they "
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
        _say_stopped(fitted.record)
        self.model_ = Model(network, fitted.head, "label", spec)
        self.learned_ = Learned.of(items, network=network, store=RowStore())
        self.record_ = fitted.record
        return self

    def _class_weight(self) -> str | list[float] | None:
        if isinstance(self.class_weight, dict):
            known = self.classes_.tolist()
            for label, weight in self.class_weight.items():
                if not isinstance(weight, Real) or not 0 < weight < np.inf:
                    raise InputError(f"class_weight gives {label!r} the weight {weight!r}; weights are above 0.")
                if label not in known:
                    tell([Problem("no-such-class", "class_weight", f"names {label!r}, which y does not hold")])
            return [self.class_weight.get(c, 1.0) for c in known]
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

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy in 0..1; a ``DataWarning`` tells of items that ``fit`` has learned from."""
        return float(super().score(self._scored(X), y, sample_weight))


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
        self._check()
        method = METHODS.get(self.method)
        if not hasattr(method, "fit_features"):
            raise InputError(f"Regressor takes methods on features, not {self.method}: regraft.fit trains with it.")
        if self.alpha is not None and not (isinstance(self.alpha, Real) and 0 <= self.alpha < np.inf):
            raise InputError(f"alpha is {self.alpha!r}; wanted is a number from 0, or None to have one chosen.")
        if self.quantiles is not None and not all(isinstance(q, Real) for q in self.quantiles):
            raise InputError(f"quantiles are {self.quantiles!r}; wanted are numbers between 0 and 1 that rise.")
        items = self._items(X)
        values, spec = as_numbers(y, len(items)), TargetSpec("regression")
        if len(values) < 2:
            raise DataError("Found 1 sample; two or more are needed to learn a number.")
        self._require(items, values, spec, "value")
        network = learned(network_for(items, self.backbone, self.weights), items)
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
        self.learned_ = Learned.of(items, network=network, store=RowStore())
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

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R squared, at most 1; a ``DataWarning`` tells of items that ``fit`` has learned from."""
        return float(super().score(self._scored(X), y, sample_weight))

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
        if not (isinstance(level, Real) and 0 < level < 1):
            raise InputError(f"level is {level!r}; wanted is a share of the numbers between 0 and 1, such as 0.9.")
        if self.folds_ is None or not self.folds_.carries(float(level)):
            least = max(LEAST_CARRIED, math.ceil(1 / (1 - float(level)) - 1e-9) - 1)
            raise InputError(f"{len(self.residuals_)} items are too few for an interval of {level:g}: {least} or more "
                             "carry one.")  # fmt: skip
        rows = self._rows(self.model_.network, self._items(X, self.model_.network))
        return self.folds_.ends(rows, float(level), self.model_.probabilities(rows)[:, 0])


class FeatureExtractor(TransformerMixin, OnNetwork):
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
        self._check()
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
