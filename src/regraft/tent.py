"""Tent: a model that adapts to the items while it answers, by making its answers surer.

Wang, Shelhamer, Liu, Olshausen and Darrell 2021 (https://arxiv.org/abs/2006.10726), section 3.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regraft.adaptation.adversarial import entropy
from regraft.data.items import Items
from regraft.data.loaders import batches
from regraft.errors import InputError, UnknownName
from regraft.features.engines import TorchEngine
from regraft.features.extract import Extracted
from regraft.features.fusion import parts_of
from regraft.model.model import Model
from regraft.predictor import Answers, Predictor, load
from regraft.runtime import track

ADAPTERS = ("tent",)
RATE, BATCH = 1e-3, 64
Norm = torch.nn.modules.batchnorm._BatchNorm


class Tent(Predictor):
    """Answers as they come from each batch's own statistics; after each batch the scales and shifts of batch
    normalisation take a step towards answers of less entropy. Every `Tent.stream` starts from the model as it was
    saved, so the same items in the same order get the same answers.

    Raises ``InputError`` where the model has no batch normalisation, or does not answer with one class.
    """

    def __init__(self, model: Model, manifest: dict[str, Any], *, device: str = "auto") -> None:
        super().__init__(model, manifest, engine="torch", device=device)
        norms = [m for m in model.network.body.modules() if isinstance(m, Norm)]
        if model.target.task != "classification" or len(parts_of(model.network)) > 1 or not norms:
            raise InputError(f"--adapt tent is for one class an item and one network with batch normalisation; this "
                             f"is {model.network.name} for {model.target.task}.")  # fmt: skip

    def stream(self, items: Items, label: str = "predictions") -> Iterator[Answers]:
        network = replace(self.model.network, body=copy.deepcopy(self.model.network.body))
        engine, head = TorchEngine(network, self.runner.device), copy.deepcopy(self.model.head).to(self.runner.device)
        engine.body.requires_grad_(False)
        norms = [m for m in engine.body.modules() if isinstance(m, Norm)]
        learning = [p.requires_grad_() for m in norms for p in m.parameters()]
        optimiser = torch.optim.Adam(learning, lr=RATE)
        work = batches(items, range(len(items)), network.spec, BATCH)
        for batch in track(work, label, -(-len(items) // BATCH)):
            n, rows = len(batch.positions), np.zeros((0, network.width), np.float32)
            for norm in norms:  # one item alone has no statistics
                norm.train(n > 1)
                norm.track_running_stats = n <= 1
            if n:
                features = engine.body.features(engine.normalise(batch.data[:n]))
                rows = features.detach().cpu().numpy()
            if n > 1:
                optimiser.zero_grad()
                entropy(head(features)).mean().backward()
                optimiser.step()
            yield self.answers_of(Extracted(rows, np.array(batch.positions, np.int64), batch.failed, n))


def adapting(path: str | Path, how: str, *, device: str = "auto") -> Predictor:
    """The model of a run, ready to adapt while it predicts; raises ``UnknownName`` and what `load` raises."""
    if how not in ADAPTERS:
        raise UnknownName("way to adapt while predicting", how, list(ADAPTERS))
    plain = load(path, device=device)
    return Tent(plain.model, plain.manifest, device=device)
