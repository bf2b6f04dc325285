"""What the estimators share: from ``X`` to the rows of a frozen network, and what is said on the way."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.backbones.licences import trusting
from regraft.backbones.modules.base import network_of
from regraft.core.border import tell
from regraft.core.errors import DataError, InputError
from regraft.core.files import output, path_of
from regraft.core.row_store import RowStore
from regraft.core.runtime import resolve_device
from regraft.core.types import Hints, LabelSpec, Roles
from regraft.data.audit.checks import require_target, target_problems
from regraft.data.corrections import corrected
from regraft.data.dataset import Dataset
from regraft.data.formats.table import of_features, only_column
from regraft.data.frames import is_frame
from regraft.data.inputs import as_items, as_read_by
from regraft.data.items import Items, TableRows
from regraft.data.transforms.loaders import require_modality
from regraft.features.default import default_for
from regraft.features.encoders.table import TableNetwork
from regraft.features.engines import require
from regraft.features.fingerprints import fingerprints
from regraft.features.fusion import learned, parts_of
from regraft.features.network import network_for
from regraft.features.reading import reading_problems
from regraft.features.runner import Runner
from regraft.methods import METHODS
from regraft.methods.base import Fitted
from regraft.models import artefact
from regraft.models.learned import Learned
from regraft.models.model import Model


class OnNetwork(BaseEstimator):
    """What the estimators share: from ``X`` to the rows of a frozen network."""

    backbone: Any
    spec: Any
    weights: str | Path | None
    engine: str
    device: str
    trust: bool

    columns_: Roles | None = None
    ONE: ClassVar[bool] = False
    """Whether the default is a pretrained network in any case, never counted words."""

    def _check(self) -> None:
        """What can be said of the parameters before anything is read."""
        method = getattr(self, "method", None)
        if not (method is None or isinstance(method, str)):
            raise InputError(f"method is {method!r}; a name is wanted.")
        if not isinstance(self.backbone, str | None | nn.Module):
            raise InputError(f"backbone is {self.backbone!r}; a name is wanted, or an nn.Module.")
        own = isinstance(self.backbone, nn.Module)
        if self.spec is not None and not own:
            raise InputError("spec says how the pictures of an nn.Module are prepared; a network by name knows that.")
        if self.weights is not None and own:
            raise InputError(f"weights is {self.weights} beside a module, which brings its own; leave out one.")
        seed = getattr(self, "seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
            raise InputError(f"seed is {seed!r}; it must be a whole number from 0.")
        require(str(self.engine), resolve_device(str(self.device)))

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
            items = as_read_by(network.spec.modality, x, Hints(kept=self.columns_))
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
            tell(problems)
            return cells
        if self.columns_ is None:
            return TableRows(self._checked(x, network, dtype=np.float64), "X")
        self._checked(x, network, skip_check_array=True)
        items = as_items(x, modality="table", hints=Hints(kept=self.columns_))
        if isinstance(network, TableNetwork):
            tell(network.oddities(items))
        return items

    def _checked(self, x: Any, network: Pretrained | None, **how: Any) -> Any:
        """scikit-learn's own checks of a table, of its names and their order."""
        try:
            return validate_data(self, x, reset=network is None, **how)
        except (ValueError, TypeError) as error:
            raise DataError(str(error)) from error

    def _network(self, items: Items) -> Pretrained:
        if not isinstance(self.backbone, nn.Module):
            name = self._default(items) if self.backbone is None else self.backbone
            with trusting(self.trust):
                return learned(network_for(items, name, self.weights), items)
        network = network_of(self.backbone, self.spec)
        require_modality(items, network.spec, network.name)
        return network

    def _default(self, items: Items) -> str:
        """The network where none was named; where a better one could be had, that is told."""
        found = default_for(items, one=self.ONE, weights=self.weights)
        tell(found.problems("X"))
        return found.backbone

    def _rows(self, network: Pretrained, items: Items) -> NDArray[Any]:
        if isinstance(items, TableRows) and not isinstance(network, TableNetwork):
            return items.array[items.index]
        if items.modality == "text":
            tell(reading_problems(network, [items], "X"))
        found = Runner(network, self.engine, resolve_device(self.device)).stored(items, RowStore())
        for i, why in sorted(found.failed.items()):
            raise DataError(f"{items.name(i)} cannot be used: {why}.")
        return found.rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


def _is_table(x: Any) -> bool:
    """Whether scikit-learn's own validation should look at ``x``: everything but pictures, paths, texts and items."""
    if _is_item(x) or hasattr(x, "targets") or (hasattr(x, "load") and hasattr(x, "digest")):
        return False
    if isinstance(x, list | tuple):
        if not x:
            raise DataError("Found array with 0 sample(s) while a minimum of 1 is required.")
        first = x[0][0] if isinstance(x[0], list | tuple) and x[0] else x[0]
        return not _is_item(x[0]) and getattr(first, "ndim", 0) < 2 and not isinstance(first, list | tuple)
    shape = getattr(x, "shape", None)
    if shape is None:
        return hasattr(x, "__array__")
    if getattr(getattr(x, "dtype", None), "kind", "") in "UOST" and (len(shape) == 1 or shape[1:] == (1,)):
        first = next(iter(np.ravel(x)), "")
        return not _is_item(first) and getattr(first, "ndim", 0) < 2
    return len(shape) not in (3, 4)


def _is_item(x: Any) -> bool:
    """Whether it is one path, text or picture by itself."""
    return isinstance(x, str | bytes | bytearray | memoryview | PurePath | Image.Image) or hasattr(x, "read")


class OnModel(OnNetwork):
    """An estimator that ends in a model."""

    method: str
    seed: int
    corrections: str | Path | None
    record_: dict[str, Any]
    model_: Model
    learned_: Learned

    def _corrected(self, items: Items, labels: NDArray[Any], spec: LabelSpec) -> tuple[Items, NDArray[Any]]:
        """The items and labels as the file of ``corrections`` has them, which is told."""
        if self.corrections is None:
            return items, labels
        data = Dataset("X", items, {"label": spec}, {"label": labels}, np.full(len(items), ""))
        found = corrected(data, path_of(self.corrections, "corrections"))
        tell(found.problems)
        return found.items, found.y

    def _require(self, items: Items, labels: NDArray[Any], spec: LabelSpec, name: str) -> None:
        """The checks of `regraft fit` on what is to be learned; what has to do with judging is no matter here."""
        data = Dataset("y", items, {name: spec}, {name: labels}, np.full(len(items), ""))
        require_target(data)
        tell([p for p in target_problems(data) if p.kind in _TOLD])

    def _fitted(self, network: Pretrained, items: Items, y: NDArray[Any], spec: LabelSpec, **more: Any) -> Fitted:
        """What the method learns on the rows of all ``items``, and how."""
        fitted: Fitted = METHODS.get(self.method).fit_features(
            self._rows(network, items), y, spec, seed=self.seed, per_feature_scaling=network.spec.modality == "table",
            blocks=[p.width for p in parts_of(network)], **more,
        )  # fmt: skip
        for why in fitted.record.get("stopped_early", ()):
            warnings.warn(f"Before its end, {why}: it may change with more.", ConvergenceWarning, stacklevel=3)
        self.learned_ = Learned.of(items, network=network, store=RowStore())
        self.record_ = fitted.record
        return fitted

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """What the model says of ``X``, see `regraft.models.model.Model.probabilities`."""
        check_is_fitted(self)
        network = self.model_.network
        return self.model_.probabilities(self._rows(network, self._items(X, network)))

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


_TOLD = {"far-out", "classes-differ-by-case", "more-columns-than-rows"}
