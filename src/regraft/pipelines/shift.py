"""How far two domains lie apart on the features of a frozen network, and whether adapting is worth it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.backbones.base import Pretrained
from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.audit.checks import share_seen
from regraft.data.audit.measure import facts
from regraft.data.dataset import Dataset
from regraft.features.fusion import parts_of
from regraft.features.runner import Runner
from regraft.methods.base import Fitted
from regraft.methods.probes.linear_probe import fit_features
from regraft.methods.probes.logistic import by_own_units
from regraft.metrics.densities import kl_divergence
from regraft.metrics.domain_shift import class_distances, mmd, proxy_a_distance
from regraft.metrics.intervals import proportion, share_change
from regraft.metrics.validators import MOST_ROWS, spread
from regraft.models.heads import logits_of
from regraft.pipelines.evidence.projection import plane
from regraft.pipelines.stages.open_target import TargetDomain


@dataclass(frozen=True)
class Shift:
    """``a_distance`` lies between 0 (alike) and 2; ``mmd`` is 0 for alike domains; ``classes`` holds by class the
    distance of its means over the source's spread, by a probe's guesses on the target (None where it guesses none).

    ``as_it_is`` is the accuracy on the target of a probe of the source, with its interval, None where the target has no
    labels; in it ``on_source`` is that on source items left out, and ``loss`` how much it falls (both None where there
    are too few to leave some out). ``label_shift`` is the divergence, in nats, of the class shares that the probe
    guesses on the target from those of the source (Kullback and Leibler 1951). ``worth`` is yes, no or doubtful,
    ``word`` says so in a sentence. ``map`` are up to 250 items a domain in the plane. ``seen`` is by domain, and in
    ``as_it_is``, the share of items whose labels the network's pretraining saw, None where that is not known.
    """

    source: str
    target: str
    items: dict[str, int]
    backbone: str
    a_distance: dict[str, float]
    mmd: float
    classes: dict[str, float | None]
    label_shift: float
    as_it_is: dict[str, Any] | None
    worth: str
    word: str
    map: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    out: str | None = None
    seen: dict[str, float | None] = field(default_factory=dict)


MAP_POINTS = 250


ALIKE, NEAR = 0.5, 1.0
"""Up to ``ALIKE`` of proxy A-distance the domains count as one; up to ``NEAR`` a class lies in that of the other."""


SURE, SURE_LEAST = 0.99, 0.9
"""Where a model of the source is right on so much of the target, and surely on so much, there is little to adapt."""


LITTLE = 0.05
"""A loss that may be none at all and is surely no larger than this is no reason to adapt."""


LEAST_ROWS = 2
"""Of one item there is no half to learn from and half to judge on."""


def left_out(fitted: Fitted, y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the source's items heads that had not seen them are right on, (m,); m is 0 where there were too few."""
    if fitted.logits is None:
        return np.zeros(0, bool)
    return fitted.logits.argmax(1) == (y if fitted.rows is None else y[fitted.rows])


def _as_it_is(right: NDArray[np.bool_], at_home: NDArray[np.bool_]) -> dict[str, Any]:
    """The accuracy of a model of the source, from which items of the target (n,) and of the source (m,) it is right on,
    and what it loses.
    """
    hits, n, home, m = int(right.sum()), len(right), int(at_home.sum()), len(at_home)
    found = {"accuracy": hits / n, "accuracy_ci95": list(proportion(hits, n)), "items": n}
    if not m:
        return {**found, "on_source": None, "loss": None}
    return {**found, "on_source": {"accuracy": home / m, "items": m}, "loss": share_change((hits, n), (home, m))}


def _seen(data: Dataset, network: Pretrained, store: RowStore, seed: int) -> float | None:
    """The share of the items looked at whose labels the network's pretraining saw, None where that is not known."""
    if network.seen is None:
        return None
    return share_seen(facts(_looked_at(data, seed).items, store)[0].pixels, network.seen)


