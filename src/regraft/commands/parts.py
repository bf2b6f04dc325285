"""What each part of a fusion is worth: alone, averaged with the others, and added to them."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.commands.controls import ControlKit
from regraft.commands.judging import gain
from regraft.features.fusion import describe, parts_of
from regraft.features.rows import beside
from regraft.model.model import Model


def part_figures(model: Model, kit: ControlKit, probabilities: NDArray[Any], seed: int) -> dict[str, Any] | None:
    """Figures on the judged items: ``alone`` by part, ``late`` (the parts' probabilities averaged), and in ``adds`` the
    figure of the fusion minus that of the fusion without the part, with a paired interval. None where it has one part.

    ``probabilities`` (m, k) are the fusion's own. Every head is learned as the fusion's was, on its columns alone.
    """
    parts = parts_of(model.network)
    if len(parts) < 2:
        return None
    ends = [*accumulate(p.width for p in parts)]
    columns = [slice(end - p.width, end) for p, end in zip(parts, ends, strict=True)]
    alone = [_judged(model, kit, [i], columns) for i in range(len(parts))]
    names = [p.name for p in parts]
    late = np.mean(alone, axis=0)
    adds = {}
    for i, name in enumerate(names):
        others = [j for j in range(len(parts)) if j != i]
        rest = alone[others[0]] if len(others) == 1 else _judged(model, kit, others, columns)
        adds[name] = gain(model.target.task, kit.judged.y, probabilities, rest, seed)
    return {
        "parts": describe(model.network),
        "alone": {n: model.figures(kit.judged.y, p) for n, p in zip(names, alone, strict=True)},
        "late": model.figures(kit.judged.y, late),
        "adds": adds,
    }


def _judged(model: Model, kit: ControlKit, chosen: list[int], columns: list[slice]) -> NDArray[np.float64]:
    """The probabilities on the judged items of a head on these parts alone."""
    learn, judge = (beside([x[:, columns[i]] for i in chosen]) for x in (kit.train.x, kit.judged.x))
    widths = [columns[i].stop - columns[i].start for i in chosen]
    head = kit.learn(learn, kit.train.y, blocks=widths).head
    return Model(model.network, head, model.target_name, model.target).probabilities(judge)
