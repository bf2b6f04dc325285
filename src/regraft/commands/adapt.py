"""From a frozen network and its probe to a trained one: what `fit` does for methods with phases."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.commands.split import Rows
from regraft.data.augment import Policy, may_flip
from regraft.data.dataset import Dataset
from regraft.data.parts import hold_out
from regraft.errors import InputError
from regraft.features.engines import make_engine
from regraft.features.extract import extract
from regraft.features.prefix import activation_views
from regraft.features.store import RowStore
from regraft.methods.base import Options, Plan
from regraft.methods.logistic import cross_entropy, optimal_temperature, smoothed_targets, targets_of
from regraft.model.heads import LinearHead, MLPHead
from regraft.runtime import say
from regraft.training.batches import Batches, PictureBatches, RowBatches
from regraft.training.loop import Learner, Settings, bf16_pays, train

VIEWS, INNER_FROM, INNER_SHARE = 4, 100, 0.15


@dataclass(frozen=True)
class Adapted:
    """A trained network with its head, and a record of how it came about.

    ``logits`` (m, k) are calibrated ones of the items with ``labels`` (m,) that were held out inside the training part.
    """

    network: Pretrained
    head: nn.Module
    record: dict[str, Any]
    logits: NDArray[Any] | None
    labels: NDArray[np.int64]


def adapt(
    method: Any,
    network: Pretrained,
    probe: LinearHead,
    data: Dataset,
    rows: Rows,
    settings: dict[str, Any],
    *,
    groups: NDArray[Any] | None,
    folder: Path,
    device: str,
    store: RowStore,
) -> Adapted:
    """Trains ``network`` (left as it is; a copy learns) on the items of ``rows`` by the phases of ``method``.

    From 100 items on, 15 % are held out inside the training part to choose the epoch and the temperature. Frozen first
    blocks are computed once, in four augmented views a picture.
    """
    if data.modality != "image" or network.recipe["architecture"] == "raw":
        raise InputError(f"--method {settings['method']} trains a network on pictures; the backbone is {network.name}.")
    if data.target.task != "classification":
        raise InputError(f"--method {settings['method']} is for one label a picture so far; take linear-probe.")
    data, labels = data.take(rows.items), rows.y
    classes = data.classes
    options = Options(settings["epochs"] or default_epochs(len(data)), settings["lr"], settings["blocks"] or 4)
    plan: Plan = method.plan(len(network.body.blocks), options)
    untrained = f"random:{network.name.removeprefix('random:')}"
    base = network if plan.pretrained else catalog.load(untrained)
    border = min(p.frozen for p in plan.phases)
    if settings["mix"] == "cutmix" and border == len(network.body.blocks):
        raise InputError(f"--mix cutmix cuts pictures or maps, and {settings['method']} sees neither; take mixup.")
    body = copy.deepcopy(base.body)
    learner = Learner(body.to(device), _head(plan, probe, rows, len(classes), settings["seed"]).to(device), border)
    policy = Policy(settings["augment"] or "light", flips=may_flip(classes))
    if not policy.flips:
        say("pictures are not mirrored: these classes would not mean the same")

    learn, hold = np.arange(len(data)), np.zeros(0, np.int64)
    if len(data) >= INNER_FROM:
        learn, hold = hold_out(labels, groups, share=INNER_SHARE, seed=settings["seed"])
    feed = _feed(base, border, data.take(learn), policy, settings["seed"], device, store)
    inner = _Inner(base, border, data.take(hold), targets_of(labels[hold], len(classes)), device, store)
    loop = Settings(batch=settings["batch"] or 32, mix=settings["mix"] or "none", seed=settings["seed"])
    progress = train(
        learner, plan.phases, feed, targets_of(labels[learn], len(classes)), loop,
        folder=folder, inner=inner.loss if len(hold) else None,
    )  # fmt: skip
    temperature, logits = 1.0, None
    if len(hold):
        logits = inner.logits(learner)
        temperature = optimal_temperature(logits, smoothed_targets(inner.targets))
        logits = logits / temperature
        learner.head.cool(temperature)  # type: ignore[operator]
    record = {
        "phases": [{k: v for k, v in asdict(p).items() if k != "penalty"} for p in plan.phases],
        "loop": asdict(loop), "augment": policy.name, "flips": policy.flips, "head": plan.head,
        "bf16": loop.precision == "bf16" or bf16_pays(device.split(":")[0]), "pieces_a_batch": progress.micro,
        "steps": progress.step,
        "history": progress.history, "temperature": temperature, "inner_items": len(hold),
        "chosen_by": "inner split" if len(hold) else "last averaged weights",
    }  # fmt: skip
    learner.body.freeze().eval()
    adapted = Pretrained(base.name, learner.body.cpu(), None, base.spec, dict(base.recipe), (), dict(base.provenance))
    adapted.provenance.pop("digest", None)
    adapted.provenance |= {"adapted_by": settings["method"]}
    adapted.seen = network.seen
    return Adapted(adapted, learner.head.cpu().eval().requires_grad_(False), record, logits, labels[hold])


def default_epochs(n: int) -> int:
    """Enough passes for a few hundred steps at least, few where a pass is long already."""
    return int(np.clip(round(20_000 / n), 4, 20))


def _head(plan: Plan, probe: LinearHead, rows: Rows, classes: int, seed: int) -> nn.Module:
    features = rows.x.shape[1]
    if plan.head == "probe":
        return copy.deepcopy(probe).requires_grad_(True)
    if plan.head == "zero":
        head: nn.Module = LinearHead.zero(features, classes)
        return head
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mlp = MLPHead(features, classes)
    mlp.mean.copy_(torch.from_numpy(rows.x.mean(0)))
    mlp.scale.fill_(float(rows.x.std()) or 1.0)
    return mlp


def _feed(
    network: Pretrained, border: int, data: Dataset, policy: Policy, seed: int, device: str, store: RowStore
) -> Batches:
    """Pictures where the first block learns, else the activations at the border, kept in the store."""
    if border == 0:
        return PictureBatches(data.items, network.spec, policy, seed)
    views = activation_views(network, border, data.items, policy, VIEWS, seed=seed, device=device, store=store)
    return RowBatches(views, seed)


class _Inner:
    """The part that is held out inside the training part, plain and unaugmented."""

    def __init__(
        self, network: Pretrained, border: int, data: Dataset, targets: NDArray[Any], device: str, store: RowStore
    ) -> None:
        self.network, self.border, self.data, self.targets = network, border, data, targets
        self.device, self.store = device, store
        self._inputs: list[torch.Tensor] | None = None

    def inputs(self) -> list[torch.Tensor]:
        """The activations at the border, in pieces; for border 0 the prepared pictures."""
        if self._inputs is None:
            if self.border:
                views = activation_views(self.network, self.border, self.data.items, Policy("none"), 1, seed=0,
                                         device=self.device, store=self.store)  # fmt: skip
                whole = torch.from_numpy(views[0])
            else:
                feed = PictureBatches(self.data.items, self.network.spec, Policy("none"), 0)
                parts = list(feed.epoch(0, 64, 0))
                whole = torch.cat([x for x, _ in parts])
                back = torch.from_numpy(np.argsort(np.concatenate([p for _, p in parts])))
                whole = whole[back]
            self._inputs = list(whole.split(64))
        return self._inputs

    def logits(self, learner: Learner) -> NDArray[np.float64]:
        with torch.inference_mode():
            return np.concatenate([learner(x.to(self.device)).float().cpu().numpy() for x in self.inputs()]).astype(
                float
            )

    def loss(self, learner: Learner) -> float:
        """Log loss at the best temperature: how well the classes are told apart, not how boldly."""
        logits, targets = self.logits(learner), smoothed_targets(self.targets)
        return cross_entropy(logits / optimal_temperature(logits, targets), targets)


def adapted_rows(network: Pretrained, data: Dataset, rows: Rows, engine: str, device: str) -> NDArray[Any]:
    """The trained network's features (m, D) of the items of ``rows``; computed afresh: nobody asks again."""
    import tempfile

    runner = make_engine(network, engine, device)
    with tempfile.TemporaryDirectory() as folder:
        return extract(network, data.items.take(rows.items), runner, RowStore(Path(folder))).rows