def in_words(
    distance: float, classes: list[float], items: int, as_it_is: dict[str, Any] | None = None
) -> tuple[str, str]:
    """Whether adapting is worth it, and why; what a model of the source is known to do on the target comes first."""
    if items < 40:
        return "doubtful", "There are too few items to say: the figures change from draw to draw."
    known = as_it_is or {}
    if known and known["accuracy"] >= SURE and known["accuracy_ci95"][0] >= SURE_LEAST:
        return "no", (f"A model of the source is right on {100 * known['accuracy']:.1f} % of the target as it is: "
                      "adapting has next to nothing to add.")  # fmt: skip
    if loss := known.get("loss"):
        low, high = (100 * v for v in loss["ci95"])
        points = f"{100 * loss['value']:.1f} points (95 % interval {low:.1f} to {high:.1f})"
        if low <= 0 and high <= 100 * LITTLE:
            return (
                "no",
                f"What a model of the source loses on the target may be nothing, {points}: it will do as it is.",
            )
        if low <= 0:
            return "doubtful", (f"What a model of the source loses on the target may be nothing, {points}: more labels "
                                "of the target would tell; until then it will do as it is.")  # fmt: skip
        if distance < ALIKE:
            return "doubtful", (f"A classifier hardly tells the domains apart, and yet a model of the source loses "
                                f"{points} on the target: its labels or class shares differ, which adapting without "
                                "them cannot mend; a few labels of the target would help.")  # fmt: skip
    if distance < ALIKE:
        return "no", "A classifier hardly tells the domains apart: a model of the source will do as it is."
    if np.median(classes) < NEAR:
        return "yes", ("The domains can be told apart, but the classes of the target lie near those of the source: "
                       "adapting is worth trying, self-training and coral first (seconds), then shot.")  # fmt: skip
    return "doubtful", ("The domains lie far apart, classes too: adapting may fail or make it worse; a few labels of "
                        "the target would help more.")  # fmt: skip


def _rows(
    data: Dataset, runner: Runner, store: RowStore, seed: int, problems: list[Problem]
) -> tuple[Any, NDArray[np.int64]]:
    """Features and labels of at most 2,000 items that can be read."""
    some = _looked_at(data, seed)
    found = runner.stored(some.items, store)
    problems += [Problem("unreadable", some.items.name(i), why) for i, why in sorted(found.failed.items())]
    if len(found.positions) < LEAST_ROWS:
        raise DataError(f"{data.name} holds {len(found.positions)} items that can be read; a shift is measured on "
                        f"{LEAST_ROWS} or more a domain.")  # fmt: skip
    return found.rows, some.y[found.positions]


def _looked_at(data: Dataset, seed: int) -> Dataset:
    return data.take(spread(np.arange(len(data)), MOST_ROWS, seed))


def _map(source: NDArray[Any], target: NDArray[Any]) -> list[dict[str, Any]]:
    some = [spread(x, MAP_POINTS) for x in (source, target)]
    places = plane(np.concatenate(some))
    names = ["source"] * len(some[0]) + ["target"] * len(some[1])
    return [{"domain": n, "x": float(x), "y": float(y)} for n, (x, y) in zip(names, places, strict=True)]


def measure(opened: Dataset, goal: TargetDomain, runner: Runner, store: RowStore, seed: int) -> Shift:
    """The shift from the labelled items ``opened`` to those of ``goal`` on the features of the runner's network."""
    network, problems = runner.network, list(goal.problems)
    x, y = _rows(opened, runner, store, seed, problems)
    z, _ = _rows(goal.learn, runner, store, seed, problems)
    per_feature_scaling = network.spec.modality == "table"
    units = by_own_units(x) if per_feature_scaling else lambda rows: rows
    x, z = units(x), units(z)
    fitted = fit_features(x, y, opened.target, seed=seed, per_feature_scaling=per_feature_scaling,
                          blocks=[p.width for p in parts_of(network)])  # fmt: skip
    head, k = fitted.head, len(opened.classes)
    guesses = logits_of(head, z).argmax(1)
    dense = [v.toarray() if issparse(v) else v for v in (x, z)]
    distance = proxy_a_distance(*dense, seed=seed)
    classes = class_distances(dense[0], y, dense[1], guesses, k)
    shares = [(np.bincount(v, minlength=k) + 1) / (len(v) + k) for v in (guesses, y)]
    as_it_is = None
    if goal.judged is not None and len(goal.judged):
        shown, truth = _rows(goal.judged, runner, store, seed, [])
        right = logits_of(head, units(shown)).argmax(1) == truth
        as_it_is = {**_as_it_is(right, left_out(fitted, y)), "seen": _seen(goal.judged, network, store, seed)}
    seen = {n: _seen(d, network, store, seed) for n, d in (("source", opened), ("target", goal.learn))}
    worth, word = in_words(distance["value"], [d for d in classes if d is not None], x.shape[0] + z.shape[0], as_it_is)
    return Shift(
        opened.name,
        goal.learn.name,
        {"source": len(opened), "target": len(goal.learn)},
        network.name,
        distance,
        mmd(*dense, seed=seed),
        dict(zip(opened.classes, classes, strict=True)),
        float(kl_divergence(*shares)),
        as_it_is,
        worth,
        word,
        _map(*dense),
        [asdict(p) for p in problems],
        seen=seen,
    )
