"""Label errors that were planted, and found again: 5 % of the labels flipped, five times. Needs the shared data and
weights, and the extras text and bench (cleanlab); takes about a quarter of an hour on two cores.

Parts (all without arguments): cifar, english, chinese. What regraft suggests stands beside what cleanlab finds in the
same probabilities, by its default (pruning by noise rate) and by the same rule.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.metrics import average_precision_score

from bench_text import texts
from common import SHARED, keep, need
from regraft.core.row_store import RowStore
from regraft.core.types import LabelSpec
from regraft.data.folds import deal
from regraft.data.items import Items, Texts, picture_array
from regraft.features.fusion import learned
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.metrics.label_errors import label_errors, normalised_margin
from regraft.pipelines.audit.out_of_fold import out_of_fold

SHARE, SEEDS, MOST = 0.05, 5, 4000
"""Of each set at most so many items are taken, evenly by class where they are not all."""


def cifar() -> dict[str, Any]:
    """The training part of the CIFAR-10 subset, fed at 96 pixels to a network that has not seen these labels."""
    (path,) = need("data/cifar10_subset.npz")
    with np.load(path) as z:
        x, y = z["train_images"], z["train_labels"].astype(np.int64)
    some = thinned(y)
    return planted(picture_array(x[some], "x"), y[some], "mobilenet_v2", size=96)


def english() -> dict[str, Any]:
    found, y = texts("reviews_en")
    some = thinned(y)
    return planted(Texts([found[i] for i in some], "x"), y[some], "minilm+tfidf")


def chinese() -> dict[str, Any]:
    found, y = texts("reviews_zh_train")
    some = thinned(y)
    return planted(Texts([found[i] for i in some], "x"), y[some], "minilm+tfidf")


def thinned(y: np.ndarray) -> np.ndarray:
    """At most `MOST` positions, as many of each class."""
    classes, rng = np.unique(y), np.random.default_rng(0)
    each = [rng.permutation(np.flatnonzero(y == c))[: MOST // len(classes)] for c in classes]
    return np.sort(np.concatenate(each))


def flipped(y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with `SHARE` of them moved to another class, each as likely, and which."""
    rng, k = np.random.default_rng(seed), int(y.max()) + 1
    wrong = np.zeros(len(y), bool)
    wrong[rng.permutation(len(y))[: round(SHARE * len(y))]] = True
    given = y.copy()
    given[wrong] = (y[wrong] + rng.integers(1, k, wrong.sum())) % k
    return given, wrong


def planted(items: Items, y: np.ndarray, backbone: str, size: int | None = None) -> dict[str, Any]:
    network = learned(network_for(items, backbone, size=size), items)
    x = Runner(network).stored(items, RowStore()).rows
    spec = LabelSpec("classification", tuple(map(str, range(int(y.max()) + 1))))
    runs = []
    for seed in range(SEEDS):
        given, wrong = flipped(y, seed)
        begun = time.perf_counter()
        p = out_of_fold(network, x, given, spec, deal(given, None, None, seed), None, seed)
        ours = label_errors(given, p)
        same = find_label_issues(given, p, filter_by="low_self_confidence", n_jobs=1)
        first = np.argsort(ours.self_confidence, kind="stable")[: wrong.sum()]
        runs.append({
            "seconds": time.perf_counter() - begun, "accuracy": float((p.argmax(1) == y).mean()),
            "regraft": found(ours.wrong, wrong),
            "cleanlab": found(find_label_issues(given, p, n_jobs=1), wrong),
            "equal_by_the_same_rule": bool((same == ours.wrong).all()),
            "precision_of_the_first": float(wrong[first].mean()),
            "average_precision": {"self_confidence": float(average_precision_score(wrong, -ours.self_confidence)),
                                  "margin": float(average_precision_score(wrong, -normalised_margin(given, p)))},
        })  # fmt: skip
    return {"items": len(y), "classes": len(spec.classes), "backbone": backbone, "size": size, "share": SHARE,
            "seeds": SEEDS, "flipped": int(flipped(y, 0)[1].sum()), "runs": runs}  # fmt: skip


def found(said: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    hits = int((said & wrong).sum())
    return {"found": int(said.sum()), "precision": hits / max(int(said.sum()), 1), "recall": hits / int(wrong.sum())}


PARTS = {"cifar": cifar, "english": english, "chinese": chinese}


def main() -> None:
    os.environ.setdefault("REGRAFT_WEIGHTS", str(SHARED / "weights"))
    for name in sys.argv[1:] or PARTS:
        keep("audit", PARTS, name, PARTS[name](), seeds=f"0 to {SEEDS - 1}")


if __name__ == "__main__":
    main()
