"""YOLOX-nano at 416 from JPEG files to boxes, beside what a user would write.

Each contender runs in a process of its own, in turns; its seconds begin when everything is imported. ``plain`` is the
same network in eager float32, picture by picture or in batches of 8: Pillow opens and resizes, torchvision's NMS.
``map``: BCCD's test pictures by a detector fine-tuned on its train part, by PyTorch in float32 and by the engine that
``auto`` chose.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import SHARED, need, write

SIDE, FLOOR, GREY = 416, 0.3, 114
PEERS = ("plain 1", "plain 8", "regraft")


def photos(folder: Path, count: int) -> Path:
    """BCCD's test pictures, copied until there are ``count``."""
    from regraft.data.open import open_data

    sources = open_data(f"{need('data/bccd.zip')[0]}#test").items
    for i in range(count):
        (folder / f"{i:05}.jpg").write_bytes(sources.read(i % len(sources)))  # type: ignore[attr-defined]
    return folder


def detector() -> Any:
    """The released network as it is loaded."""
    from regraft.models.detectors import catalog

    return catalog.load("yolo", weights=SHARED / "weights" / "yolox_nano_coco.safetensors", frame=(SIDE, SIDE))


def by_torch(folder: Path, batch: int) -> list[Any]:
    """What a user would write."""
    import torch
    from torchvision.ops import batched_nms

    from regraft.models.detectors import simota

    network, found = detector().eval(), []
    files, at = sorted(folder.glob("*.jpg")), simota.grid(SIDE, SIDE)
    for start in range(0, len(files), batch):
        frames, ratios = [], []
        for file in files[start : start + batch]:
            image = Image.open(file).convert("RGB")
            ratio = min(SIDE / image.width, SIDE / image.height)
            frame = Image.new("RGB", (SIDE, SIDE), (GREY,) * 3)
            size = int(image.width * ratio), int(image.height * ratio)
            frame.paste(image.resize(size, Image.Resampling.BILINEAR))
            frames.append(torch.from_numpy(np.array(frame)).permute(2, 0, 1))
            ratios.append(ratio)
        with torch.no_grad():
            raw = network.raw(torch.stack(frames))
            boxes = simota.decode(raw[..., :4], at)
            corners = torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], 2)
            scores, labels = (raw[..., 5:].sigmoid() * raw[..., 4:5].sigmoid()).max(2)
            for i, ratio in enumerate(ratios):
                there = scores[i] >= FLOOR
                some = corners[i, there] / ratio, scores[i, there], labels[i, there]
                kept = batched_nms(*some, 0.65)
                found.append([one[kept].numpy() for one in some])
    return found


def by_regraft(folder: Path, engine: str) -> tuple[list[Any], str]:
    """By what `predict` runs."""
    from regraft.data.open import open_inputs
    from regraft.models.detectors.apply import DetectorRunner

    items = open_inputs(str(folder), modality="image").items
    runner = DetectorRunner(detector(), engine, "cpu")
    return runner.detections(items, FLOOR), runner.engine


def contender(peer: str, folder: str, engine: str) -> None:
    """One contender in this process: prints its seconds."""
    import torch
    import torchvision  # noqa: F401

    import regraft.models.detectors.apply
    import regraft.models.detectors.catalog  # noqa: F401

    torch.set_num_threads(os.cpu_count() or 1)
    begun, used = time.perf_counter(), "torch"
    if peer == "regraft":
        found, used = by_regraft(Path(folder), engine)
    else:
        found = by_torch(Path(folder), int(peer.split()[1]))
    print(json.dumps({"seconds": time.perf_counter() - begun, "engine": used, "boxes": sum(len(f[0]) if isinstance(
        f, list) else len(f) for f in found)}))  # fmt: skip


