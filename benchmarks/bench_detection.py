"""Detectors on BCCD's blood cells: what each reaches, what transfer is worth, and what it costs.

Needs the shared data and weights. Parts (all without arguments): bccd, fewer, fusion, heads, formats.
`bccd` takes about two hours and a half on two cores, `fewer` half an hour. Settings were chosen on val; the figures are
of test, whose pictures no fit has seen.
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
import torch

from common import SHARED, keep, need, regraft_fit, save_plot, unzipped, written

PARTS = ("bccd", "fewer", "fusion", "heads", "formats")
SEEDS = (0, 1, 2)
DETECTORS: dict[str, list[str]] = {
    "yolo": ["--detector", "yolo", "--epochs", "16"],
    "fasterrcnn": ["--detector", "fasterrcnn", "--backbone", "mobilenet_v2", "--epochs", "12"],
    "ssd": ["--detector", "ssd", "--backbone", "mobilenet_v2", "--epochs", "40"],
}
METHODS = ("finetune", "head-only", "scratch")
COUNTS = (10, 25, 50, 205)


def fit(work: Path, out: str, data: str, *options: str) -> dict[str, Any]:
    """One ``regraft fit`` and one ``regraft evaluate`` on test, as commands of their own."""
    result, seconds = regraft_fit(work, out, data, *options)
    command = [sys.executable, "-m", "regraft", "-q", "evaluate", str(work / out), f"{bccd()}#test", "--json"]
    judged = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    shown = " ".join(options).replace(f"{SHARED}/", "../shared/").replace(f"{work}/", "")
    found = {"options": shown, "seconds": seconds, "fit_seconds": result["seconds"]["fit"],
             "steps": result["choice"]["steps"], "val": figures(result["metrics"]["val"]),
             "test": figures(judged["metrics"])}  # fmt: skip
    found["items"] = result["items"]["train"]
    print(out, found["items"], found["test"], seconds, flush=True)
    return found


def figures(metrics: dict[str, Any]) -> dict[str, float]:
    return {k: metrics[k] for k in ("map50", "map")}


def bccd() -> Path:
    return need("data/bccd.zip")[0]


def summed(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Mean, lowest and highest of the figures on test."""
    found: dict[str, Any] = {
        "runs": dict(sorted(runs.items())),
        "seconds_median": float(np.median([r["seconds"] for r in runs.values()])),
    }
    for name in ("map50", "map"):
        values = [r["test"][name] for r in runs.values()]
        found |= {name: float(np.mean(values)), f"{name}_lowest": min(values), f"{name}_highest": max(values)}
    return found


def seeds_of(part: str, name: str, before: dict[str, Any], fitted: Any, seeds: tuple[int, ...] = SEEDS) -> None:
    """Runs what is missing of ``name``; each run is written as it ends."""
    runs = dict(before.get(name, {}).get("runs", {}))
    for seed in seeds:
        if str(seed) not in runs:
            runs[str(seed)] = fitted(seed)
            before[name] = summed(runs)
            keep("detection", PARTS, part, before, seeds="0, 1, 2")


def bccd_part(work: Path) -> None:
    """Each detector with its own split: train to learn from and to choose by, val to look at, test once."""
    found = written("detection").get("bccd", {})
    for name, options in DETECTORS.items():
        runs = found.get(name, {}).get("runs", {})
        if any(not r["options"].startswith(" ".join(options)) for r in runs.values()):
            del found[name]  # measured with other options
        seeds_of("bccd", name, found, lambda seed, n=name, o=options: fit(
            work, f"{n}-{seed}", str(bccd()), *o, "--seed", str(seed)))  # fmt: skip


def fewer(work: Path) -> None:
    """How the gain of transfer falls with data: pictures drawn by the seed, the same for each method; one seed."""
    folder = next(unzipped(bccd()).rglob("ImageSets")).parent
    whole = (folder / "ImageSets" / "Main" / "train.txt").read_text().split()
    found = written("detection").get("fewer", {})
    for count in COUNTS:
        for method in METHODS:

            def fitted(seed: int, count: int = count, method: str = method) -> dict[str, Any]:
                some = np.random.default_rng(seed).permutation(len(whole))[:count]
                names = "\n".join(whole[i] for i in sorted(some)) + "\n"
                (folder / "ImageSets" / "Main" / "train.txt").write_text(names)
                (folder / "ImageSets" / "Main" / "trainval.txt").unlink(missing_ok=True)
                return fit(work, f"{count}-{method}-{seed}", str(folder), "--method", method, "--seed", str(seed),
                           *(["--epochs", "16"] if count == len(whole) else []))  # fmt: skip

            seeds_of("fewer", f"{count} {method}", found, fitted, (0,))
    plot(found)


