"""``--method auto``: the probe first, then fine-tuning if there is time for it, and the better of the two."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.backbones.base import copied
from regraft.core.errors import InputError, TrainingError
from regraft.core.files import write_json
from regraft.core.runtime import bf16_pays, say
from regraft.data.dataset import Dataset
from regraft.features.labelled import LabelledFeatures
from regraft.methods import METHODS
from regraft.methods.auto import NEXT
from regraft.methods.base import Phase
from regraft.models.heads import LinearHead
from regraft.training.calibration import inner_loss
from regraft.training.defaults import default_epochs, policy_of, trains_embeddings
from regraft.training.examples import Examples
from regraft.training.feeds.base import count
from regraft.training.frozen import let_learn
from regraft.training.learner import Learner
from regraft.training.network import train_network
from regraft.training.precision import strided_depthwise_in_float32
from regraft.training.requirements import check
from regraft.training.trainer import Initialization, TrainedNetwork, TrainingContext
from regraft.training.validation import FROM

LEAST_EPOCHS, TRIAL_STEPS, USED = 2, 3, 0.8


def auto(
    start: Initialization, data: Dataset, rows: LabelledFeatures, context: TrainingContext, *,
    learn: Callable[..., Any], left: float, groups: NDArray[Any] | None,
) -> tuple[TrainedNetwork | None, list[dict[str, Any]]]:  # fmt: skip
    """The fine-tuned network where it beats the probe on the inner split, else None; and every step that was tried.

    ``left`` are the seconds of the budget that are left. ``learn`` fits a probe. What the clock decided is kept in the
    folder, so that a resumed run goes the same way.
    """
    context = context.with_options(method=NEXT)
    examples = Examples.of(data, rows, groups, context.options)
    inside, hold = examples.learn, examples.hold
    if not len(hold):
        return None, [
            _skipped(f"{FROM} items at least are needed to hold some out to choose by; there are {len(rows.y)}")
        ]
    try:
        check(start.network, data, context.options)
    except InputError as error:
        return None, [_skipped(str(error))]
    began = time.perf_counter()
    learn = partial(learn, groups=None if groups is None else groups[inside])
    steps: list[dict[str, Any]] = [
        {"method": "linear-probe", "inner_log_loss": _probe(learn, examples),
         "seconds": round(time.perf_counter() - began, 2)}
    ]  # fmt: skip
    epochs = context.options.training.epochs or _epochs(start, examples, left, context)
    if epochs < LEAST_EPOCHS:
        return None, [*steps, _skipped(f"{left:.0f} s are left of the budget, too little for {LEAST_EPOCHS} epochs")]
    began = time.perf_counter()
    try:
        trained = train_network(METHODS.get(NEXT), start, data, rows, context.with_options(epochs=epochs), groups)
    except TrainingError as error:
        return None, [*steps, _skipped(str(error))]
    loss = trained.record["inner_log_loss"]
    steps.append({"method": NEXT, "epochs": epochs, "inner_log_loss": loss,
                  "seconds": round(time.perf_counter() - began, 2)})  # fmt: skip
    better = loss < steps[0]["inner_log_loss"]
    say(f"{NEXT}: inner log loss {loss:.4f}, linear-probe {steps[0]['inner_log_loss']:.4f}: "
        f"{NEXT if better else 'linear-probe'} is taken")  # fmt: skip
    return (trained if better else None), steps


def _skipped(why: str) -> dict[str, Any]:
    say(f"{NEXT} is not tried: {why}")
    return {"method": NEXT, "skipped": why}


def _probe(learn: Callable[..., Any], examples: Examples) -> float:
    """How a probe that has not seen the inner part does on it."""
    rows, inside, hold = examples.rows, examples.learn, examples.hold
    head = learn(rows.x[inside], rows.y[inside]).head
    with torch.inference_mode():
        outputs = head(torch.from_numpy(rows.x[hold])).double().numpy()
    if examples.numbers:
        scale = examples.label_scale  # as training measures it
        return inner_loss(outputs / scale, rows.y[hold, None] / scale, examples.link)
    known = None if examples.weights is None else examples.weights[hold]
    return inner_loss(outputs, examples.targets[hold], examples.link, known)


def _epochs(start: Initialization, examples: Examples, left: float, context: TrainingContext) -> int:
    """How many epochs the seconds ``left`` pay for, by the time that a few steps take; once found, remembered."""
    path = context.folder / "checkpoints" / "auto.json"
    if path.is_file():
        return int(json.loads(path.read_text(encoding="utf-8"))["epochs"])
    training, data, device = context.options.training, examples.data, context.device
    batch = training.batch or 32
    feeds = context.feeds(start.network, policy_of(training, data.modality, data.classes))
    feed = feeds.augmented(data, examples.rows.x)
    head: LinearHead = copy.deepcopy(start.probe).requires_grad_(True)
    embeddings = trains_embeddings(training, start.network)
    learner = Learner(copied(start.network.body, share_word_vectors=not embeddings).to(device), head.to(device))
    let_learn(learner, Phase(NEXT, 1, 0, 0.0), embeddings)
    learner.body.keep_statistics(
        training.batch_norm == "keep" or (training.batch_norm is None and start.network.has_learned)
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
