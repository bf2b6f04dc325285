"""The network in int8, calibrated on training pictures, and the proof that the probe loses nothing by it.

All happens inside the training part. The probe is cross-validated twice on the same items and folds, on rows in float32
and in int8. It may lose half a point of its figure (accuracy, mean average precision; of numbers 0.005 of R2), of fewer
than 200 items one item; where it loses more, the fit is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.data.splits import Split
from regraft.features.engines import Unconvertible
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.openvino_int8 import MOST, calibrated
from regraft.features.fusion import fuse, parts_of
from regraft.features.runner import Runner
from regraft.options.network import INT8
from regraft.selection.scores import probe
from regraft.selection.scores.base import Given
from regraft.tasks import TASKS

COMPARED, MOST_LOST = 500, 0.005
FLOAT = "openvino"


def quantised(network: Pretrained, split: Split, *, seed: int, device: str, store: RowStore) -> tuple[Pretrained, int]:
    """The network on pictures, carrying the graph in int8 that was calibrated on some of the training pictures, with
    what was found in ``provenance["int8"]``; and the forward passes that this cost. Raises ``InputError`` where it is
    refused. Networks on other items stay as they are.
    """
    if network.spec.modality != "image":
        return network, 0
    data = split.train
    drawn = np.random.default_rng(seed).permutation(len(data))
    try:
        found = fuse([calibrated(p, data.items.take(drawn[:MOST])) for p in parts_of(network)])
    except Unconvertible as error:
        raise InputError(f"--engine {INT8} cannot run {network.name} ({error}); take --engine auto.") from error
    proof, computed = _proof(network, found, split, np.sort(drawn[-COMPARED:]), seed, device, store)
    found.provenance["int8"] = proof
    figure, before, after = proof["figure"], proof[FLOAT], proof[INT8]
    told = (f"the probe's {figure} on {proof['items']} training items, cross-validated, is {after:.4f} with rows in "
            f"int8 and {before:.4f} in float32 (cosine of the rows at least {proof['cosine']:.4f})")  # fmt: skip
    if before - after > max(MOST_LOST, proof["one_item"]) + 1e-9:
        raise InputError(f"--engine {INT8} is refused for {network.name}: {told}, which is a loss of more than "
                         f"{MOST_LOST:g}; take --engine auto.")  # fmt: skip
    say(f"{network.name} runs in int8: {told}")
    return found, computed


def _proof(
    network: Pretrained, found: Pretrained, split: Split, some: Any, seed: int, device: str, store: RowStore
) -> tuple[dict[str, Any], int]:
    """The figures of the probe on the training items ``some`` (n,) by both engines, and the least cosine of rows; and
    how many rows were computed.
    """
    data, groups = split.train.take(some), None if split.groups is None else split.groups[some]
    rows, figures, computed = {}, {}, 0
    for engine, one in ((FLOAT, network), (INT8, found)):
        made = Runner(one, engine, device).stored(data.items, store)
        at, computed = made.positions, computed + made.computed
        try:
            given = Given(made.rows, data.y[at], data.target, groups=None if groups is None else groups[at], seed=seed)
            rows[engine], figures[engine] = made.rows, float(probe.score(given))
        except InputError as error:
            raise InputError(f"--engine {INT8} cannot prove that the probe loses nothing by it, with rows of {engine}: "
                             f"{str(error).rstrip('.')}; take --engine auto.") from error  # fmt: skip
    figure = "R2" if data.kind.numbers else TASKS[data.target.task].headline
    return {"figure": figure, "items": len(at), **figures, "cosine": least_cosine(rows[INT8], rows[FLOAT]),
            "one_item": 1 / len(at) if figure == "accuracy" else 0.0}, computed  # fmt: skip
