"""A slow teacher, taught to a small network: the accuracy that is kept, how many times faster it answers.

CIFAR-10 subset: of the 10,000 training pictures 1,000 keep their labels, the others lose them; judged on its 2,000 test
pictures, which neither teacher nor student has learned from. The teacher is a probe on mobilenet_v2 and
EfficientNet-Lite0 side by side at 224 pixels, learned from the 1,000. Beside every student stands the same on the
labels alone. Nothing is chosen by the test pictures: methods, temperature and epochs are the defaults, or stand below.

Parts (all without arguments): tiny (into regraft_tiny, all layers learn, 3 seeds), half (into mobilenet_v2 fed 112
pixels, its last four blocks learn, 3,000 pictures without labels, 1 seed). Needs the shared data and weights and the
extra nets; about an hour is to be reckoned with on two quiet cores (reckoned from a part of it, not timed): 10 minutes
for the teacher's 12,000 pictures, the rest for training. Each draw is kept, and where some are, it goes on.
``--reduced`` goes the same way on fewer pictures, one seed, and only prints.
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
from common import keep, need, written

TEACHER = "mobilenet_v2+efficientnet_lite0"
STUDENTS: dict[str, dict[str, Any]] = {
    "tiny": {"into": "regraft_tiny", "method": "lp-ft"},
    "half": {"into": "mobilenet_v2", "size": 112, "method": "last-k"},
}
SIZES = {
    "tiny": {"labelled": 1000, "free": 9000, "judged": 2000},
    "half": {"labelled": 1000, "free": 3000, "judged": 2000},
}
SEEDS = {"tiny": 3, "half": 1}
REDUCED = {"labelled": 300, "free": 900, "judged": 500}


def drawn(work: Path, seed: int, sizes: dict[str, int]) -> dict[str, str]:
    """The files of one draw: labelled, free (the labels in it are never looked at), judged (of all seeds the same)."""
    (path,) = need("data/cifar10_subset.npz")
    data = np.load(path)
    order = np.random.default_rng(seed).permutation(len(data["train_labels"]))
    first = sizes["labelled"]
    judged = np.random.default_rng(0).permutation(len(data["test_labels"]))[: sizes["judged"]]
    parts = {"labelled": ("train", order[:first]), "free": ("train", order[first : first + sizes["free"]]),
             "judged": ("test", judged)}  # fmt: skip
    found = {}
    for name, (part, rows) in parts.items():
        found[name] = str(work / f"{name}-{seed}.npz")
        np.savez(found[name], images=data[f"{part}_images"][rows], labels=data[f"{part}_labels"][rows],
                 class_names=data["class_names"])  # fmt: skip
    return found


def one(work: Path, part: str, seed: int, sizes: dict[str, int]) -> dict[str, Any]:
    """The teacher and its student of one draw."""
    files, plain = drawn(work, seed, sizes), {"controls": "none", "outliers": False, "seed": seed}
    begun = time.perf_counter()
    teacher = regraft.fit(files["labelled"], val=files["judged"], backbone=TEACHER, refit=False,
                          out=str(work / f"{part}-teacher-{seed}"), **plain)  # fmt: skip
    found = regraft.distill(teacher.run, **STUDENTS[part], unlabelled=files["free"], data=files["labelled"],
                            judge=files["judged"], out=str(work / f"{part}-{seed}"), outliers=False,
                            seed=seed)  # fmt: skip
    figures = found.metrics["distillation"]
    figures["teacher"].pop("run")  # a temporary folder
    judged = figures["judged"]
    kept = judged["student"]["accuracy"] / judged["teacher"]["accuracy"]
    row = {"seed": seed, "kept": kept, "times_faster": figures["speed"]["times"], **figures, "seen": found.seen,
           "seen_in_training": found.seen_in_training, "seconds": round(time.perf_counter() - begun, 1)}  # fmt: skip
    print(part, seed, {n: round(judged[n]["accuracy"], 4) for n in ("teacher", "student", "labels_alone")},
          f"{row['times_faster']:.1f} times faster, {row['seconds']:.0f} s", flush=True)  # fmt: skip
    return row


def told(part: str, rows: list[dict[str, Any]], sizes: dict[str, int]) -> dict[str, Any]:
    """What the draws of a student come to."""
    sides = ("teacher", "student", "labels_alone")
    mean = {n: float(np.mean([r["judged"][n]["accuracy"] for r in rows])) for n in sides}
    return {"teacher": TEACHER, "student": STUDENTS[part], "pictures": sizes, "seeds": len(rows),
            "mean_accuracy": mean, "kept": mean["student"] / mean["teacher"],
            "times_faster": [r["times_faster"] for r in rows], "runs": rows}  # fmt: skip


def measured(part: str) -> None:
    """All draws of a student, each kept; where some are, and not all, it goes on."""
    rows = written("distill").get(part, {}).get("runs", [])
    rows = rows if len(rows) < SEEDS[part] else []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(len(rows), SEEDS[part]):
            rows = [*rows, one(Path(folder), part, seed, SIZES[part])]
            keep("distill", STUDENTS, part, told(part, rows, SIZES[part]), seeds="0, and for tiny 1 and 2")


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("parts", nargs="*", choices=[*STUDENTS, []])
    asked.add_argument("--reduced", action="store_true")
    given = asked.parse_args()
    (weights,) = need("weights")
    os.environ.setdefault("REGRAFT_WEIGHTS", str(weights))
    for part in given.parts or STUDENTS:
        if given.reduced:
            with tempfile.TemporaryDirectory() as folder:
                print(told(part, [one(Path(folder), part, 0, REDUCED)], REDUCED))
        else:
            measured(part)


if __name__ == "__main__":
    main()