def plot(found: dict[str, Any]) -> None:
    """mAP on test against the pictures learned from, by method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.2, 3.4), dpi=90)
    for method in METHODS:
        values = [found.get(f"{count} {method}", {}).get("map", float("nan")) for count in COUNTS]
        axes.plot(COUNTS, values, marker="o", label=method)
    axes.set(
        xscale="log", xlabel="pictures to learn from", ylabel="mAP on test", title="BCCD, YOLOX-nano", ylim=(0, 0.7)
    )
    save_plot(figure, axes, COUNTS, "fewer_pictures")


def fusion(work: Path) -> None:
    """A frozen pretrained body beside a small one that learns, against each alone, under one SSD head."""
    found = written("detection").get("fusion", {})
    rows = {
        "both": ["--backbone", "mobilenet_v2+small"],
        "pretrained, frozen": ["--backbone", "mobilenet_v2", "--method", "head-only"],
        "small, learning": ["--backbone", "small", "--method", "scratch"],
    }
    for name, options in rows.items():
        seeds_of("fusion", name, found, lambda seed, n=name, o=options: fit(
            work, f"{n.split(',')[0]}-{seed}", str(bccd()), "--detector", "ssd", *o, "--epochs", "24", "--seed",
            str(seed)), (0,))  # fmt: skip


def heads(work: Path) -> None:
    """head-only on stored maps against the same steps with the frozen blocks computed, and what that allows."""
    from torch.utils.flop_counter import FlopCounterMode

    from regraft.core.boxes import Boxes
    from regraft.models.detectors import catalog
    from regraft.models.detectors.base import Batch
    from regraft.training.feeds.detection import packed

    need("data/bccd.zip")
    frame, n = (320, 416), 8
    detector = catalog.load("yolo", frame=frame)
    detector.with_classes(("a", "b", "c"))
    detector.to(memory_format=torch.channels_last)
    first_trained_block = len(detector.body.blocks)
    detector.body.freeze(first_trained_block)
    detector.train()
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 250, (n, 12, 2))
    boxes = [Boxes(np.concatenate([c, c + 60], 1), rng.integers(0, 3, 12)) for c in corners]
    frames = torch.from_numpy(rng.integers(0, 255, (n, 3, *frame), dtype=np.uint8))
    whole = Batch([frames], *packed(boxes), frame)
    with torch.inference_mode():
        maps = [m.half().float().clone() for m in detector.through([frames], 0, first_trained_block)]
    stored = Batch([m.clone() for m in maps], *packed(boxes), frame)
    learning = [p for p in detector.parameters() if p.requires_grad]

    def step(batch: Batch, at: int) -> None:
        detector.first_trained_block = at
        for p in learning:
            p.grad = None
        detector(batch).backward()

    def operations(batch: Batch, at: int) -> int:
        with FlopCounterMode(display=False) as counter:
            step(batch, at)
        return int(counter.get_total_flops())

    times: dict[int, list[float]] = {0: [], first_trained_block: []}
    for turn in range(34):
        for at, batch in ((0, whole), (first_trained_block, stored)):
            begun = time.perf_counter()
            step(batch, at)
            if turn >= 4:
                times[at].append(time.perf_counter() - begun)
    ratio = float(np.median(np.array(times[0]) / np.array(times[first_trained_block])))
    flops = {at: operations(batch, at) for at, batch in ((0, whole), (first_trained_block, stored))}
    allowed = flops[0] / flops[first_trained_block]
    keep("detection", PARTS, "heads", {
        "batch": n, "frame": list(frame), "threads": torch.get_num_threads(), "times_faster": ratio,
        "operations_with_frozen_blocks": flops[0], "operations_of_the_head": flops[first_trained_block],
        "allowed": allowed, "share": ratio / allowed,
        "operations": "of convolutions, forward and backward, torch.utils.flop_counter",
    }, seeds="0, 1, 2")  # fmt: skip


def formats(work: Path) -> None:
    """BCCD as COCO, then VOC, then YOLO, then COCO again: what of its boxes, classes and pictures is still there."""
    from regraft.data.open import open_data

    before, place = open_data(str(bccd())), str(bccd())
    for i, form in enumerate(("coco", "voc", "yolo", "coco")):
        out = work / f"as-{i}-{form}"
        subprocess.run([sys.executable, "-m", "regraft", "-q", "convert", place, "--to", form, "--out", str(out)],
                       check=True, capture_output=True)  # fmt: skip
        place = str(out)
    after = open_data(place)

    def by_digest(data: Any) -> dict[bytes, Any]:
        return {data.items.digest(i): data.y[i] for i in range(len(data))}

    first, last = by_digest(before), by_digest(after)
    worst, boxes, classes = 0.0, 0, 0
    for digest, truth in first.items():
        other = last[digest]
        boxes += len(other) == len(truth)
        a, b = (one.xyxy[np.lexsort(one.xyxy.round(2).T)] for one in (truth, other))
        worst = max(worst, float(np.abs(a - b).max(initial=0)))
        names = [sorted(np.array(d.classes)[o.labels]) for d, o in ((before, truth), (after, other))]
        classes += names[0] == names[1]
    keep("detection", PARTS, "formats", {
        "way": "coco, voc, yolo, coco", "pictures": len(first), "pictures_after": len(last),
        "pictures_with_as_many_boxes": boxes, "pictures_with_the_same_classes": classes,
        "largest_difference_of_a_corner_in_pixels": worst,
        "parts_equal": {p: len(before.part(p)) == len(after.part(p)) for p in ("train", "val", "test")},
    }, seeds="0, 1, 2")  # fmt: skip


if __name__ == "__main__":
    ways = {
        "bccd": bccd_part,
        "fewer": fewer,
        "fusion": fusion,
        "heads": heads,
        "formats": formats,
    }
    os.environ.setdefault("REGRAFT_WEIGHTS", str(SHARED / "weights"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REGRAFT_CACHE"] = str(Path(folder) / "cache")
        for part in sys.argv[1:] or PARTS:
            ways[part](Path(folder))
