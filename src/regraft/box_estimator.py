"""`Detector`: boxes on pictures in scikit-learn's conventions; the constructor only stores, ``fit`` does the work."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regraft.boxes import Boxes, Found
from regraft.data.dataset import Dataset
from regraft.data.facts import Facts
from regraft.data.inputs import as_items
from regraft.data.items import Items
from regraft.detection import artefact, catalog
from regraft.detection.folding import folded
from regraft.detection_metrics import evaluate
from regraft.errors import DataError
from regraft.features.facts import facts
from regraft.features.store import RowStore
from regraft.methods.detectors import DEFAULT
from regraft.runtime import Stopwatch, resolve_device
from regraft.training import boxes as training
from regraft.training.checks import check_training
from regraft.types import TargetSpec

_LEFT_OPEN = ("accumulate", "schedule", "ema", "patience", "batch_norm", "tensorboard")


class Detector(BaseEstimator):
    """Boxes from few pictures by a pretrained detector.

    Parameters
    ----------
    detector : ``yolo`` (YOLOX-nano from COCO weights), ``yolo-tiny`` ... ``yolo-x``, ``fasterrcnn``, ``ssd``.
    method : ``finetune``, ``lp-ft``, ``last-k``, ``head-only``, or ``scratch``, which transfers nothing.
    backbone : the body of ``fasterrcnn`` and ``ssd``; weights : a weights file that takes the place of the catalog's.
    epochs, lr, batch, blocks, augment, mix, multi_scale, size : as on the command line.
    threshold : the score from which boxes are told of; by default chosen inside the training pictures.

    After ``fit``: ``classes_`` the names that were in ``y``, ``threshold_``, and ``record_`` of the training.
    """

    def __init__(
        self,
        detector: str = catalog.DEFAULT,
        method: str = DEFAULT,
        *,
        backbone: str | None = None,
        weights: str | Path | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch: int | None = None,
        blocks: int | None = None,
        augment: str | None = None,
        mix: str | None = None,
        multi_scale: bool = False,
        size: int | None = None,
        threshold: float | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.detector = detector
        self.method = method
        self.backbone = backbone
        self.weights = weights
        self.epochs = epochs
        self.lr = lr
        self.batch = batch
        self.blocks = blocks
        self.augment = augment
        self.mix = mix
        self.multi_scale = multi_scale
        self.size = size
        self.threshold = threshold
        self.device = device
        self.seed = seed

    def fit(self, X: Any, y: Sequence[dict[str, Any]]) -> Self:
        """``X`` n pictures as in `regraft.data.inputs.as_items`; ``y`` n dicts: ``boxes`` (k, 4) of left, top, right,
        bottom in pixels, and ``labels`` (k,) of any class names; k may be 0.

        Raises ``DataError`` where a picture cannot be read, or boxes and labels do not belong together.
        """
        settings = {**dict.fromkeys(_LEFT_OPEN), **self.get_params()}
        check_training(settings)
        training.check(settings)
        items = _pictures(X)
        truth, self.classes_ = _truth(y, len(items))
        store = RowStore()
        known, failed = facts(items, store)
        for i, why in sorted(failed.items()):
            raise DataError(f"{items.name(i)} cannot be used: {why}.")
        classes = tuple(map(str, self.classes_))
        assert isinstance(known, Facts)
        network = catalog.for_classes(
            self.detector, classes, known.info[:, :2].tolist(), scratch=self.method == "scratch", weights=self.weights,
            size=self.size, backbone=self.backbone, seed=self.seed,
        )  # fmt: skip
        network.to(resolve_device(self.device))
        data = Dataset("X", items, {"boxes": TargetSpec("detection", classes)}, {"boxes": truth},
                       np.full(len(items), ""))  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
            self.record_, decision = training.learn(
                network, data, settings, groups=None, folder=Path(folder), store=store, watch=Stopwatch()
            )
        self.network_ = network.requires_grad_(False).eval()
        self._ready = folded(self.network_)
        if self.threshold is not None:
            decision = {"threshold": self.threshold, "chosen_by": "the user"}
        self.decision_ = decision
        self.threshold_ = float(self.decision_["threshold"])
        return self

    def predict(self, X: Any) -> list[dict[str, NDArray[Any]]]:
        """A dict a picture: ``boxes`` (k, 4) in its pixels, ``labels`` (k,) as in ``y``, ``scores`` (k,), best first.

        Raises ``DataError`` naming the first picture that cannot be read.
        """
        check_is_fitted(self)
        found = training.detections(self._ready, _pictures(X), self.threshold_)
        return [{"boxes": f.xyxy, "labels": self.classes_[f.labels], "scores": f.scores} for f in found]

    def score(self, X: Any, y: Sequence[dict[str, Any]]) -> float:
        """COCO's mAP in 0..1 over the classes of the fit."""
        mean: float | None = self.evaluate(X, y)["map"]
        return mean or 0.0

    def evaluate(self, X: Any, y: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """COCO's figures, see `regraft.detection_metrics.evaluate`."""
        check_is_fitted(self)
        items = _pictures(X)
        truth, _ = _truth(y, len(items), self.classes_)
        found: list[Found] = training.detections(self._ready, items)
        return evaluate(list(truth), found, list(map(str, self.classes_)))

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted detector as an artefact that `regraft.load` and the command line read."""
        check_is_fitted(self)
        record = {"name": Path(folder).name, "method": self.method, "detector": self.detector, "data": "X, y",
                  "choice": self.record_}  # fmt: skip
        return artefact.save(self.network_.cpu(), Path(folder), decision=self.decision_, metrics={}, record=record)


def _pictures(x: Any) -> Items:
    items = as_items(x, modality="image")
    if items.modality != "image":
        raise DataError(f"A detector takes pictures; these are of the kind {items.modality}.")
    return items


def _truth(
    y: Sequence[dict[str, Any]], n: int, classes: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(n,) `Boxes` and the sorted class names; those of other classes than ``classes`` are left out."""
    if len(y) != n:
        raise DataError(f"X has {n} pictures and y {len(y)} entries; each picture takes one.")
    labels, corners = [], []
    for i, one in enumerate(y):
        if not isinstance(one, dict) or not {"boxes", "labels"} <= set(one):
            raise DataError(f"y[{i}] must be a dict with boxes (k, 4) and labels (k,).")
        xyxy, names = np.asarray(one["boxes"], np.float64), np.asarray(one["labels"])
        if xyxy.size != 4 * len(names) or not np.isfinite(xyxy).all():
            raise DataError(f"y[{i}] has boxes of the shape {xyxy.shape} and {len(names)} labels; wanted are (k, 4) "
                            "finite numbers and k labels.")  # fmt: skip
        corners.append(xyxy.reshape(-1, 4))
        labels.append(names)
    if classes is None:
        some = [names for names in labels if len(names)]
        if not some:
            raise DataError("y has no box to learn from.")
        classes = np.unique(np.concatenate(some))
    truth = np.empty(n, object)
    for i, (xyxy, names) in enumerate(zip(corners, labels, strict=True)):
        kept = np.isin(names, classes) if len(names) else np.zeros(0, bool)
        truth[i] = Boxes(xyxy[kept], np.searchsorted(classes, names[kept]) if kept.any() else np.zeros(0, np.int64))
    return truth, classes
