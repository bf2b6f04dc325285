"""`A+B` with a method that trains: A learns, what stands beside it stays as it is, and one head reads both.

Each side first learns to answer alone. What share each has in the answer is then found on items of which neither has
learned: stacked generalisation (Wolpert 1992, https://doi.org/10.1016/S0893-6080(05)80023-1), with shares that add up
to 1. A mixture of linear heads is a linear head on all columns, so that the model is that of any fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import issparse

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.runtime import say
from regraft.data.dataset import Dataset
from regraft.features.encoders.base import Mapped
from regraft.features.fusion import fuse, parts_of
from regraft.features.labelled import LabelledFeatures, adapted_rows
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.heads import LinearHead, logits_of
from regraft.tasks import Link
from regraft.training.calibration import inner_loss, judged_at_best
from regraft.training.defaults import method_options
from regraft.training.examples import Examples
from regraft.training.network import train_network
from regraft.training.trainer import Initialization, TrainedNetwork, TrainingContext

Outputs = NDArray[np.float64]


def train_beside(
    method: Any, start: Initialization, data: Dataset, rows: LabelledFeatures, context: TrainingContext,
    groups: NDArray[Any] | None = None,
) -> TrainedNetwork:  # fmt: skip
    """`train_network` for the first network of a fusion, and a head on the features of all. Raises ``InputError`` where
    the method has no linear head of its own to mix, or no item can be held out to find the share by.
    """
    network, *others = parts_of(start.network)
    examples = Examples.of(data, rows, groups, context.options)
    _check(network, method, rows, examples, start.network.name, context)
    width, learn, hold, sure = network.width, examples.learn, examples.hold, examples.sure
    fit = partial(fit_features, target=data.target, seed=context.seed,
                  class_weight=context.options.training.class_weight)  # fmt: skip
    first, rest = replace(rows, x=_dense(rows.x[:, :width])), rows.x[:, width:]
    probe = fit(first.x, first.targets, groups=groups)
    warm = None if start.warm is None else _first_columns(start.warm, width)
    begin = Initialization(network, probe.head, probe.record, warm)
    trained = train_network(method, begin, data, first, context, groups)
    beside = fit(rest[learn], rows.targets[learn], blocks=[p.width for p in others],
                 groups=None if groups is None else groups[learn]).head  # fmt: skip

    judged = np.union1d(hold, sure)
    x = adapted_rows(trained.network, data, rows.at(judged), context.options.network.engine, context.device)
    ours, theirs = logits_of(trained.head, x), logits_of(beside, rest[judged])
    choosing, proving = np.searchsorted(judged, hold), np.searchsorted(judged, sure)
    weights = None if examples.weights is None else examples.weights[hold]
    wanted = rows.y[hold, None] if examples.numbers else examples.targets[hold]
    share, losses = found_share(ours[choosing], theirs[choosing], wanted, examples.link, weights)
    logits, temperature = (1 - share) * ours[proving] + share * theirs[proving], 1.0
    if examples.link is not None:
        own_weights = None if examples.weights is None else examples.weights[sure]
        _, temperature = judged_at_best(logits, examples.targets[sure], examples.link, own_weights)
    names = "+".join(p.name for p in others)
    say(f"{names} beside the trained {network.name}: a share of {share:.2f} in the answer; inner loss "
        f"{losses['together']:.4f}, of the trained network alone {losses['trained']:.4f}")  # fmt: skip
    told = {"networks": names, "share": share, "temperature": temperature, "inner_loss": losses}
    own: Any = trained.head
    return replace(
        trained, network=fuse([trained.network, *others]), head=mixed(own, beside, share, temperature),
        logits=logits / temperature, record=trained.record | {"beside": told}, sides={network.name: own, names: beside},
    )  # fmt: skip


def _check(
    network: Pretrained, method: Any, rows: LabelledFeatures, examples: Examples, name: str, context: TrainingContext
) -> None:
    """Raises ``InputError`` where the first of several networks cannot be trained beside the others."""
    asked = context.options.training.method
    if isinstance(network, Mapped) or not network.body.blocks:
        raise InputError(f"--method {asked} trains the first network of {name}, and {network.name} has nothing to "
                         "train: name one that has first.")  # fmt: skip
    plan = method.plan(len(network.body.blocks), method_options(context.options.training, network.spec.modality, 1))
    if plan.refit or plan.head == "mlp":
        raise InputError(f"--method {asked} ends in a head of its own, which cannot be mixed with what stands beside "
                         f"it: name one network, as in --backbone {network.name}, or take lp-ft.")  # fmt: skip
    if rows.lesson is not None:
        raise InputError(f"--into {name}: a student is one network; name {network.name} alone.")
    if not len(examples.hold):
        raise InputError(f"--method {asked} on {name}: of {len(rows.y)} items none is held out to find by what the "
                         "answer of each side is worth, from 100 on some are: take linear-probe.")  # fmt: skip


def found_share(
    ours: Outputs, theirs: Outputs, targets: Outputs, link: Link | None, weights: NDArray[Any] | None = None
) -> tuple[float, dict[str, float]]:
    """The share in 0..1 of ``theirs`` in the mixture of two sides' outputs (n, k) that has the least inner loss on the
    ``targets`` (n, k); and that loss of each side and ``together``.

    The loss at the best temperature has one minimum along the share, since that of logits has one along their weights.
    """

    def loss(share: float) -> float:
        return inner_loss((1 - share) * ours + share * theirs, targets, link, weights)

    found = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-3})
    ends = {0.0: loss(0.0), 1.0: loss(1.0), float(found.x): float(found.fun)}
    share = min(ends, key=lambda s: round(ends[s], 9))  # one side alone, where the other changes nothing
    return share, {"trained": ends[0.0], "beside": ends[1.0], "together": ends[share]}


def mixed(ours: LinearHead, theirs: LinearHead, share: float, temperature: float = 1.0) -> LinearHead:
    """The head on both sides' columns whose outputs are ``(1 - share) * ours + share * theirs``, over the
    temperature.
    """
    sides = ((ours, (1 - share) / temperature), (theirs, share / temperature))

    def of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(head, name).detach().cpu().numpy() for head, _ in sides])

    weight = np.concatenate([head.linear.weight.detach().cpu().numpy().T * part for head, part in sides])
    bias = sum(head.linear.bias.detach().cpu().numpy() * part for head, part in sides)
    return LinearHead.of(of("mean"), of("scale"), weight, np.asarray(bias), np.dtype(np.float32))


def _first_columns(head: LinearHead, width: int) -> LinearHead:
    """The same head for its first columns alone."""
    arrays: Sequence[NDArray[Any]] = [t.detach().numpy() for t in (head.mean, head.scale, head.linear.weight.T,
                                                                   head.linear.bias)]  # fmt: skip
    mean, scale, weight, bias = arrays
    return LinearHead.of(mean[:width], scale[:width], weight[:width], bias, mean.dtype)


def _dense(rows: Any) -> NDArray[Any]:
    return rows.toarray() if issparse(rows) else np.ascontiguousarray(rows)
