"""What each part of a fusion is worth: alone, averaged or stacked with the others, and added to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import stack_columns
from regraft.features.fusion import describe, parts_of, slices_of
from regraft.methods.base import Fitted
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.model import Model
from regraft.pipelines.stages.controls import ControlKit

if TYPE_CHECKING:
    from regraft.training.trainer import Side


@dataclass(frozen=True)
class PartOutputs:
    """Probabilities (m, k) on the judged items by part: of a head on it ``alone``, of one on all ``without`` it, and of
    the heads ``stacked``, where that can be learned. ``parts`` tells what they are, where they are not the model's
    networks one by one.
    """

    alone: dict[str, NDArray[Any]]
    without: dict[str, NDArray[Any]]
    stacked: NDArray[Any] | None
    parts: list[dict[str, Any]] | None = None


def part_outputs(model: Model, kit: ControlKit) -> PartOutputs | None:
    """None where there is one part. Every head is learned as the fusion's was, on its columns alone."""
    parts = parts_of(model.network)
    if len(parts) < 2:
        return None
    columns = slices_of(parts)
    learned = [_learned(kit, [i], columns) for i in range(len(parts))]
    alone = [_judged(model, kit, one, [i], columns) for i, one in enumerate(learned)]
    names = [p.name for p in parts]
    without = {}
    for i, name in enumerate(names):
        others = [j for j in range(len(parts)) if j != i]
        without[name] = alone[others[0]] if len(others) == 1 else _judged(model, kit, _learned(kit, others, columns),
                                                                          others, columns)  # fmt: skip
    return PartOutputs(dict(zip(names, alone, strict=True)), without, _stacked(model, kit, learned, alone))


def side_outputs(model: Model, sides: tuple[Side, ...], rows: Any) -> PartOutputs | None:
    """The same of networks that were trained, and of what stands beside them, by the heads of the ``sides`` on their
    columns of the judged ``rows`` (m, D); None where one network was trained and nothing stands beside it.
    """
    if not sides:
        return None
    known, slices = describe(model.network), slices_of(parts_of(model.network))
    alone, without, parts = {}, {}, []
    for side in sides:
        own, columns = [known[i] for i in side.parts], np.r_[tuple(slices[i] for i in side.parts)]
        others = np.setdiff1d(np.arange(rows.shape[1]), columns)
        name = "+".join(p["name"] for p in own)
        alone[name] = replace(model, head=side.head, folds=None).probabilities(rows[:, columns])
        without[name] = replace(model, head=side.without, folds=None).probabilities(rows[:, others])
        parts.append({"name": name, "width": len(columns), "view": [*chain(*(p["view"] for p in own))]})
    return PartOutputs(alone, without, None, parts)


def part_figures(
    model: Model, found: PartOutputs, labels: NDArray[Any], probabilities: NDArray[Any], seed: int,
    groups: NDArray[Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """Figures on the judged items: ``alone`` by part, ``late`` (their probabilities averaged), ``stacked`` (weighed by
    a model learned from out-of-fold ones, where there are some), and in ``adds`` the figure of the fusion, whose own
    ``probabilities`` (m, k) are, minus that of the fusion without the part, with a paired interval.
    """
    metric = model.task.headline
    return {
        "parts": found.parts or describe(model.network),
        "alone": {n: model.figures(labels, p, groups) for n, p in found.alone.items()},
        "late": model.figures(labels, np.mean([*found.alone.values()], axis=0), groups),
        "stacked": None if found.stacked is None else model.figures(labels, found.stacked, groups),
        "adds": {n: {**model.task.gain(labels, probabilities, p, seed, groups), "metric": metric}
                 for n, p in found.without.items()},
    }  # fmt: skip


def adds_nothing(figures: dict[str, Any]) -> list[str]:
    """The parts for which the interval of what they add reaches 0."""
    return [name for name, gained in figures["adds"].items() if gained["ci95"][0] <= 0]


def _learned(kit: ControlKit, chosen: list[int], columns: list[slice]) -> Fitted:
    """A head on these parts alone."""
    widths = [columns[i].stop - columns[i].start for i in chosen]
    fitted: Fitted = kit.learn(stack_columns([kit.train.x[:, columns[i]] for i in chosen]), kit.train.y, blocks=widths)
    return fitted


def _judged(model: Model, kit: ControlKit, fitted: Fitted, chosen: list[int], columns: list[slice]) -> Any:
    """The probabilities (m, k) on the judged items of a head on these parts alone."""
    rows = stack_columns([kit.judged.x[:, columns[i]] for i in chosen])
    return Model(model.network, fitted.head, model.target_name, model.target).probabilities(rows)


def _stacked(model: Model, kit: ControlKit, learned: list[Fitted], alone: list[NDArray[Any]]) -> NDArray[Any] | None:
    """Probabilities (m, k) of a head on the parts' log-odds, learned where no part had seen the item (Wolpert 1992,
    https://doi.org/10.1016/S0893-6080(05)80023-1); None where there are too few examples for that, and
    of numbers.
    """
    if model.numbers or any(f.rows is None or f.logits is None for f in learned):
        return None
    common = reduce(np.intersect1d, [f.rows for f in learned])  # type: ignore[arg-type]
    unseen = [model.from_logits(f.logits[np.searchsorted(f.rows, common)]) for f in learned]  # type: ignore[index, arg-type]
    groups = None if kit.split.groups is None else kit.split.groups[kit.train.items][common]
    fitted = fit_features(_odds(unseen), kit.train.y[common], model.target, seed=0, groups=groups)
    return Model(model.network, fitted.head, model.target_name, model.target).probabilities(_odds(alone))


def _odds(probabilities: list[NDArray[Any]]) -> NDArray[np.float64]:
    """(m, parts x k) log-odds, kept within what 1e-6 and its complement have."""
    p = np.clip(np.concatenate(probabilities, 1), 1e-6, 1 - 1e-6)
    odds: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return odds
