"""Features of a frozen network, in scikit-learn's conventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import nn

from regraft.estimators.base import OnNetwork


class FeatureExtractor(TransformerMixin, OnNetwork):
    """A frozen pretrained network as a transformer: items in, (n, d) float32 out.

    Nothing is learned from the data; ``fit`` only loads the network (and, for ``raw``, notes the shape). ``backbone``
    and ``spec`` are as for `Classifier`, but that for texts the default is a network in any case, never counted words;
    so is ``trust``.
    """

    ONE = True

    def __init__(
        self,
        backbone: str | nn.Module | None = None,
        *,
        weights: str | Path | None = None,
        engine: str = "auto",
        device: str = "auto",
        spec: Any = None,
        trust: bool = False,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.engine = engine
        self.device = device
        self.spec = spec
        self.trust = trust

    def fit(self, X: Any, y: Any = None) -> Self:
        self._check()
        self.network_ = self._network(self._items(X))
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
