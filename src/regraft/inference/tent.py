"""Tent: a model adapts to the items it is to answer, without their labels, by making its answers surer.

Wang, Shelhamer, Liu, Olshausen and Darrell 2021 (https://arxiv.org/abs/2006.10726), section 3.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from regraft.core.errors import InputError, UnknownName
from regraft.core.runtime import resolve_device, track
from regraft.data.items import Items, JoinedItems
from regraft.data.transforms.loaders import batches
from regraft.features.engines.torch import TorchEngine
from regraft.features.fusion import parts_of
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.methods.adaptation.losses.adversarial import entropy
from regraft.methods.adaptation.on_networks import even_size, recompute_batch_norm_statistics
from regraft.models.model import Model

ADAPTERS = ("tent",)
RATE, BATCH = 1e-3, 64


def tent(model: Model, items: Items, device: str = "cpu") -> Model:
    """The model after a pass over ``items`` in a fixed random order: in each batch of 64 the scales and shifts of batch
    normalisation take a step towards answers of less entropy, by the batch's own statistics; then its statistics become
    those of all items. Where the paper answers on the way, the answers here are those of the end, and do not depend on
    which batch an item comes in.

    What is unlike the training data is not known of the changed features. Raises ``InputError`` where the model has no
    batch normalisation or does not answer with one class, where its head has learned under the statistics of a
    pretraining (to take others from the items costs it points, also where nothing has shifted), or where there are
    fewer than two items.
    """
    body, head = copy.deepcopy(model.network.body), copy.deepcopy(model.head).to(device)
    norms = body.norms()
    if model.task.link != "softmax" or len(parts_of(model.network)) > 1 or not norms:
        raise InputError(f"--adapt tent is for one class an item and one network with batch normalisation; this is "
                         f"{model.network.name} for {model.target.task}.")  # fmt: skip
    if not model.network.own_statistics:
        raise InputError(
            "--adapt tent takes batch normalisation's statistics from the items, and this model's head has learned "
            f"under those of the pretraining of {model.network.name}: it would lose points even where nothing has "
            "shifted. Train it with --method finetune --batch-norm learn, or adapt by 'regraft fit DATA --target T "
            "--method adabn'."
        )
    if len(items) < 2:
        raise InputError("--adapt tent learns from many items at once; give it more than one.")
    network = replace(model.network, body=body, provenance=dict(model.network.provenance))
    engine = TorchEngine(network, device)
    engine.body.requires_grad_(False)
    learning = [p.requires_grad_() for m in norms for p in m.parameters()]
    optimiser = torch.optim.Adam(learning, lr=RATE)
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    for x in shuffled(engine, items, "adapting"):
        optimiser.zero_grad()
        entropy(head(engine.body.features(x))).mean().backward()
        optimiser.step()
    for norm in norms:
        norm.track_running_stats = True
    with recompute_batch_norm_statistics(body):
        for x in shuffled(engine, items, "statistics"):
            engine.body.features(x)
    body.requires_grad_(False).eval().cpu()
    network.provenance.pop("digest", None)
    return replace(model, network=network, familiar=None)


def shuffled(engine: TorchEngine, items: Items, label: str) -> Iterator[Tensor]:
    """Prepared batches of the items that can be read, in a fixed random order; one item alone has no statistics, so
    none is left for the last batch.
    """
    order = np.random.default_rng(0).permutation(len(items)).tolist()
    size = even_size(len(items), BATCH)
    for batch in track(batches(items, order, engine.spec, size), label, -(-len(items) // size)):
        if len(batch.positions) > 1:
            yield engine.normalise(batch.data[: len(batch.positions)])


def adapting(
    predictor: Predictor | TaskPredictor, items: Sequence[Items], how: str, *, engine: str = "auto",
    device: str = "auto",
) -> Predictor:  # fmt: skip
    """``predictor`` after its model adapted to all of ``items``; raises ``UnknownName`` and what `tent` raises."""
    if how not in ADAPTERS:
        raise UnknownName("way to adapt while predicting", how, list(ADAPTERS))
    if isinstance(predictor, TaskPredictor):
        raise InputError("--adapt is for a model of one task; name one, as RUN#TASK.")
    some = reduce(JoinedItems, items)
    return Predictor(tent(predictor.model, some, resolve_device(device)), predictor.manifest, engine=engine,
                     device=device)  # fmt: skip
