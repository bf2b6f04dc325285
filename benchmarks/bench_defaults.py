"""Which network is taken where none is named: accuracy and speed of those that could be, on training parts alone.

Needs the shared data and weights, and the extras nets and text. Parts (all without arguments): photos, english,
chinese. Every figure is of five folds of the training part (of hymenoptera, of all its 397 photos), pooled. What is
found is kept; `photos` goes on where it was stopped, and with REGRAFT_CACHE set the rows stay. Takes about 25 minutes
on two cores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench_ranking import SEEN, sets
from bench_text import SPEC, texts
from common import keep, run_parts, written

PHOTOS = ("mobilenet_v2", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_0",
          "regraft_tiny")  # fmt: skip
ENGLISH = ("minilm", "e5-small", "e5-small[query]", "tfidf", "minilm+tfidf", "e5-small+tfidf", "e5-small[query]+tfidf")
CHINESE = ("minilm", "regraft_tiny_text", "e5-small", "e5-small[join]", "e5-small[join+query]", "tfidf",
           "e5-small[join]+tfidf", "e5-small[join+query]+tfidf", "regraft_tiny_text+tfidf")  # fmt: skip
TEXTS = 2000
FOLDS = 5


def dealt(y: np.ndarray) -> np.ndarray:
    """(n,) the fold of each item, class by class."""
    from regraft.methods.probes.linear_probe import stratified_folds

    return stratified_folds(y, FOLDS, np.random.default_rng(0))


def out_of_fold(items: Any, y: np.ndarray, spec: Any, backbone: str, size: int | None = None) -> dict[str, Any]:
    """Which of the items a probe on this network had right that had not seen them (n,), and what the network costs."""
    from regraft.core.row_store import RowStore
    from regraft.features.cost import cost, speed
    from regraft.features.fusion import learned, learns, parts_of
    from regraft.features.network import network_for
    from regraft.features.runner import Runner
    from regraft.methods.probes.linear_probe import fit_features
    from regraft.models.model import Model

    network, store, fold = network_for(items, backbone, size=size), RowStore(), dealt(y)
    right = np.zeros(len(y), bool)
    rows = None if learns(network) else Runner(network).stored(items, store).rows
    for f in range(FOLDS):
        learn, judge = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        own = learned(network, items.take(learn))
        x = Runner(own).stored(items, store).rows if rows is None else rows
        head = fit_features(x[learn], y[learn], spec, blocks=[p.width for p in parts_of(own)]).head
        right[judge] = Model(own, head, "label", spec).logits(x[judge]).argmax(1) == y[judge]
    counted = learns(network)
    return {"right": right, "parameters": 0 if counted else cost(network).parameters,
            "items_per_second": None if counted else speed(Runner(network), items, warm=rows is not None)}  # fmt: skip


def figures(found: dict[str, dict[str, Any]], against: str) -> dict[str, Any]:
    """Accuracy with its interval, and the paired difference to the network ``against``."""
    from regraft.metrics.intervals import paired_gain, proportion

    base = found[against]["right"].astype(float)
    return {name: {"accuracy": float(one["right"].mean()),
                   "accuracy_ci95": list(proportion(int(one["right"].sum()), len(one["right"]))),
                   "over": paired_gain(one["right"].astype(float), base), "parameters": one["parameters"],
                   "items_per_second": one["items_per_second"]} for name, one in found.items()}  # fmt: skip


def photos(work: Path) -> dict[str, Any]:
    """Networks for pictures on six sets; small pictures are fed to large networks at 96 pixels."""
    from regraft.data.open import open_data

    judged = written("defaults").get("photos", {}).get("sets", {})
    for name, (learn, _, size) in sets(work).items():
        if name in judged:
            continue
        data = open_data(learn.partition("#")[0] if name == "hymenoptera" else learn)
        found = {}
        for network in PHOTOS:
            if name in SEEN.get(network, ()):
                continue
            own = None if network == "regraft_tiny" else size
            found[network] = out_of_fold(data.items, data.y, data.target, network, own)
            print(name, network, found[network]["right"].mean(), flush=True)
        judged[name] = {"items": len(data), "pixels": size, "networks": figures(found, PHOTOS[0])}
        keep("defaults", PARTS, "photos", {"against": PHOTOS[0], "sets": judged})
    return {"against": PHOTOS[0], "sets": judged}


def of_texts(part: str, source: str, networks: tuple[str, ...]) -> dict[str, Any]:
    """Networks for texts on as many of a training part, evenly spread."""
    from regraft.core.arrays import subsample
    from regraft.data.items import Texts

    read, labels = texts(source)
    some = subsample(len(read), TEXTS)
    items, y, found = Texts([read[i] for i in some], source), labels[some], {}
    judged: dict[str, Any] = {}
    for network in networks:
        found[network] = out_of_fold(items, y, SPEC, network)
        print(part, network, found[network]["right"].mean(), flush=True)
        if len(found) > 1:
            judged = {"items": len(y), "against": networks[0], "networks": figures(found, networks[0])}
            keep("defaults", PARTS, part, judged)
    return judged


def english(_: Path) -> dict[str, Any]:
    """rt-polarity."""
    return of_texts("english", "reviews_en", ENGLISH)


def chinese(_: Path) -> dict[str, Any]:
    """Film reviews cut into words, their training part."""
    return of_texts("chinese", "reviews_zh_train", CHINESE)


PARTS = {"photos": photos, "english": english, "chinese": chinese}


if __name__ == "__main__":
    run_parts("defaults", PARTS)
