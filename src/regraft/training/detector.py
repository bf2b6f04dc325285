"""How a detector learns: the feed, the loop, the choice of the epoch and of the threshold of what is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.boxes import Found, classes_present
from regraft.core.errors import InputError
from regraft.core.runtime import Stopwatch, say
from regraft.data.dataset import Dataset
from regraft.data.folds import hold_out
from regraft.data.transforms.augment_boxes import BoxPolicy
from regraft.data.transforms.policy import may_flip
from regraft.methods.finetuning.detector import DEFAULT, SUMMARIES, phases
from regraft.metrics.detection import best_threshold, mean_ap
from regraft.models.detectors.base import BATCH, Detector, Framed
from regraft.models.detectors.letterbox import scaled_frames
from regraft.options.fit import FitOptions
from regraft.options.training import TrainingOptions
from regraft.training.defaults import loop_settings, method_options
from regraft.training.feeds.base import Batches
from regraft.training.feeds.detection import FrameBatches, stored_maps
from regraft.training.feeds.detection_views import View
from regraft.training.trainer import TrainingContext

LEARNED, POLICY, CLIP = 8, "standard", 10.0
"""Pictures in a training step, and how they are augmented, where nothing else is said; the longest gradient."""

FROM, SHARE, VIEWS, UNCHOSEN, LAST = 100, 0.15, 4, 0.3, 2
"""From how many pictures on what share is held out inside; stored views of each; the threshold where none is; how many
blocks last-k trains.
"""


MIXES = (None, "none", "mosaic", "mixup", "mosaic+mixup")
STORED = ("head-only", "last-k")


def wrong(options: FitOptions) -> Iterator[str]:
    """A sentence for each option that a detector cannot be trained by."""
    training, size = options.training, options.network.size
    method, mix = training.method, training.mix
    if method not in SUMMARIES:
        yield f"--method {method} is not for detectors; they take {', '.join(SUMMARIES)}."
    if training.lr == "auto":
        yield "--lr auto is not for detectors; leave it out, or give a number such as 1e-3."
    if size is not None and size < 64:
        yield f"--size is {size}; a detector's frame has at least 64 pixels a side."
    if mix not in MIXES:
        yield f"--mix {mix} is not for detectors; they take {', '.join(filter(None, MIXES))}."
    if mix not in (None, "none") and method in STORED:
        yield f"--mix {mix} joins pictures, and {method} learns from stored maps."
    if training.multi_scale and method in STORED:
        yield f"--multi-scale changes the frame, and {method} learns from stored maps of one."
    if training.augment:
        try:
            BoxPolicy(training.augment).steps  # noqa: B018 raises where a name is unknown
        except InputError as error:
            yield str(error)


def train_detector(
    detector: Detector, data: Dataset, context: TrainingContext, watch: Stopwatch, groups: NDArray[Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Trains ``detector`` in place by the method of the options: a record of how, and the decision (``threshold``).

    15 % of the pictures, from 100 on, choose the epoch (by mAP) and the threshold; none of ``groups`` (n,) is torn.
    """
    training = context.options.training
    inside, hold = inner_pictures(data, groups, context.seed)
    inner, learned = _Inner(data.take(hold)), data.take(inside)
    told = method_options(training, "image", default_epochs(len(learned)), LAST)
    plan = phases(training.method or DEFAULT, len(detector.body.blocks), told, detector.kept)
    detector.first_trained_block = min(p.frozen for p in plan)
    if training.multi_scale and detector.own_frame:
        raise InputError(f"--multi-scale: {detector.recipe['torchvision']} takes pictures of one size only.")
    with watch("extract"):
        feed = _feed(detector, learned, context, told.epochs)
    loop = loop_settings(context.options, _fingerprint(learned), batch=LEARNED, clip=CLIP)
    with watch("fit"):
        progress, record = context.train(detector, plan, feed, np.zeros((len(learned), 1)), loop,
                                         inner.loss if len(hold) else None)  # fmt: skip
    detector.body.freeze()
    decision: dict[str, Any] = {"threshold": UNCHOSEN, "chosen_by": "default, since nothing was held out inside"}
    if len(hold):
        best = best_threshold(list(inner.data.y), inner.found(detector))
        decision = {**best, "chosen_by": "best F1 on the inner part"}
    detector.first_trained_block = 0
    return record | {
        "frame": detector.frame, "stored_views": VIEWS * bool(min(p.frozen for p in plan)),
        "augment": training.augment or POLICY, "origin": asdict(detector.origin), "inner_items": len(hold),
        "inner_map": 1 - progress.best if len(hold) else None,
        "chosen_by": "mAP on the inner part" if len(hold) else "last averaged weights",
    }, decision  # fmt: skip


