"""Candidate networks before labelled items: rows once, scores by name, what each costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError, RegraftError
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.data.dataset import Dataset
from regraft.features.cost import cost, speed
from regraft.features.fusion import TfIdfNetwork, learned, parts_of
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.features.source_logits import source_probabilities
from regraft.methods.probes.logistic import by_own_units
from regraft.metrics.intervals import difference, paired_gain
from regraft.options.network import parts_in
from regraft.selection.scores import SCORES
from regraft.selection.scores import probe as PROBE
from regraft.selection.scores.base import Given, NotApplicable


@dataclass
class Candidate:
    """A network with what is known of it on the items looked at.

    ``scores`` by name; ``not_applicable`` says why others are missing. ``seconds`` by what they went to. ``right`` maps
    items (by position) to whether the cross-validated probe had them right.
    """

    backbone: str
    scores: dict[str, float]
    not_applicable: dict[str, str]
    width: int
    parameters: int
    megabytes: float
    published_accuracy: float | None
    items_per_second: float
    seconds: dict[str, float]
    seen: float | None
    right: dict[int, bool] = field(repr=False)


def names(modality: str, wanted: str | None) -> list[str]:
    """The candidates in ``wanted`` (``a,b,c``), else those whose weights are here; for pictures also ``raw``."""
    if wanted is not None:
        found = [n for n in parts_in(wanted, ",") if n]
        if not found:
            raise InputError("--backbones names no network; wanted are names such as mobilenet_v2,regraft_tiny.")
        return list(dict.fromkeys(found))
    if modality == "table":
        raise InputError("Numeric rows have no pretrained networks to choose among; ranking is for pictures and texts.")
    here = catalog.at_hand(modality)
    return [*(["raw"] if modality == "image" else []), *here]


def published_accuracy(name: str) -> float | None:
    """ImageNet's top-1 as the weights' publisher states it, where the catalog knows it."""
    try:
        return catalog.best_row(name)[0].accuracy
    except RegraftError:
        return None


def attempt(name: str, data: Dataset, scores: list[str], **how: Any) -> Candidate | str:
    """`measured`, or in words why there is nothing: weights that are missing, no memory, features that do not vary."""
    try:
        return measured(name, data, scores, **how)
    except MemoryError:
        why = "it ran out of memory"
    except RegraftError as error:
        why = str(error)
    except (RuntimeError, ValueError, TypeError, KeyError, AssertionError, OSError, ArithmeticError) as error:
        full = "out of memory" in str(error).lower() or "can't allocate memory" in str(error)
        why = "it ran out of memory" if full else f"it failed: {type(error).__name__}: {error}"
    say(f"left out: {name}: {why}")
    return why


def measured(
    name: str, data: Dataset, scores: list[str], *, store: RowStore, device: str, pixels: NDArray[np.uint64] | None,
    groups: NDArray[Any] | None, seed: int, size: int | None = None, timed: bool = True, counted: bool = False,
) -> Candidate:  # fmt: skip
    """Rows, scores and cost of one network on all items of ``data``, whose digests are ``pixels`` (n,).

    Without ``timed`` its speed is left out (not a number). ``counted`` lets a part of it be `tfidf`.
    """
    begun = time.perf_counter()
    network = network_for(data.items, name, size=None if name == "raw" else size)
    if not counted and any(isinstance(p, TfIdfNetwork) for p in parts_of(network)):
        raise InputError("tfidf is counted in the data at hand: there is no pretraining to rank")
    network = learned(network, data.items)
    runner = Runner(network, device=device)
    seconds = {"load": time.perf_counter() - begun}
    begun = time.perf_counter()
    found = runner.stored(data.items, store)
    if not len(found.positions):
        raise InputError("none of the items can be read")
    seconds["rows"] = time.perf_counter() - begun
    begun = time.perf_counter()
    source = None
    if {"leep", "nce"} & set(scores) and len(parts_of(network)) == 1:
        source = source_probabilities(network, data.items, found, store, device)
    seconds["source"] = time.perf_counter() - begun
    rows = by_own_units(found.rows)(found.rows) if network.spec.modality == "table" else found.rows
    widths = tuple(p.width for p in parts_of(network))
    given = Given(rows, data.y[found.positions], data.target, source,
                  None if groups is None else groups[found.positions], seed,
                  widths if len(widths) > 1 else None)  # fmt: skip
    values, missing, right = _scored(given, found.positions, scores, seconds)
    spent = cost(network)
    rate = speed(runner, data.items, warm=found.computed > 0) if timed else float("nan")
    return Candidate(network.name, values, missing, network.width, spent.parameters, spent.megabytes,
                     published_accuracy(name), rate, {k: round(v, 4) for k, v in seconds.items()},
                     _share_seen(network, pixels), right)  # fmt: skip


def _scored(
    given: Given, positions: NDArray[np.int64], scores: list[str], seconds: dict[str, float]
) -> tuple[dict[str, float], dict[str, str], dict[int, bool]]:
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    right: dict[int, bool] = {}
    for score in scores:
        begun = time.perf_counter()
        try:
            if score == "probe" and not given.kind.numbers:
                rows, logits = PROBE.out_of_fold(given)
                values[score] = PROBE.figure(given, rows, logits)
                hits = given.kind.right(given.y[rows], logits)
                right = {} if hits is None else dict(zip(positions[rows].tolist(), hits.tolist(), strict=True))
            else:
                values[score] = SCORES.get(score).score(given)
        except NotApplicable as error:
            missing[score] = str(error)
        except np.linalg.LinAlgError as error:
            missing[score] = f"its equations have no solution on these rows ({error})"
        seconds[score] = time.perf_counter() - begun
    return values, missing, right


def _share_seen(network: Pretrained, pixels: NDArray[np.uint64] | None) -> float | None:
    if network.seen is None or pixels is None:
        return None
    return float(np.isin(pixels, network.seen).mean())


def compared(
    ours: dict[int, bool], theirs: dict[int, bool], seed: int, groups: NDArray[Any] | None = None
) -> dict[str, Any] | None:
    """Accuracy of one probe less another's on the items that both left out, with its paired interval, that of
    ``groups`` (by position) where items belong together.
    """
    found = _in_common(ours, theirs, groups)
    return None if found is None else paired_gain(*found[:2], seed=seed, groups=found[2])


def lead(
    ours: dict[int, bool], theirs: dict[int, bool], level: float, groups: NDArray[Any] | None = None
) -> tuple[float, list[float]] | None:
    """The value and the interval of `compared` at another ``level`` than 0.95."""
    found = _in_common(ours, theirs, groups)
    return None if found is None else (float((found[0] - found[1]).mean()), difference(*found, level))


def _in_common(
    ours: dict[int, bool], theirs: dict[int, bool], groups: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None] | None:
    """Hits (n,) of both on the items that both left out, and the groups of these; None where there are none."""
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    first, second = (np.array([r[i] for i in common], float) for r in (ours, theirs))
    return first, second, None if groups is None else groups[common]
