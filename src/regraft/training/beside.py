"""`A+B` with a method that trains: A learns, or all that can, what stands beside stays as it is; one head reads all.

Each side first learns to answer alone. What share each has in the answer is then found on items of which none has
learned: stacked generalisation (Wolpert 1992, https://doi.org/10.1016/S0893-6080(05)80023-1), with shares that add up
to 1. A mixture of linear heads is a linear head on all columns, so that the model is that of any fusion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import issparse

from regraft.core.errors import InputError
from regraft.core.runtime import say
from regraft.data.dataset import Dataset
from regraft.features.fusion import fuse, parts_of, slices_of
from regraft.features.labelled import LabelledFeatures, adapted_rows
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.heads import LinearHead, logits_of
from regraft.training.calibration import inner_loss, judged_at_best
from regraft.training.examples import Examples
from regraft.training.network import train_network
from regraft.training.requirements import trainees
from regraft.training.trainer import Initialization, Side, TrainedNetwork, TrainingContext

Outputs = NDArray[np.float64]
LEAST_GAIN = 1e-6
"""In nats: what a round over all shares has to bring for another one."""


@dataclass(frozen=True)
class Learned:
    """What one side has learned: its ``head`` on the ``columns`` of its ``parts``, and ``outputs`` (m, k) on the items
    held out inside: its own, or with ``refit_full`` what its first training said of them, as it was judged.
    """

    name: str
    parts: tuple[int, ...]
    columns: NDArray[np.int64]
    head: LinearHead
    outputs: Outputs


def train_beside(
    method: Any, start: Initialization, data: Dataset, rows: LabelledFeatures, context: TrainingContext,
    groups: NDArray[Any] | None = None,
) -> TrainedNetwork:  # fmt: skip
    """`train_network` for the first network of a fusion, or one after the other for all that can learn, and a head on
    the features of all. Raises ``InputError`` where the method has no linear head of its own to mix, or no item can be
    held out to find the shares by.
    """
    networks, options = [*parts_of(start.network)], context.options
    examples = Examples.of(data, rows, groups, options)
    learning, full = trainees(start.network, data, options), options.training.refit_full
    if rows.lesson is not None:
        raise InputError(f"--into {start.network.name}: a student is one network; name {networks[0].name} alone.")
    if not len(examples.hold):
        raise InputError(f"--method {options.training.method} on {start.network.name}: of {len(rows.y)} items none is "
                         "held out to find by what the answer of each side is worth (from 100 on some are, where a "
                         "group can be spared): take linear-probe.")  # fmt: skip
    columns = [np.r_[columns] for columns in slices_of(networks)]
    fit = partial(fit_features, target=data.target, seed=context.seed, class_weight=options.training.class_weight)
    judged = np.union1d(examples.hold, examples.sure)

    found, sides = list[TrainedNetwork](), list[Learned]()
    for i in learning:
        if len(learning) > 1:
            say(f"training {networks[i].name}, {len(found) + 1} of {len(learning)}")
        own = replace(rows, x=_dense(rows.x[:, columns[i]]))
        probe = fit(own.x, own.targets, groups=groups)
        warm = None if start.warm is None else _those_columns(start.warm, columns[i])
        folder = context if i == 0 else context.inside(f"training-{len(found) + 1}")
        trained = train_network(method, Initialization(networks[i], probe.head, probe.record, warm), data, own, folder,
                                groups)  # fmt: skip
        head: Any = trained.head
        if full and trained.logits is not None:
            outputs: Outputs = trained.logits[np.argsort(trained.positions)]
        else:
            x = adapted_rows(trained.network, data, rows.at(judged), options.network.engine, context.device)
            outputs = logits_of(head, x)
        sides.append(Learned(networks[i].name, (i,), columns[i], head, outputs))
        found, networks[i] = [*found, trained], trained.network
    others = tuple(i for i in range(len(networks)) if i not in learning)
    if others:
        some = np.concatenate([columns[i] for i in others])
        widths = [networks[i].width for i in others]
        first = fit(rows.x[examples.learn][:, some], rows.targets[examples.learn], blocks=widths,
                    groups=None if groups is None else groups[examples.learn])  # fmt: skip
        outputs, last = logits_of(first.head, rows.x[judged][:, some]), first
        if full:
            last = fit(rows.x[:, some], rows.targets, blocks=widths, groups=groups, record=first.record)
        beside: Any = last.head
        name = "+".join(networks[i].name for i in others)
        sides.append(Learned(name, others, some, beside, outputs))

    head, logits, told, kept = _mixed(sides, examples, judged)
    told["trained"] = {s.name: t.record for s, t in zip(sides[1:], found[1:], strict=False)}
    record = found[0].record | {"beside": told}
    return replace(found[0], network=fuse(networks), head=head, logits=logits, record=record, sides=kept)


def _mixed(
    sides: list[Learned], examples: Examples, judged: NDArray[np.int64]
) -> tuple[LinearHead, Outputs, dict[str, Any], tuple[Side, ...]]:
    """The head on all columns, what it says of the items that prove it, a record, and each side beside all others."""
    choosing, proving = np.searchsorted(judged, examples.hold), np.searchsorted(judged, examples.sure)
    hold, link = examples.hold, examples.link
    wanted = examples.rows.y[hold, None] if examples.numbers else examples.targets[hold]
    weights = None if examples.weights is None else examples.weights[hold]

    def loss(outputs: Outputs) -> float:
        return inner_loss(outputs, wanted, link, weights)

    shares, losses, together = found_shares([s.outputs[choosing] for s in sides], loss)
    logits, temperature = _sum(shares, [s.outputs[proving] for s in sides]), 1.0
    if link is not None:
        own = None if examples.weights is None else examples.weights[examples.sure]
        _, temperature = judged_at_best(logits, examples.targets[examples.sure], link, own)
    by_name = dict(zip((s.name for s in sides), shares.tolist(), strict=True))
    say(f"shares in the answer: {', '.join(f'{n} {s:.2f}' for n, s in by_name.items())}; inner loss {together:.4f}, "
        f"alone {', '.join(f'{one:.4f}' for one in losses)}")  # fmt: skip
    told = {"shares": by_name, "temperature": temperature,
            "inner_loss": {**dict(zip(by_name, losses, strict=True)), "together": together}}  # fmt: skip
    kept = []
    for i, side in enumerate(sides):
        rest = sides[:i] + sides[i + 1 :]
        theirs, _, _ = found_shares([s.outputs[choosing] for s in rest], loss)
        kept.append(Side(side.parts, side.head, mixed(rest, theirs)))
    return mixed(sides, shares, temperature), logits / temperature, told, tuple(kept)


def found_shares(
    outputs: Sequence[Outputs], loss: Callable[[Outputs], float]
) -> tuple[NDArray[np.float64], list[float], float]:
    """The shares (sides,) in 0..1, which add up to 1, of the sides' ``outputs`` (n, k) in the mixture that has the
    least ``loss``; the loss of each side alone, and that of the mixture.

    From the best side on, one share after the other is brought to its best while the others keep their proportions,
    until a round over all brings nothing. `inner_loss` has no other minimum than the least: at the best temperature it
    is that of logits, which is convex, over all weights that are not negative.
    """
    corners = np.eye(len(outputs))
    alone = [loss(one) for one in outputs]
    best = int(np.argmin(alone))
    shares, least, before = corners[best], alone[best], np.inf
    while before - least > LEAST_GAIN:
        before = least
        for corner in corners:
            rest = shares * (1 - corner)
            if not rest.sum():
                continue

            def along(share: float, rest: Any = rest / rest.sum(), corner: Any = corner) -> Any:
                return (1 - share) * rest + share * corner

            found = minimize_scalar(lambda s, along=along: loss(_sum(along(s), outputs)), bounds=(0.0, 1.0),
                                    method="bounded", options={"xatol": 1e-3})  # fmt: skip
            for share in (0.0, float(found.x)):
                at = loss(_sum(along(share), outputs))
                if at < least - 1e-9:
                    shares, least = along(share), at
    return shares, alone, least


def _sum(shares: NDArray[np.float64], outputs: Sequence[Outputs]) -> Outputs:
    return np.asarray(sum(share * one for share, one in zip(shares, outputs, strict=True)))


def mixed(sides: Sequence[Learned], shares: NDArray[np.float64], temperature: float = 1.0) -> LinearHead:
    """The head on the columns of all ``sides``, in their order among the features, whose outputs are the sum of theirs
    times their ``shares`` (sides,), over the temperature.
    """
    order = np.argsort(np.concatenate([s.columns for s in sides]))

    def of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(s.head, name).detach().cpu().numpy() for s in sides])[order]

    parts = [(s.head.linear, share / temperature) for s, share in zip(sides, shares, strict=True)]
    weight = np.concatenate([linear.weight.detach().cpu().numpy().T * part for linear, part in parts])[order]
    bias = sum(linear.bias.detach().cpu().numpy() * part for linear, part in parts)
    return LinearHead.of(of("mean"), of("scale"), weight, np.asarray(bias), np.dtype(np.float32))


def _those_columns(head: LinearHead, columns: NDArray[np.int64]) -> LinearHead:
    """The same head for these columns alone."""
    arrays: Sequence[NDArray[Any]] = [t.detach().numpy() for t in (head.mean, head.scale, head.linear.weight.T,
                                                                   head.linear.bias)]  # fmt: skip
    mean, scale, weight, bias = arrays
    return LinearHead.of(mean[columns], scale[columns], weight[columns], bias, mean.dtype)


def _dense(rows: Any) -> NDArray[Any]:
    return rows.toarray() if issparse(rows) else np.ascontiguousarray(rows)
