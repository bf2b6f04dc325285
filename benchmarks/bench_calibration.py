"""ECE and log loss of the probe at 1, 2, 3, 5, 10 and all labels a class: do its probabilities hold what they say?

Digits come with scikit-learn; USPS, hymenoptera and reviews are taken from the shared folder and left out where they
are absent. `--as NAME` (by default `now`) keeps the figures under that name beside those of other versions;
PYTHONPATH chooses the version. Some minutes on one core.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common import SHARED, unzipped, write, written
from regraft.core.row_store import RowStore
from regraft.core.types import LabelSpec
from regraft.data.open import open_data
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.methods.probes.linear_probe import fit_features
from regraft.metrics.classes import classification

LABELS, SEEDS, MOST_JUDGED, MOST_LEARNED = (1, 2, 3, 5, 10, None), 5, 3000, 2000
FIGURES = ("accuracy", "confidence", "ece", "log_loss")
SETS = {
    "digits, regraft_tiny": ("embedded:digits", "regraft_tiny"), "digits, raw": ("embedded:digits", "raw"),
    "usps, regraft_tiny": ("usps.npz", "regraft_tiny"),
    "hymenoptera, mobilenet_v2": ("hymenoptera.zip", "mobilenet_v2"),
    "reviews_zh, regraft_tiny_text": ("reviews_zh_train.csv.gz", "regraft_tiny_text"),
    "reviews_en, regraft_tiny_text": ("reviews_en.csv.gz", "regraft_tiny_text"),
}  # fmt: skip


def rows_of(source: str, network: str) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]] | str:
    """Features (n, d), class numbers (n,) and class names; or why there are none."""
    if not source.startswith("embedded:"):
        path = SHARED / "data" / source
        if not path.exists():
            return f"{path} is missing"
        source = str(unzipped(path) / "hymenoptera_data") if path.suffix == ".zip" else str(path)
    data = open_data(source)
    found = Runner(network_for(data.items, network)).stored(data.items, RowStore())
    return found.rows, data.y[found.positions], data.classes


def measured(rows: NDArray[Any], y: NDArray[Any], classes: tuple[str, ...], per: int | None) -> dict[str, Any]:
    """Means over draws; with ``per`` None all but a fifth of the items (2,000 at most) are learned from."""
    draws = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        by_class = [rng.permutation(np.flatnonzero(y == c)) for c in range(len(classes))]
        most = max(1, MOST_LEARNED // len(classes))
        learn = np.concatenate([m[: per or min(most, len(m) - len(m) // 5)] for m in by_class])
        rest = rng.permutation(np.setdiff1d(np.arange(len(y)), learn))[:MOST_JUDGED]
        head = fit_features(rows[learn], y[learn], LabelSpec("classification", classes), seed=seed).head
        with torch.inference_mode():
            z = head(torch.from_numpy(rows[rest])).double().numpy()
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        figures = classification(y[rest], p) | {"confidence": float(p.max(1).mean())}
        draws.append([float(figures[k]) for k in FIGURES])
    return {k: {"mean": float(np.mean(v)), "low": min(v), "high": max(v)}
            for k, v in zip(FIGURES, zip(*draws, strict=True), strict=True)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as", dest="name", default="now")
    name = parser.parse_args().name
    begun, found = time.perf_counter(), dict[str, Any]()
    os.environ["REGRAFT_WEIGHTS"] = str(SHARED / "weights")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REGRAFT_CACHE"] = str(Path(folder) / "cache")
        for label, (source, network) in SETS.items():
            rows = rows_of(source, network)
            if isinstance(rows, str):
                print(f"left out: {label}: {rows}")
                found[label] = {"left_out": rows.rpartition("/")[2]}
                continue
            found[label] = {str(per or "all"): measured(*rows, per) for per in LABELS}
            for per, m in found[label].items():
                print(label, per, " ".join(f"{k} {m[k]['mean']:.3f}" for k in FIGURES), flush=True)
    before = {k: v for k, v in written("calibration").get("versions_of_the_probe", {}).items() if k != name}
    write("calibration", {"seeds": f"0 to {SEEDS - 1}", "seconds": round(time.perf_counter() - begun),
                          "versions_of_the_probe": {**before, name: found}})  # fmt: skip


if __name__ == "__main__":
    main()
