"""Task adaptation: what fine-tuning brings over the probe, and when it brings nothing.

Needs the shared data and weights. Parts: cifar, four, hymenoptera, mnist, short (all of them without arguments), and
fastai, which needs that package. Takes about an hour and a half on two cores; nothing else should run beside it, since
seconds are among the figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import RESULTS, SHARED, keep, need, regraft_fit, unzipped, written

SIZE, SEEDS = 160, "0; 0 to 4 for hymenoptera"
TRAINING = ["--batch", "64", "--lr", "1e-3"]
METHODS: dict[str, list[str]] = {
    "linear-probe": [], "last-k": [*TRAINING, "--epochs", "12"], "lp-ft": [*TRAINING, "--epochs", "12"],
    "finetune": [*TRAINING, "--epochs", "4"], "scratch": ["--batch", "64", "--epochs", "4"],
}  # fmt: skip


def fit(work: Path, out: str, data: str, *options: str) -> dict[str, Any]:
    """One ``regraft fit`` as a command of its own, timed from outside, start-up included."""
    result, seconds = regraft_fit(work, out, data, *options)
    shown = " ".join(options).replace(f"{SHARED}/", "../shared/").replace(f"{work}/", "")
    short = {"options": shown, "seconds": seconds, **figures(result["metrics"]["val"]),
             "gain_over_probe": result["gain_over_probe"], "controls": {
                 k: figures(v) for k, v in result["metrics"]["controls"].items()}}  # fmt: skip
    print(out, short["accuracy"], short["seconds"], flush=True)
    return short


def figures(metrics: dict[str, Any]) -> dict[str, Any]:
    return {k: metrics[k] for k in ("accuracy", "accuracy_ci95", "log_loss")}


def compared(work: Path, part: str, name: str, data: str, *options: str) -> dict[str, Any]:
    """Each method once, written as it ends; a killed benchmark goes on, unless the part is taken out of the file or was
    measured under another default.
    """
    before = written("adaptation").get(part, {})
    found = {m: v for m, v in before.items() if m in METHODS and "batch_norm" not in before}
    for method, own in METHODS.items():
        if method not in found:
            found[method] = fit(
                work, f"{name}-{method}", data, *options, "--method", method, *own, "--controls", "none"
            )
            keep("adaptation", PARTS, part, found, seeds=SEEDS)
    pareto(name, found)
    return found


def pareto(name: str, found: dict[str, Any]) -> None:
    """Accuracy against seconds, the front marked, as a small picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.2, 3.4), dpi=90)
    for method, r in found.items():
        low, high = r["accuracy_ci95"]
        best = all(o["accuracy"] < r["accuracy"] or o["seconds"] >= r["seconds"] for o in found.values() if o is not r)
        axes.errorbar(r["seconds"], r["accuracy"], [[r["accuracy"] - low], [high - r["accuracy"]]], fmt="o",
                      color="tab:blue" if best else "0.6", capsize=3)  # fmt: skip
        axes.annotate(method, (r["seconds"], r["accuracy"]), xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="seconds, start-up included", ylabel="accuracy on the test part", title=name)
    figure.tight_layout()
    figure.savefig(RESULTS / f"pareto_{name}.png")
    pyplot.close(figure)


def cifar(work: Path) -> dict[str, Any]:
    """mobilenet_v2 on the CIFAR-10 subset, pictures enlarged to 160 pixels, judged on the 2,000 of its test part."""
    data = need("data/cifar10_subset.npz")[0]
    return compared(work, "cifar", "cifar10", f"{data}#train", "--val", f"{data}#test", "--backbone", "mobilenet_v2",
                    "--size", str(SIZE))  # fmt: skip


def four(work: Path) -> dict[str, Any]:
    """The four classes that regraft_tiny has never seen."""
    from bench_spine import UNSEEN, unseen_classes

    data = unseen_classes(work / "four.npz", need("data/cifar10_subset.npz")[0])
    options = ["--backbone", "regraft_tiny"]
    return {"classes": list(UNSEEN), **compared(work, "four", "four_unseen_classes", str(data), *options)}


def hymenoptera(work: Path, seeds: int = 5) -> dict[str, Any]:
    data = need("data/hymenoptera.zip")[0]
    ways: dict[str, list[str]] = {
        "linear-probe": [],
        "lp-ft": ["--lr", "1e-4", "--augment", "standard", "--epochs", "3"],
    }
    found: dict[str, Any] = {}
    for method, own in ways.items():
        runs = []
        for seed in range(seeds):
            os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(dir=work)  # every run pays for its features
            runs.append(fit(work, f"h-{method}-{seed}", str(data), "--backbone", "mobilenet_v2", "--method", method,
                            *own, "--seed", str(seed), "--controls", "none"))  # fmt: skip
        values = [r["accuracy"] for r in runs]
        found[method] = {"options": runs[0]["options"], "accuracy_mean": float(np.mean(values)),
                         "accuracy_lowest": min(values), "accuracy_highest": max(values), "accuracies": values,
                         "interval_of_the_first": runs[0]["accuracy_ci95"],
                         "seconds_median": float(np.median([r["seconds"] for r in runs]))}  # fmt: skip
    return {"items": 153, "seeds": seeds, **found}


