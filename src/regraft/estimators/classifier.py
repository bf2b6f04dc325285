"""`Classifier`, `Regressor` and `FeatureExtractor`: the same parts in scikit-learn's conventions.

Constructors only store; ``fit`` does the work; what was learned ends in ``_``. They use all rows they are given.
"""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from torch import nn

from regraft.core.border import tell
from regraft.core.errors import InputError
from regraft.core.types import LabelSpec, Problem
from regraft.data.targets import as_labels
from regraft.estimators.base import OnModel
from regraft.methods import METHODS
from regraft.models.model import Model
from regraft.tasks.classification import LEAST_ROWS


class Classifier(ClassifierMixin, OnModel):
    """Few-label classification on a pretrained network.

    Parameters
    ----------
    backbone : a catalog name such as ``mobilenet_v2``, ``raw``, ``random:NAME`` or ``NAME@BLOCK``; by default
        ``regraft_tiny`` for pictures up to 64 pixels, an EfficientNet-Lite that is here or ``mobilenet_v2`` for larger
        ones, a network that reads the language for texts, ``raw`` for tables; or an
        ``nn.Module`` that gives (n, d), see docs/modules.md.
    method : how knowledge is transferred; a method on features (``linear-probe``).
    weights : a weights file that takes the place of the catalog's.
    class_weight : ``balanced`` lets every class weigh the same; or a dict, label -> weight.
    seed : decides the folds by which the strength is chosen.
    corrections : a file of labels to correct and items to take out, as ``regraft audit`` writes it.
    spec : how the pictures of a module are prepared: a `PreprocessSpec`, a dict of its fields, a size, the preset of
        torchvision's weights, an image processor of transformers; of its models on texts the fast tokenizer.
    trust : takes weights whose publisher states no licence, or one that does not allow every use.
    """

    def __init__(
        self,
        backbone: str | nn.Module | None = None,
        method: str = "linear-probe",
        *,
        weights: str | Path | None = None,
        class_weight: str | dict[Any, float] | None = None,
        engine: str = "auto",
        device: str = "auto",
        seed: int = 0,
        corrections: str | Path | None = None,
        spec: Any = None,
        trust: bool = False,
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.weights = weights
        self.engine = engine
        self.device = device
        self.class_weight = class_weight
        self.seed = seed
        self.corrections = corrections
        self.spec = spec
        self.trust = trust

    def fit(self, X: Any, y: Any) -> Self:
        """``X`` as in `regraft.data.inputs.as_items`, ``y`` (n,) of any labels with two classes or more."""
        self._check()
        if METHODS.get(self.method).KIND != "features":
            raise InputError(
                f"Classifier takes methods on features so far, not {self.method}: regraft.fit trains with it."
            )
        items = self._items(X)
        labels = as_labels(y, len(items))
        self.classes_, indices = np.unique(labels, return_inverse=True)
        spec = LabelSpec("classification", tuple(str(c) for c in self.classes_.tolist()))
        items, indices = self._corrected(items, indices, spec)
        labels = self.classes_[indices]
        self.classes_, indices = np.unique(labels, return_inverse=True)
        spec = LabelSpec("classification", tuple(str(c) for c in self.classes_.tolist()))
        self._require(items, indices, spec, "label")
        if len(self.classes_) == len(labels) > LEAST_ROWS:
            tell([Problem("labels-differ", "y", f"holds another label for each of its {len(labels)} items: are they "
                           "classes?")])  # fmt: skip
        network = self._network(items)
        fitted = self._fitted(network, items, indices, spec, class_weight=self._class_weight())
        self.model_ = Model(network, fitted.head, "label", spec)
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
        return self._outputs(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) labels as they were given to ``fit``."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy in 0..1; a ``DataWarning`` tells of items that ``fit`` has learned from."""
        return float(super().score(self._scored(X), y, sample_weight))
