"""``--method auto``: the probe first, then fine-tuning if there is time for it, and the better of the two."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.core.errors import InputError, TrainingError
from regraft.core.files import write_json
from regraft.core.row_store import RowStore
from regraft.core.runtime import bf16_pays, say
from regraft.data.dataset import Dataset
from regraft.data.transforms.augment import Policy, may_flip
from regraft.features.labelled import LabelledFeatures
from regraft.methods import METHODS
from regraft.methods.auto import NEXT
from regraft.methods.probes.linear_probe import row_weights
from regraft.methods.probes.logistic import targets_of
from regraft.models.heads import LinearHead
from regraft.training.calibration import inner_loss
from regraft.training.defaults import default_epochs
from regraft.training.feeds.base import count
from regraft.training.feeds.build import make_feed
from regraft.training.learner import Learner
from regraft.training.precision import strided_depthwise_in_float32
from regraft.training.requirements import check
from regraft.training.trainer import Initialization, TrainedNetwork, adapt, link_of
from regraft.training.validation import FROM, promised, validation_parts

DEFAULT_BUDGET, LEAST_EPOCHS, TRIAL_STEPS, USED = "10m", 2, 3, 0.8


def auto(
    start: Initialization,
    data: Dataset,
    rows: LabelledFeatures,
    settings: dict[str, Any],
    *,
    learn: Callable[..., Any],
    left: float,
    groups: NDArray[Any] | None,
    folder: Path,
    device: str,
    store: RowStore,
) -> tuple[TrainedNetwork | None, list[dict[str, Any]]]:
    """The fine-tuned network where it beats the probe on the inner split, else None; and every step that was tried.

    ``left`` are the seconds of the budget that are left. ``learn`` fits a probe. What the clock decided is kept in
    ``folder``, so that a resumed run goes the same way.
    """
    inside, hold, _ = validation_parts(rows.y, groups, settings["seed"], promised(settings))
    if not len(hold):
        return None, [
            _skipped(f"{FROM} items at least are needed to hold some out to choose by; there are {len(rows.y)}")
        ]
    try:
        check(start.network, data, settings | {"method": NEXT})
    except InputError as error:
        return None, [_skipped(str(error))]
    began = time.perf_counter()
    learn = partial(learn, groups=None if groups is None else groups[inside])
    steps: list[dict[str, Any]] = [
        {"method": "linear-probe", "inner_log_loss": _probe(learn, data, rows, settings, inside, hold),
         "seconds": round(time.perf_counter() - began, 2)}
    ]  # fmt: skip
    epochs = settings["epochs"] or _epochs(start, data.take(rows.items), rows, settings, left, folder, device, store)
    if epochs < LEAST_EPOCHS:
        return None, [*steps, _skipped(f"{left:.0f} s are left of the budget, too little for {LEAST_EPOCHS} epochs")]
    began = time.perf_counter()
    try:
        own = settings | {"method": NEXT, "epochs": epochs}
        adapted = adapt(METHODS.get(NEXT), start, data, rows, own, groups=groups, folder=folder, device=device,
                        store=store)  # fmt: skip
    except TrainingError as error:
        return None, [*steps, _skipped(str(error))]
    loss = adapted.record["inner_log_loss"]
    steps.append({"method": NEXT, "epochs": epochs, "inner_log_loss": loss,
                  "seconds": round(time.perf_counter() - began, 2)})  # fmt: skip
    better = loss < steps[0]["inner_log_loss"]
    say(f"{NEXT}: inner log loss {loss:.4f}, linear-probe {steps[0]['inner_log_loss']:.4f}: "
        f"{NEXT if better else 'linear-probe'} is taken")  # fmt: skip
    return (adapted if better else None), steps


def _skipped(why: str) -> dict[str, Any]:
    say(f"{NEXT} is not tried: {why}")
    return {"method": NEXT, "skipped": why}


def _probe(
    learn: Callable[..., Any], data: Dataset, rows: LabelledFeatures, settings: dict[str, Any], inside: Any, hold: Any
) -> float:
    """How a probe that has not seen the inner part does on it."""
    head = learn(rows.x[inside], rows.y[inside]).head
    with torch.inference_mode():
        logits = head(torch.from_numpy(rows.x[hold])).double().numpy()
    if data.kind.numbers:
        unit = float(rows.y[inside].std()) or 1.0  # as training measures it
        return inner_loss(data.target.task, logits / unit, rows.y[hold, None] / unit, link_of(data))
    targets = targets_of(rows.y, len(data.classes))
    weights = row_weights(targets, settings["class_weight"])
    known = None if weights is None else weights[hold]
    return inner_loss(data.target.task, logits, targets[hold], link_of(data), known)


def _epochs(
    start: Initialization,
    data: Dataset,
    rows: LabelledFeatures,
    settings: dict[str, Any],
    left: float,
    folder: Path,
    device: str,
    store: RowStore,
) -> int:
    """How many epochs the seconds ``left`` pay for, by the time that a few steps take; once found, remembered."""
    path = folder / "checkpoints" / "auto.json"
    if path.is_file():
        return int(json.loads(path.read_text(encoding="utf-8"))["epochs"])
    batch = settings["batch"] or 32
    policy = Policy(settings["augment"] or "light", flips=may_flip(data.classes))
    feed = make_feed(start.network, 0, data, rows.x, policy, seed=settings["seed"], device=device, store=store)
    head: LinearHead = copy.deepcopy(start.probe).requires_grad_(True)
    learner = Learner(copy.deepcopy(start.network.body).to(device), head.to(device))
    learner.body.freeze(0).keep_statistics(
        settings["batch_norm"] == "keep" or (settings["batch_norm"] is None and start.network.has_learned)
    )
    learner.train()
    times = []
    with strided_depthwise_in_float32(learner, device == "cpu"):
        begun = time.perf_counter()
        for x, _ in islice(feed.epoch(0, batch, 0), TRIAL_STEPS + 1):
            if len(x) > 1:
                with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=bf16_pays(device)):
                    learner(x.to(device)).float().logsumexp(1).mean().backward()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
            begun = time.perf_counter()
    each = float(np.mean(times[1:] or times)) * count(len(data), batch)
    epochs = int(min(default_epochs(len(data), data.modality == "text"), USED * left / each))
    write_json(path, {"epochs": epochs, "seconds_an_epoch": each, "seconds_left": left})
    return epochs