def run(peer: str, folder: Path, engine: str) -> dict[str, Any]:
    """One contender in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--contender", peer, str(folder), engine], capture_output=True,
                          text=True)  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def speeds(folder: Path, count: int, rounds: int, engine: str) -> dict[str, Any]:
    """Seconds of each contender, in turns, and how many times faster regraft is, pair by pair."""
    first = run("regraft", folder, engine)  # chooses, converts, remembers
    seconds: dict[str, list[float]] = {p: [] for p in PEERS}
    boxes: dict[str, int] = {}
    for _ in range(rounds):
        for peer in PEERS:
            last = run(peer, folder, engine)
            seconds[peer].append(last["seconds"])
            boxes[peer] = last["boxes"]
        print({p: round(s[-1], 2) for p, s in seconds.items()}, last["engine"], flush=True)
    return {
        "pictures": count, "rounds": rounds, "engine_asked": engine, "engine": last["engine"], "boxes": boxes,
        "first_run_seconds": first["seconds"], "seconds": {p: spread(s) for p, s in seconds.items()},
        "pictures_a_second": {p: count / statistics.median(s) for p, s in seconds.items()},
        "times_faster": {p: spread([a / b for a, b in zip(seconds[p], seconds["regraft"], strict=True)])
                         for p in PEERS[:-1]},
    }  # fmt: skip


def shares(folder: Path, engine: str) -> dict[str, float]:
    """Milliseconds a picture, each step by itself: the median of 7 passes over 32 pictures."""
    from regraft.data.image.decoding import decode
    from regraft.models.detectors.apply import DetectorRunner
    from regraft.models.detectors.letterbox import brought

    runner = DetectorRunner(detector(), engine, "cpu")
    data = [f.read_bytes() for f in sorted(folder.glob("*.jpg"))[:32]]
    pictures = [decode(one) for one in data]
    framed = [runner.in_frame("", p) for p in pictures]
    network = runner._of((SIDE, SIDE))
    batches = [np.stack([p.pixels for p in framed[i : i + network.batch]]) for i in range(0, 32, network.batch)]
    rows = [network.run(b) for b in batches]
    steps: dict[str, Callable[[], Any]] = {
        "decoding": lambda: [decode(one) for one in data],
        "letterbox": lambda: [brought(p, (SIDE, SIDE), False) for p in pictures],
        "network": lambda: [network.run(b) for b in batches],
        "boxes": lambda: [[*runner._decoded(r, framed[i * network.batch : (i + 1) * network.batch], FLOOR)]
                          for i, r in enumerate(rows)],
    }  # fmt: skip
    return {name: 1000 * statistics.median(_timed(step) for _ in range(7)) / 32 for name, step in steps.items()}


def _timed(step: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def judged(work: Path, engine: str, epochs: int) -> dict[str, Any]:
    """COCO's figures on BCCD's test pictures of a detector fine-tuned for so many epochs, by eager float32 and by the
    engine.
    """
    import regraft

    data = str(need("data/bccd.zip")[0])
    model = regraft.fit(data, detector="yolo", weights=str(SHARED / "weights" / "yolox_nano_coco.safetensors"),
                        epochs=epochs, out=str(work / "run")).run  # fmt: skip
    found = {e: regraft.evaluate(model, f"{data}#test", engine=e).metrics for e in dict.fromkeys(("torch", engine))}
    return {"epochs": epochs, **{e: {k: m[k] for k in ("map", "map50")} for e, m in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=1152)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=16, help="of the fit that map is of; 0 leaves it out")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--contender", nargs=3)
    told = parser.parse_args()
    if told.contender:
        contender(*told.contender)
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ["REGRAFT_CACHE"] = str(Path(place) / "cache")
        (Path(place) / "photos").mkdir()
        folder = photos(Path(place) / "photos", told.pictures)
        found = speeds(folder, told.pictures, told.rounds, told.engine)
        found["milliseconds_a_picture"] = shares(folder, found["engine"])
        if told.epochs:
            found["map"] = judged(Path(place), found["engine"], told.epochs)
        print(json.dumps(found, indent=1))
    if told.rounds >= 5:
        write("detector_speed", {"seeds": "0", "threads": os.cpu_count(), **found})


if __name__ == "__main__":
    main()
