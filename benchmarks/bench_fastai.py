"""Hymenoptera from a zip to a judged model: one command of ours against fastai's fine_tune, start-up included.

Needs the shared data and weights, and fastai (``pip install fastai``). Both run as commands of their own, in turns, on
the same network and weights; ours pays for its features every time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import need, unzipped, write

ROUNDS = 3
FASTAI = """
import sys, torch
from fastai.vision.all import *
from safetensors.torch import load_file
from torchvision.models import mobilenet_v2
folder, weights, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
set_seed(seed, reproducible=True)
loaders = ImageDataLoaders.from_folder(folder, train="train", valid="val", item_tfms=Resize(256),
                                       batch_tfms=[*aug_transforms(size=224), Normalize.from_stats(*imagenet_stats)],
                                       bs=32, num_workers=2)
def body(pretrained=True, **more):
    net = mobilenet_v2()
    if pretrained:
        net.load_state_dict({k: v.float() for k, v in load_file(weights).items()}, strict=False)
    return net
learner = vision_learner(loaders, body, metrics=accuracy, cut=-1, splitter=default_split,
                         normalize=False)
with learner.no_bar(), learner.no_logging():
    learner.fine_tune(3)
print("ACCURACY", float(learner.validate()[1]))
"""


def timed(command: list[str], **environment: str) -> tuple[str, float]:
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]}: {done.stderr[-2000:]}")
    return done.stdout, time.perf_counter() - begun


def main() -> None:
    archive, weights = need("data/hymenoptera.zip", "weights/mobilenet_v2_imagenet.safetensors")
    folder = unzipped(archive) / "hymenoptera_data"
    seen: dict[str, list[dict[str, Any]]] = {"fastai": [], "regraft": []}
    with tempfile.TemporaryDirectory() as work:
        script = Path(work, "peer.py")
        script.write_text(FASTAI)
        for number in range(ROUNDS):
            said, seconds = timed([sys.executable, str(script), str(folder), str(weights), str(number)])
            seen["fastai"].append({"accuracy": float(said.split("ACCURACY")[1]), "seconds": seconds})
            said, seconds = timed(
                [sys.executable, "-m", "regraft", "-q", "fit", str(archive), "--backbone", "mobilenet_v2", "--seed",
                 str(number), "--controls", "none", "--out", f"{work}/r{number}", "--json"],
                REGRAFT_CACHE=f"{work}/cache{number}", REGRAFT_WEIGHTS=str(weights.parent),
            )  # fmt: skip
            accuracy = json.loads(said)["metrics"]["val"]["accuracy"]
            seen["regraft"].append({"accuracy": accuracy, "seconds": seconds})
            print(number, {k: v[-1] for k, v in seen.items()}, flush=True)
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(seen["fastai"], seen["regraft"], strict=True)]
    write("fastai", {"seeds": f"0 to {ROUNDS - 1}", "runs": seen, "times_faster": statistics.median(ratios)})


if __name__ == "__main__":
    main()