def fastai(work: Path, seeds: int = 3) -> dict[str, Any]:
    """One command of ours and fastai's fine_tune(3), in turns: same photos, same weights, start-up included."""
    data, weights = need("data/hymenoptera.zip", "weights/mobilenet_v2_imagenet.safetensors")
    folder = next(unzipped(data).rglob("train")).parent
    ours, theirs = [], []
    for seed in range(seeds):
        os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(dir=work)
        ours.append(fit(work, f"f-{seed}", str(folder), "--backbone", "mobilenet_v2", "--seed", str(seed),
                        "--controls", "none"))  # fmt: skip
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, str(Path(__file__).with_name("peer_fastai.py")), str(folder),
                               str(weights), str(seed)], capture_output=True, text=True)  # fmt: skip
        if done.returncode:
            sys.exit(f"fastai is not there, or failed: {done.stderr[-600:]}")
        peer = json.loads(done.stdout.splitlines()[-1])
        theirs.append({**peer, "seconds": round(time.perf_counter() - begun, 1)})
        print("fastai", theirs[-1], flush=True)
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(ours, theirs, strict=True)]
    return {"seeds": seeds, "ours": ours, "fastai": theirs, "our_accuracy": [r["accuracy"] for r in ours],
            "fastai_accuracy": [r["accuracy"] for r in theirs], "times_faster": ratios,
            "times_faster_median": float(np.median(ratios))}  # fmt: skip


def mnist(work: Path) -> dict[str, Any]:
    """The textbook's pair: from scratch on MNIST, then from there to CIFAR-10, against CIFAR-10 from scratch."""
    source, cifar10 = need("data/mnist", "data/cifar10_subset.npz")
    first = fit(work, "mnist", f"{source}#train", "--val", f"{source}#test", "--backbone", "random:regraft_tiny",
                "--method", "scratch", "--epochs", "1", "--batch", "64", "--controls", "none")  # fmt: skip
    target = [f"{cifar10}#train", "--val", f"{cifar10}#test", "--epochs", "6", "--batch", "64", "--controls", "none"]
    scratch = fit(work, "c-scratch", *target, "--backbone", "random:regraft_tiny", "--method", "scratch")
    moved = fit(work, "c-init", *target, "--init", str(work / "mnist"), "--method", "finetune", "--lr", "2e-3",
                "--batch-norm", "learn")  # fmt: skip
    return {"mnist_from_scratch": first, "cifar10_from_scratch": scratch, "cifar10_from_mnist": moved,
            "gain": paired(work / "c-init", work / "c-scratch")}  # fmt: skip


def paired(ours: Path, theirs: Path) -> dict[str, Any]:
    """The difference of two runs on the same judged items, with its paired interval."""
    import csv

    from regraft.metrics.intervals import paired_gain

    right = []
    for run in (ours, theirs):
        with open(run / "predictions.csv", newline="") as f:
            right.append({r["input"]: float(r["label"] == r["predicted"]) for r in csv.DictReader(f)})
    names = sorted(right[0])
    return paired_gain(*(np.array([r[n] for n in names]) for r in right))


def short(work: Path) -> dict[str, Any]:
    """AlexNet and GoogLeNet: a first short training makes weights, a second starts from them on other classes."""
    data, photos = need("data/cifar10_subset.npz", "data/hymenoptera.zip")
    found = {}
    for name, size in (("alexnet", "64"), ("googlenet", "64")):
        shared = ["--epochs", "2", "--batch", "64", "--controls", "none"]
        rate = "3e-4" if name == "alexnet" else "2e-3"
        first = fit(work, f"{name}-1", f"{data}#train", "--val", f"{data}#test", "--backbone", f"random:{name}",
                    "--size", size, "--method", "scratch", "--lr", rate, *shared)  # fmt: skip
        second = fit(work, f"{name}-2", str(photos), "--init", str(work / f"{name}-1"), "--method", "finetune",
                     "--lr", "3e-4", "--epochs", "4", "--batch", "32", "--batch-norm", "learn",
                     "--controls", "none")  # fmt: skip
        found[name] = {"first_on_cifar10": first, "then_on_hymenoptera": second}
    return found


PARTS = {"cifar": cifar, "four": four, "hymenoptera": hymenoptera, "mnist": mnist, "short": short,
         "fastai": fastai}  # fmt: skip


def main() -> None:
    wanted = sys.argv[1:] or [p for p in PARTS if p != "fastai"]
    os.environ["REGRAFT_WEIGHTS"] = str(need("weights")[0])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REGRAFT_CACHE"] = str(Path(folder) / "cache")
        for name in wanted:
            keep("adaptation", PARTS, name, PARTS[name](Path(folder)), seeds=SEEDS)


if __name__ == "__main__":
    main()
