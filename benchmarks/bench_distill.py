"""A slow teacher, taught to a small network: the accuracy that is kept, how many times faster it answers.

CIFAR-10 subset: of the 10,000 training pictures 1,000 keep their labels, the others lose them; judged on its 2,000 test
pictures, which neither teacher nor student has learned from. The teacher is a probe on mobilenet_v2 and
EfficientNet-Lite0 side by side at 224 pixels, learned from the 1,000. Beside every student stands the same on the
labels alone. Nothing is chosen by the test pictures: methods, temperature and epochs are the defaults, or stand below.

Parts (all without arguments): tiny (into regraft_tiny, all layers learn, 3 seeds), half (into mobilenet_v2 fed 112
pixels, its last four blocks learn, 3,000 pictures without labels, 1 seed). Needs the shared data and weights and the
extra nets; takes about 15 minutes on two quiet cores, most of it the teacher's 12,000 pictures.
``--unlabelled N`` and ``--seeds N`` reduce it, and are written beside the figures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import regraft
from common import keep, need

TEACHER, LABELLED = "mobilenet_v2+efficientnet_lite0", 1000
STUDENTS: dict[str, dict[str, Any]] = {
    "tiny": {"into": "regraft_tiny", "method": "lp-ft"},
    "half": {"into": "mobilenet_v2", "size": 112, "method": "last-k"},
}
UNLABELLED, SEEDS = {"tiny": 9000, "half": 3000}, {"tiny": 3, "half": 1}


def drawn(work: Path, seed: int, unlabelled: int) -> dict[str, str]:
    """The files of one draw: labelled, free (the labels in it are never looked at), judged."""
    (path,) = need("data/cifar10_subset.npz")
    data = np.load(path)
    order = np.random.default_rng(seed).permutation(len(data["train_labels"]))
    parts = {"labelled": order[:LABELLED], "free": order[LABELLED : LABELLED + unlabelled]}
    found = {}
    for name, rows in parts.items():
        found[name] = str(work / f"{name}-{seed}.npz")
        np.savez(found[name], images=data["train_images"][rows], labels=data["train_labels"][rows],
                 class_names=data["class_names"])  # fmt: skip
    found["judged"] = str(work / "judged.npz")
    np.savez(found["judged"], images=data["test_images"], labels=data["test_labels"], class_names=data["class_names"])
    return found


def one(work: Path, part: str, seed: int, unlabelled: int) -> dict[str, Any]:
    """The teacher and its student of one draw."""
    files, plain = drawn(work, seed, unlabelled), {"controls": "none", "outliers": False, "seed": seed}
    begun = time.perf_counter()
    teacher = regraft.fit(files["labelled"], val=files["judged"], backbone=TEACHER, refit=False,
                          out=str(work / f"{part}-teacher-{seed}"), **plain)  # fmt: skip
    found = regraft.distill(teacher.run, **STUDENTS[part], unlabelled=files["free"], data=files["labelled"],
                            judge=files["judged"], out=str(work / f"{part}-{seed}"), outliers=False,
                            seed=seed)  # fmt: skip
    told = found.metrics["distillation"]
    judged = told["judged"]
    kept = judged["student"]["accuracy"] / judged["teacher"]["accuracy"]
    row = {"seed": seed, "kept": kept, "times_faster": told["speed"]["times"], **told, "seen": found.seen,
           "seen_in_training": found.seen_in_training, "seconds": round(time.perf_counter() - begun, 1)}  # fmt: skip
    print(part, seed, {n: round(judged[n]["accuracy"], 4) for n in ("teacher", "student", "labels_alone")},
          f"{row['times_faster']:.1f} times faster, {row['seconds']:.0f} s", flush=True)  # fmt: skip
    return row


def measured(part: str, seeds: int, unlabelled: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [one(Path(folder), part, seed, unlabelled) for seed in range(seeds)]
    sides = ("teacher", "student", "labels_alone")
    mean = {n: float(np.mean([r["judged"][n]["accuracy"] for r in rows])) for n in sides}
    return {"teacher": TEACHER, "student": STUDENTS[part], "labelled": LABELLED, "unlabelled": unlabelled,
            "seeds": seeds, "mean_accuracy": mean, "kept": mean["student"] / mean["teacher"],
            "times_faster": [r["times_faster"] for r in rows], "runs": rows}  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("parts", nargs="*", choices=[*STUDENTS, []])
    asked.add_argument("--seeds", type=int)
    asked.add_argument("--unlabelled", type=int)
    given = asked.parse_args()
    (weights,) = need("weights")
    os.environ.setdefault("REGRAFT_WEIGHTS", str(weights))
    for part in given.parts or STUDENTS:
        figures = measured(part, given.seeds or SEEDS[part], given.unlabelled or UNLABELLED[part])
        keep("distill", STUDENTS, part, figures, seeds="0, and for tiny 1 and 2")


if __name__ == "__main__":
    main()
