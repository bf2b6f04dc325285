"""The figures of the first whole way: few labels on digits, photos of insects, digits across sources, unseen classes,
and what the store saves. Needs the shared data and weights; takes about ten minutes on two cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import regraft
from common import SHARED, need, unzipped, write
from regraft.commands.demo import few_label_curves
from regraft.data.open import open_data

UNSEEN = ("cat", "horse", "ship", "truck")


def short(result: Any) -> dict[str, Any]:
    """The figures of a fit that a reader wants side by side."""
    metrics = result.metrics
    figure = {name: {k: m[k] for k in ("accuracy", "accuracy_ci95", "log_loss", "ece")}
              for name, m in {result.backbone: metrics["val"], **metrics["controls"]}.items()}  # fmt: skip
    return {"judged": figure, "gain": result.gain, "items": result.items, "seconds": result.seconds,
            "cached": result.cached, "seen": result.seen}  # fmt: skip


def unseen_classes(path: Path, cifar: Path) -> Path:
    with np.load(cifar) as z:
        names = [str(n) for n in z["class_names"]]
        arrays: dict[str, Any] = {"class_names": np.array(UNSEEN)}
        for source, part in (("train", "train"), ("test", "val")):
            labels = z[f"{source}_labels"]
            keep = np.isin(labels, [names.index(n) for n in UNSEEN])
            arrays[f"{part}_images"] = z[f"{source}_images"][keep]
            arrays[f"{part}_labels"] = np.array([UNSEEN.index(names[y]) for y in labels[keep]])
    np.savez(path, **arrays)
    return path


def main() -> None:
    usps, mnist, cifar, insects = need("data/usps.npz", "data/mnist", "data/cifar10_subset.npz", "data/hymenoptera.zip")
    os.environ["REGRAFT_WEIGHTS"] = str(SHARED / "weights")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["REGRAFT_CACHE"] = str(work / "cache")
        digits = few_label_curves(open_data("embedded:digits"), ("regraft_tiny", "raw"), (1, 2, 5, 10, 20), 10)

        photos = str(unzipped(insects))
        fit = {"backbone": "mobilenet_v2", "out": str(work / "insects")}
        first = regraft.fit(photos, **fit)
        again = regraft.fit(photos, **fit, overwrite=True)
        hymenoptera = {**short(first), "second_fit": {
            "cached": again.cached, "extract_seconds": again.seconds["extract"],
            "times_faster": round(first.seconds["extract"] / again.seconds["extract"], 1),
        }}  # fmt: skip

        on_usps = regraft.fit(str(usps), out=str(work / "usps"))
        on_mnist = regraft.fit(str(mnist), out=str(work / "mnist"))
        across = {
            "usps": short(on_usps), "mnist": short(on_mnist),
            "usps_model_on_mnist_test": regraft.evaluate(str(work / "usps"), f"{mnist}#test").metrics,
            "mnist_model_on_usps_test": regraft.evaluate(str(work / "mnist"), f"{usps}#test").metrics,
            "usps_model_on_usps_test": regraft.evaluate(str(work / "usps"), f"{usps}#test").metrics,
        }  # fmt: skip

        four = regraft.fit(str(unseen_classes(work / "four.npz", cifar)), out=str(work / "four"))

        helps = []
        for _ in range(7):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "regraft", "--help"], check=True, stdout=subprocess.DEVNULL)
            helps.append(time.perf_counter() - start)
    write("spine", {"seeds": "few labels: 0..9; fits: 0", "digits_few_labels": digits, "hymenoptera": hymenoptera,
                    "digits_across_sources": across, "cifar10_four_unseen_classes": short(four),
                    "help_seconds_median_of_7": sorted(helps)[3]})  # fmt: skip


if __name__ == "__main__":
    main()
