"""`Detector`: boxes on pictures in scikit-learn's conventions; the constructor only stores, ``fit`` does the work."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regraft.backbones.licences import trusting
from regraft.core.boxes import Boxes, Found
from regraft.core.errors import DataError, DataWarning, InputError, UnreadableItem
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device
from regraft.core.types import LabelSpec, Problem
from regraft.data.audit.facts import Facts
from regraft.data.audit.measure import facts
from regraft.data.dataset import Dataset
from regraft.data.image.boxes import Annotated, checked, upright
from regraft.data.image.decoding import Shape, shape_of
from regraft.data.inputs import as_items
from regraft.data.items import Items, PictureFiles
from regraft.features.fingerprints import fingerprints
from regraft.methods.finetuning.detector import DEFAULT
from regraft.metrics.detection import evaluate
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.models.detectors.apply import DetectorRunner
from regraft.models.learned import Learned
from regraft.options.fit import FitOptions, Meaning, raise_all
from regraft.training import detector as training
from regraft.training.trainer import TrainingContext


class Detector(BaseEstimator):
    """Boxes from few pictures by a pretrained detector.

    Parameters
    ----------
    detector : ``yolo`` (YOLOX-nano from COCO weights), ``yolo-tiny`` ... ``yolo-x``, ``fasterrcnn``, ``ssd``.
    method : ``finetune``, ``lp-ft``, ``last-k``, ``head-only``, or ``scratch``, which transfers nothing.
    backbone : the body of ``fasterrcnn`` and ``ssd``; weights : a weights file that takes the place of the catalog's.
    epochs, lr, batch, blocks, augment, mix, multi_scale, size : as on the command line.
    threshold : the score from which boxes are told of; by default chosen inside the training pictures.
    engine : what runs the fitted network, see docs/engines.md; trust : takes weights whatever their licence.

    After ``fit``: ``classes_`` the names that were in ``y``, ``threshold_``, ``record_`` of the training, and
    ``problems_``, what was wrong with boxes, by their place in ``y``.
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
        engine: str = "auto",
        device: str = "auto",
        seed: int = 0,
        trust: bool = False,
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
        self.engine = engine
        self.device = device
        self.seed = seed
        self.trust = trust

    def fit(self, X: Any, y: Sequence[dict[str, Any]]) -> Self:
        """``X`` n pictures as in `regraft.data.inputs.as_items`; ``y`` n dicts: ``boxes`` (k, 4) of left, top, right,
        bottom in pixels of the upright picture, and ``labels`` (k,) of any class names; k may be 0. With ``size``,
        (width, height) of the picture the boxes were drawn on, those on one that its EXIF tag turns are turned too.

        Boxes that `regraft inspect` would set aside (outside, without area, twice) are set aside with a
        ``DataWarning``. Raises ``DataError`` where a picture cannot be read, where boxes and labels do not belong
        together, or where no box is left.
        """
        told = {k: v for k, v in self.get_params().items() if k not in ("threshold", "device", "seed")}
        options = FitOptions.of(**told, device=self.device, seed=self.seed)
        raise_all([*options.wrong(Meaning(self.method, "detector", "single", "detection")),
                   *map(InputError, training.wrong(options))])  # fmt: skip
        items = _pictures(X)
        entries = _entries(y, len(items))
        truth, self.classes_ = _truth(entries)
        store = RowStore()
        known, failed = facts(items, store)
        for i, why in sorted(failed.items()):
            raise DataError(f"{items.name(i)} cannot be used: {why}.")
        classes = tuple(map(str, self.classes_))
        truth, self.problems_ = _checked(truth, entries, items, classes)
        if not any(map(len, truth)):
            first = self.problems_[0]
            raise DataError(f"y has no box to learn from: {first.item}: {first.message}.")
        _warn(self.problems_, 3)
        assert isinstance(known, Facts)
        with trusting(self.trust):
            network = catalog.for_classes(
                self.detector, classes, known.info[:, :2].tolist(), scratch=self.method == "scratch",
                weights=self.weights, size=self.size, backbone=self.backbone, seed=self.seed,
            )  # fmt: skip
        network.to(resolve_device(self.device))
        data = Dataset("X", items, {"boxes": LabelSpec("detection", classes)}, {"boxes": truth},
                       np.full(len(items), ""))  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
            context = TrainingContext(options, Path(folder), resolve_device(self.device), store)
            self.record_, decision = training.train_detector(network, data, context, Stopwatch())
        self.learned_ = Learned.of(items, network=None, store=store)
        self.network_ = network.requires_grad_(False).eval()
        self._ready = DetectorRunner(self.network_, self.engine, resolve_device(self.device))
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
        found = self._ready.detections(_pictures(X), self.threshold_)
        return [{"boxes": f.xyxy, "labels": self.classes_[f.labels], "scores": f.scores} for f in found]

    def score(self, X: Any, y: Sequence[dict[str, Any]]) -> float:
        """COCO's mAP in 0..1 over the classes of the fit."""
        mean: float | None = self._figures(X, y, 3)["map"]
        return mean or 0.0

    def evaluate(self, X: Any, y: Sequence[dict[str, Any]], *, unseen: bool = False) -> dict[str, Any]:
        """COCO's figures, see `regraft.metrics.detection.evaluate`.

        Boxes of classes that were not in the fit, and those that cannot be, are left out with a ``DataWarning``.
        Another one tells of pictures that ``fit`` has learned from, and near copies of them; ``unseen`` leaves them
        out. Raises ``DataError`` where none is left.
        """
        return self._figures(X, y, 3, unseen)

    def _figures(self, X: Any, y: Sequence[dict[str, Any]], depth: int, unseen: bool = False) -> dict[str, Any]:
        check_is_fitted(self)
        items = _pictures(X)
        entries = _entries(y, len(items))
        known = self.learned_.among(items, fingerprints(items, None, RowStore()))
        _warn(known.problems("they are left out" if unseen else "the figures are too good"), depth + 1)
        if unseen:
            rest = np.flatnonzero(~known.either)
            if len(items) and not len(rest):
                raise DataError("X holds nothing but pictures that fit has learned from, or near copies of them; judge "
                                "on others.")  # fmt: skip
            items, entries = items.take(rest), [entries[i] for i in rest]
        truth, _ = _truth(entries, self.classes_)
        truth, problems = _checked(truth, entries, items, tuple(map(str, self.classes_)))
        _warn([*_others(entries, self.classes_), *problems], depth + 1)
        found: list[Found] = self._ready.detections(items)
        return evaluate(list(truth), found, list(map(str, self.classes_)))

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted detector as an artefact that `regraft.load` and the command line read."""
        check_is_fitted(self)
        record = {"name": Path(folder).name, "method": self.method, "detector": self.detector, "data": "X, y",
                  "choice": self.record_}  # fmt: skip
        return artefact.save(self.network_.cpu(), Path(folder), decision=self.decision_, metrics={}, record=record,
                             learned=self.learned_)  # fmt: skip


def _pictures(x: Any) -> Items:
    items = as_items(x, modality="image")
    if items.modality != "image":
        raise DataError(f"A detector takes pictures; these are of the kind {items.modality}.")
    return items


class _Entry(NamedTuple):
    """(k, 4) corners, (k,) class names, and the size (width, height) of what they were drawn on, where it is told."""

    xyxy: NDArray[np.float64]
    names: NDArray[Any]
    size: tuple[float, float] | None


def _entries(y: Any, n: int) -> list[_Entry]:
    """``y`` checked; raises ``DataError`` naming the entry that is wrong."""
    if not hasattr(y, "__len__") or isinstance(y, str | dict) or len(y) != n:
        many = f"{len(y)} entries" if hasattr(y, "__len__") else f"is of the type {type(y).__name__}"
        raise DataError(f"X has {n} pictures and y {many}; each picture takes one dict with boxes and labels.")
    return [_entry(one, i) for i, one in enumerate(y)]


def _truth(entries: list[_Entry], classes: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """(n,) `Boxes` and the sorted class names; those of other classes than ``classes`` are left out."""
    if classes is None:
        some = [one.names for one in entries if len(one.names)]
        if not some:
            raise DataError("y has no box to learn from.")
        classes = np.unique(np.concatenate(some))
    truth = np.empty(len(entries), object)
    for i, (xyxy, names, _) in enumerate(entries):
        kept = np.isin(names, classes) if len(names) else np.zeros(0, bool)
        truth[i] = Boxes(xyxy[kept], np.searchsorted(classes, names[kept]) if kept.any() else np.zeros(0, np.int64))
    return truth, classes


def _entry(one: Any, i: int) -> _Entry:
    if not isinstance(one, dict) or not {"boxes", "labels"} <= set(one):
        raise DataError(f"y[{i}] must be a dict with boxes (k, 4) and labels (k,).")
    wanted = "wanted are (k, 4) finite numbers and k labels"
    try:
        xyxy, names = np.asarray(one["boxes"], np.float64), np.asarray(one["labels"])
    except (TypeError, ValueError) as error:
        raise DataError(f"y[{i}] has boxes or labels that make no array ({error}); {wanted}.") from error
    names = np.asarray(names.reshape(-1).tolist()) if names.size else np.zeros(0, str)
    if xyxy.size != 4 * len(names) or (xyxy.size and xyxy.shape[-1] != 4) or not np.isfinite(xyxy).all():
        raise DataError(f"y[{i}] has boxes of the shape {xyxy.shape} and {len(names)} labels; {wanted}.")
    if any(name is None or name != name or name == "" for name in names.tolist()):
        raise DataError(f"y[{i}] has a label that is empty; each box takes the name of its class.")
    if names.dtype == object:
        raise DataError(f"y[{i}] has labels of several kinds; wanted are names or numbers.")
    return _Entry(xyxy.reshape(-1, 4), names, _size(one.get("size"), i))


def _checked(
    truth: NDArray[Any], entries: list[_Entry], items: Items, classes: tuple[str, ...]
) -> tuple[NDArray[Any], list[Problem]]:
    """The boxes that the command line would take too, turned as their pictures are, and what was wrong with others."""
    problems: list[Problem] = []
    good = np.empty(len(truth), object)
    for i, boxes in enumerate(truth):
        called, shape = f"y[{i}]", _shape(items, i)
        picture = Annotated(called, xyxy=boxes.xyxy.tolist(), size=entries[i].size)
        turned = Boxes(upright(picture, shape, called, problems), boxes.labels)
        good[i] = checked(turned, shape, classes, called, problems)
    return good, problems


def _size(size: Any, i: int) -> tuple[float, float] | None:
    if size is None:
        return None
    try:
        width, height = (float(v) for v in size)
    except (TypeError, ValueError) as error:
        raise DataError(f"y[{i}] has the size {size!r}; wanted are (width, height) in pixels.") from error
    return width, height


def _shape(items: Items, i: int) -> Shape:
    try:
        if isinstance(items, PictureFiles):
            return shape_of(items.read(i))
        height, width = items.load(i).shape[:2]
    except UnreadableItem as error:
        raise DataError(f"{items.name(i)} cannot be used: {error}.") from error
    return Shape(width, height, 1)


def _others(entries: list[_Entry], classes: NDArray[Any]) -> list[Problem]:
    """The boxes of classes that are not among ``classes``."""
    found = []
    for i, one in enumerate(entries):
        new = sorted({str(name) for name in one.names[~np.isin(one.names, classes)]})
        if new:
            found.append(Problem("unknown-class", f"y[{i}]", f"has boxes of {', '.join(new)}, which fit has not seen"))
    return found


def _warn(problems: list[Problem], depth: int) -> None:
    """Tells the caller, ``depth`` calls up, of the first problems."""
    if problems:
        some = "; ".join(f"{p.item}: {p.message}" for p in problems[:3])
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        warnings.warn(f"{some}{more}.", DataWarning, stacklevel=depth)