def inner_pictures(data: Dataset, groups: NDArray[Any] | None, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Positions to learn from and to choose by: 15 % from 100 pictures on, else none."""
    if len(data) < FROM:
        return np.arange(len(data)), np.zeros(0, np.int64)
    return hold_out(classes_present(data.y, len(data.classes)), groups, share=SHARE, seed=seed)


def default_epochs(n: int) -> int:
    """Enough passes for a few hundred steps, fewer where a pass is long already."""
    return int(np.clip(round(3_000 / n), 12, 100))


def view_of(training: TrainingOptions, classes: tuple[str, ...], epochs: int, stretch: bool = False) -> View:
    """How pictures are augmented; not mirrored where the classes would not mean the same, and the last third of the
    epochs without pictures joined.
    """
    flips = may_flip(classes)
    if not flips:
        say("pictures are not mirrored: these classes would not mean the same")
    joins = (training.mix or "").split("+")
    policy = BoxPolicy(training.augment or POLICY, flips)
    return View(policy, round(epochs * 2 / 3), "mosaic" in joins, "mixup" in joins, stretch)


def _feed(detector: Detector, data: Dataset, context: TrainingContext, epochs: int) -> Batches:
    """Frames augmented anew each epoch, or the stored maps of some views where the first blocks stay frozen."""
    training = context.options.training
    view = view_of(training, data.classes, epochs, detector.stretches)
    frames = scaled_frames(detector.frame) if training.multi_scale else [detector.frame]
    feed = FrameBatches(data.items, list(data.y), view, frames, context.seed)
    if not detector.first_trained_block:
        return feed
    return stored_maps(detector, detector.first_trained_block, feed, VIEWS, context.store)


class _Inner:
    """The pictures held out inside the training part; what frozen blocks make of them is computed once."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.kept: list[Framed] = []

    def found(self, detector: Detector) -> list[Found]:
        if detector.first_trained_block:
            self.kept = self.kept or list(self.framed(detector))
        looked = self.kept if detector.first_trained_block else self.framed(detector)
        answers = {i: f for some in looked for i, f in zip(some.positions, detector.answers(some), strict=True)}
        return [answers[i] for i in range(len(self.data))]

    def framed(self, detector: Detector) -> Iterator[Framed]:
        """What the frozen blocks make of the pictures, of which a batch at a time is decoded."""
        for start in range(0, len(self.data), BATCH):
            some = range(start, min(start + BATCH, len(self.data)))
            for one in detector.framed([self.data.items.load(i) for i in some]):
                yield one._replace(positions=[start + p for p in one.positions])

    def loss(self, detector: Any) -> float:
        """1 - mAP."""
        return 1 - (mean_ap(list(self.data.y), self.found(detector), self.data.classes) or 0.0)


def _fingerprint(data: Dataset) -> str:
    """Names the pictures and their boxes: what a checkpoint must not be resumed without."""
    h = hashlib.blake2b(digest_size=16)
    for i, boxes in enumerate(data.y):
        h.update(data.items.digest(i) + boxes.xyxy.tobytes() + boxes.labels.tobytes() + boxes.crowd.tobytes())
    return h.hexdigest()
