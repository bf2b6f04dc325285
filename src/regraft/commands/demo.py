"""``regraft demo``: what transfer is worth when labels are few, on data and weights that need no network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.commands.predict import predict
from regraft.core.errors import ArtefactError, UnknownName
from regraft.core.files import output, write_json
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, start_up, track
from regraft.data.dataset import Dataset
from regraft.data.open import open_data
from regraft.features.fusion import TfIdfNetwork, learned, parts_of
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.methods import METHODS
from regraft.models.model import Model
from regraft.pipelines.fit import fit
from regraft.pipelines.result import FitResult

FEW = "few_labels.json"
"""What only a demo has in its run folder."""


@dataclass(frozen=True)
class Show:
    """What a demo shows: data, the network, and what it is compared with."""

    data: str
    backbone: str
    control: str
    labels: tuple[int, ...]


SHOWS = {
    "digits": Show("embedded:digits", "regraft_tiny", "raw", (1, 2, 5, 10, 20)),
    "text": Show("embedded:reviews", "regraft_tiny_text", "tfidf", (1, 2, 5, 10)),
}


@dataclass(frozen=True)
class DemoResult:
    """``few`` holds ``labels``, ``seeds`` and for each network its curve; ``fit`` the run on all labels."""

    what: str
    few: dict[str, Any]
    fit: FitResult
    predictions: list[dict[str, Any]]


def demo(what: str = "digits", *, out: str | None = None, seeds: int = 10) -> DemoResult:
    """Digits, or reviews in two languages (``text``), with 1 to 20 labels a class, ``seeds`` draws each, against raw
    pixels or counted words; then a model on all labels. Writes the run folder ``out`` (``runs/demo-WHAT``).
    """
    if what not in SHOWS:
        raise UnknownName("demo", what, [*SHOWS])
    show, folder = SHOWS[what], output(f"runs/demo-{what}" if out is None else out)
    if folder.exists() and not (folder / FEW).is_file():
        raise ArtefactError(f"{folder} is no run folder of a demo: choose another --out; nothing was touched.")
    before, watch = start_up(), Stopwatch()
    with watch("few labels"):
        few = few_label_curves(open_data(show.data), (show.backbone, show.control), show.labels, seeds)
    result = fit(show.data, backbone=show.backbone, out=str(folder), overwrite=True)
    assert isinstance(result, FitResult)
    write_json(folder / FEW, few)
    answers = predict(str(folder), [show.data]).predictions[:5]
    spent = {"startup": before or 0.0, "few labels": watch.seconds["few labels"]}
    seconds = spent | result.seconds | {"total": sum(spent.values()) + result.seconds["total"]}
    return DemoResult(what, few, replace(result, run=str(folder), seconds=seconds), answers)


def few_label_curves(
    data: Dataset,
    backbones: tuple[str, ...],
    labels: tuple[int, ...],
    seeds: int,
    method: str = "linear-probe",
) -> dict[str, Any]:
    """Accuracy on all items not drawn, by network and number of labels a class, over the same draws for each."""
    learn, store = METHODS.get(method).fit_features, RowStore()
    curves: dict[str, list[dict[str, Any]]] = {}
    for backbone in backbones:
        network = network_for(data.items, backbone)
        counted = any(isinstance(p, TfIdfNetwork) for p in parts_of(network))
        rows = None if counted else Runner(network).stored(data.items, store).rows
        curves[backbone] = []
        for count in track(labels, f"few labels on {backbone}", len(labels)):
            scores = []
            for seed in range(seeds):
                drawn = draw(data.y, count, seed)
                rest = np.setdiff1d(np.arange(len(data)), drawn)
                if counted:  # learned anew from every draw
                    network = learned(network, data.items.take(drawn))
                    rows = Runner(network).stored(data.items, store).rows
                assert rows is not None
                head = learn(rows[drawn], data.y[drawn], data.target, seed=seed).head
                model = Model(network, head, data.target_name, data.target)
                scores.append(float((model.logits(rows[rest]).argmax(1) == data.y[rest]).mean()))
            curves[backbone].append({"labels": count, "mean": float(np.mean(scores)), "low": min(scores),
                                     "high": max(scores), "scores": scores})  # fmt: skip
    return {"data": data.name, "labels": list(labels), "seeds": seeds, "method": method, "curves": curves}


def draw(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of ``count`` items of every class, in class order."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y == c))[:count] for c in np.unique(y)])
