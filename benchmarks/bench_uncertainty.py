"""Numbers and uncertainty: red cells counted from pictures, what is unlike the training data, what is left to people.

Needs the shared data and weights. Parts (all without arguments): table, cells, unlike, abstain. Takes about half an
hour on two cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import regraft
from common import keep, need, unzipped
from regraft.metrics.classes import abstention_curve

LEVEL = 0.9
LAST_K = {"method": "last-k", "epochs": 20, "lr": 2e-4}


def table(work: Path) -> dict[str, Any]:
    """scikit-learn's diabetes table: least squares beside its own, and what the ridge by evidence does unseen."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_val_score

    x, y = load_diabetes(return_X_y=True)
    ours, theirs = regraft.Regressor("raw", alpha=0).fit(x, y), LinearRegression().fit(x, y)
    models = {"regraft, ridge by evidence": regraft.Regressor("raw"), "scikit-learn, least squares": LinearRegression()}
    folds = {n: float(cross_val_score(m, x, y, cv=10).mean()) for n, m in models.items()}
    return {"largest_difference": float(np.abs(ours.predict(x) - theirs.predict(x)).max()), "r2_of_ten_folds": folds}


def cell_table(folder: Path) -> Path:
    """A table of pictures and how many red cells their annotation boxes, by part."""
    root = folder / "BCCD"
    lines = ["file,red_cells,part"]
    for part in ("train", "val", "test"):
        for name in (root / f"ImageSets/Main/{part}.txt").read_text().split():
            boxes = ElementTree.parse(root / f"Annotations/{name}.xml").iter("name")
            count = sum(box.text == "RBC" for box in boxes)
            lines.append(f"BCCD/JPEGImages/{name}.jpg,{count},{part}")
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    return folder / "cells.csv"


def cells(work: Path) -> dict[str, Any]:
    """Red cells in a picture, from mobilenet_v2; learned on train, judged once on test."""
    path = cell_table(unzipped(need("data/bccd.zip")[0]))
    found: dict[str, Any] = {}
    for name, options in {"linear-probe": {}, "last-k": LAST_K}.items():
        out = str(work / name)
        result = regraft.fit(str(path), task="regression", label="red_cells", backbone="mobilenet_v2", interval=LEVEL,
                             out=out, controls="majority" if options else "majority,raw,random", **options)  # fmt: skip
        test = regraft.evaluate(out, f"{path}#test")
        found[name] = {"test": test.metrics, "items": test.items, "val": result.metrics["val"],
                       "controls_on_val": result.metrics["controls"], "seconds": result.seconds["total"]}  # fmt: skip
        print(name, test.metrics["rmse"], test.metrics["r2"], test.metrics["interval"]["coverage"], flush=True)
    y = np.array([int(line.split(",")[1]) for line in path.read_text().split()[1:]])
    part = np.array([line.split(",")[2] for line in path.read_text().split()[1:]])
    off = y[part == "test"] - y[part != "test"].mean()
    return {**found, "mean_on_test": {"rmse": float(np.sqrt((off**2).mean()))}}


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def areas(run: str, usual: Any, strange: dict[str, Any]) -> dict[str, Any]:
    """AUROC of each score, and of the entropy, of strange inputs against the usual ones; and how many are flagged."""
    model = regraft.load(run)

    def scores(x: Any) -> tuple[dict[str, Any], float]:
        answers = model.answer(x)
        bits = model.model.entropy_bits(answers.probabilities)
        return {**(answers.scores or {}), "entropy": bits}, float(np.mean(answers.unlike))

    known, false = scores(usual)
    found: dict[str, Any] = {"flagged_of_the_usual": false}
    for name, x in strange.items():
        other, flagged = scores(x)
        truth = np.repeat([0, 1], [len(known["entropy"]), len(other["entropy"])])
        found[name] = {k: float(roc_auc_score(truth, np.concatenate([known[k], other[k]]))) for k in known}
        found[name] |= {"flagged": flagged, "items": len(other["entropy"])}
        print(run, name, found[name], flush=True)
    return found


def unlike(work: Path) -> dict[str, Any]:
    """Photos of insects against other photos; MNIST against CIFAR-10 and USPS; digits against digits lying down."""
    insects, others, mnist, cifar, usps = need(
        "data/hymenoptera.zip", "data/imagenet_samples.zip", "data/mnist", "data/cifar10_subset.npz", "data/usps.npz"
    )
    photos = unzipped(insects) / "hymenoptera_data"
    regraft.fit(str(photos), backbone="mobilenet_v2", out=str(work / "insects"), controls="none", refit=False)
    regraft.fit(f"{mnist}#train", val=f"{mnist}#test", out=str(work / "mnist"), controls="none", refit=False)
    from sklearn.datasets import load_digits

    images = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    y, chance = load_digits().target, np.random.default_rng(0).permutation(len(images))
    learn, test = chance[:1200], chance[1200:]
    small = npz(work / "digits.npz", train_images=images[learn], train_labels=y[learn])
    regraft.fit(small, out=str(work / "digits"), controls="none")
    with np.load(cifar) as a, np.load(usps) as b:
        of_cifar, of_usps = a["test_images"], b["test_images"]
    turned = np.rot90(images[test], axes=(1, 2)).copy()
    return {
        "hymenoptera": areas(str(work / "insects"), str(photos / "val"), {"imagenet_samples": str(others)}),
        "mnist": areas(str(work / "mnist"), f"{mnist}#test", {"cifar10": of_cifar, "usps": of_usps}),
        "digits": areas(str(work / "digits"), images[test], {"turned by 90 degrees": turned}),
    }


def abstain(work: Path) -> dict[str, Any]:
    """Accuracy of the items answered where the least certain, by entropy, are left to a person."""
    usps, cifar = need("data/usps.npz", "data/cifar10_subset.npz")
    found = {}
    for name, data, options in (("usps", usps, {}), ("cifar10", cifar, {"backbone": "mobilenet_v2"})):
        out = str(work / name)
        regraft.fit(f"{data}#train", val=f"{data}#test", out=out, controls="none", refit=False, **options)
        model = regraft.load(out)
        with np.load(data) as z:
            answers, y = model.answer(z["test_images"]), z["test_labels"]
        bits = model.model.entropy_bits(answers.probabilities)
        names = [str(c) for c in model.classes_]
        with np.load(data) as z:
            classes = [str(c) for c in z["class_names"]] if "class_names" in z else [str(c) for c in np.unique(y)]
        right = answers.probabilities.argmax(1) == np.array([names.index(classes[v]) for v in y])
        curve = abstention_curve(-bits, right.astype(float))
        at = {f"{left:g}": float(curve["accuracy"][max(0, round((1 - left) * len(y)) - 1)])
              for left in (0, 0.05, 0.1, 0.2, 0.3, 0.5)}  # fmt: skip
        found[name] = {"items": len(y), "accuracy_by_share_left": at}
        print(name, at, flush=True)
    return found


PARTS = {"table": table, "cells": cells, "unlike": unlike, "abstain": abstain}


def main() -> None:
    wanted = sys.argv[1:] or list(PARTS)
    os.environ["REGRAFT_WEIGHTS"] = str(need("weights")[0])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REGRAFT_CACHE"] = str(Path(folder) / "cache")
        for name in wanted:
            keep("uncertainty", PARTS, name, PARTS[name](Path(folder)))


if __name__ == "__main__":
    main()
