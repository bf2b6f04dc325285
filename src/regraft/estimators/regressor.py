"""Numbers from a few examples, in scikit-learn's conventions."""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from regraft.core.errors import DataError, InputError
from regraft.core.types import LabelSpec
from regraft.data.targets import as_numbers
from regraft.estimators.base import OnModel
from regraft.features.encoders.table import columns_of
from regraft.methods import METHODS
from regraft.methods.probes.ridge import LEAST_ROWS as LEAST_CARRIED
from regraft.models.model import Model
from regraft.tasks.uncertainty import uncertainty


class Regressor(RegressorMixin, OnModel):
    """Numbers from few examples on a pretrained network: a Gaussian of one sigma around a linear function of features.

    Parameters
    ----------
    backbone : as for `Classifier`; ``raw`` for tables.
    method : how knowledge is transferred; a method on features (``linear-probe``).
    alpha : strength of the ridge, 0 for least squares; by default that under which the data is most probable.
    quantiles : those to learn beside the mean, such as ``(0.05, 0.5, 0.95)``.
    weights : a weights file that takes the place of the catalog's.
    seed : decides the folds by which ``sigma_`` and the intervals are found.
    corrections, spec, trust : as for `Classifier`.

    After ``fit``: ``coef_`` (d,) and ``intercept_`` in the units of the features, ``sigma_`` the standard deviation of
    unseen numbers, ``residuals_`` (n,) of cross-validation.
    """

    def __init__(
        self,
        backbone: str | nn.Module | None = None,
        method: str = "linear-probe",
        *,
        alpha: float | None = None,
        quantiles: tuple[float, ...] | None = None,
        weights: str | Path | None = None,
        engine: str = "auto",
        device: str = "auto",
        seed: int = 0,
        corrections: str | Path | None = None,
        spec: Any = None,
        trust: bool = False,
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.alpha = alpha
        self.quantiles = quantiles
        self.weights = weights
        self.engine = engine
        self.device = device
        self.seed = seed
        self.corrections = corrections
        self.spec = spec
        self.trust = trust

    def fit(self, X: Any, y: Any) -> Self:
        """``X`` as in `regraft.data.inputs.as_items`, ``y`` (n,) finite numbers."""
        self._check()
        if METHODS.get(self.method).KIND != "features":
            raise InputError(f"Regressor takes methods on features, not {self.method}: regraft.fit trains with it.")
        if self.alpha is not None and not (isinstance(self.alpha, Real) and 0 <= self.alpha < np.inf):
            raise InputError(f"alpha is {self.alpha!r}; wanted is a number from 0, or None to have one chosen.")
        if self.quantiles is not None and not all(isinstance(q, Real) for q in self.quantiles):
            raise InputError(f"quantiles are {self.quantiles!r}; wanted are numbers between 0 and 1 that rise.")
        items = self._items(X)
        spec = LabelSpec("regression")
        items, values = self._corrected(items, as_numbers(y, len(items)), spec)
        if len(values) < 2:
            raise DataError("Found 1 sample; two or more are needed to learn a number.")
        if np.ptp(values) == 0:
            raise DataError(f"y is {values[0]:g} for every item, so there is nothing to learn.")
        self._require(items, values, spec, "value")
        network = self._network(items)
        fitted = self._fitted(network, items, values, spec, alpha=self.alpha, quantiles=self.quantiles,
                              names=columns_of(network))  # fmt: skip
        self.folds_ = fitted.folds
        unseen = values if fitted.logits is None else values[fitted.rows]
        self.model_ = Model(
            network, fitted.head, "value", spec, uncertainty(fitted.logits, unseen, quantiles=self.quantiles)
        )
        self.residuals_ = unseen - (unseen.mean() if fitted.logits is None else fitted.logits[:, 0])
        self.sigma_ = self.model_.sigma
        head: Any = fitted.head
        self.coef_ = (head.linear.weight[0] / head.scale).numpy()
        self.intercept_ = float(head.linear.bias[0] - (head.mean / head.scale) @ head.linear.weight[0])
        return self

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
