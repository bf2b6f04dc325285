"""Pictures a second of every engine, the network alone: ``python benchmarks/bench_engines.py [NETWORK ...]``.

Pictures of 224 x 224 pixels lie in memory as bytes, in batches of 32 and of 1. All engines run in turns, TURNS times; a
figure is the median over the turns, a ratio that of each turn. Rows are compared with those of PyTorch in float32; int8
is calibrated on the pictures of the batch.
``one_picture`` is a file on disk through a loaded network, beside its decoding and the engine's own pass, the median
of 50.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from common import write
from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.core.runtime import bf16_pays
from regraft.data.items import PictureArray, PictureFiles
from regraft.data.open import open_inputs
from regraft.data.transforms.loaders import loader
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.base import ENGINES, Engine, make_engine, missing
from regraft.features.engines.graphs import version
from regraft.features.engines.openvino_int8 import calibrated
from regraft.features.runner import Runner
from regraft.options.network import INT8

NETWORKS = ("mobilenet_v2", "resnet18", "resnet50")
TURNS, ALONE = 7, 50


def here() -> list[str]:
    """The engines of this machine."""
    known = [n for n in ENGINES if n != INT8 or version("nncf")]
    return [n for n in known if not missing(ENGINES.get(n)) and (bf16_pays() or not ENGINES.get(n).BF16)]


def in_turns(ways: dict[str, Callable[[], Any]], turns: int) -> dict[str, list[float]]:
    """Seconds of each way, once a turn; one run before that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(turns):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def smooth(seed: int, width: int, height: int) -> np.ndarray:
    """A picture of coarse noise, smoothed."""
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height)))


def speeds(engines: dict[str, Engine], data: np.ndarray) -> dict[str, Any]:
    seconds = in_turns({name: lambda e=e: e.run(data) for name, e in engines.items()}, TURNS)
    plain = seconds["torch"]
    return {name: {"items_a_second": len(data) / statistics.median(own),
                   "times_torch": statistics.median(p / o for p, o in zip(plain, own, strict=True))}
            for name, own in seconds.items()}  # fmt: skip


def one_picture(network: Pretrained, name: str, photo: Path) -> dict[str, float]:
    """Milliseconds from a file to its row, of decoding it, and of the engine's own pass."""
    items = open_inputs(str(photo)).items
    assert isinstance(items, PictureFiles)
    load, runner, engine = loader(items, network.spec), Runner(network, name), make_engine(network, name)
    decoded = np.stack([load(0)])
    ways = {"whole": lambda: list(runner.stream(items, "x")), "decoding": lambda: load(0),
            "pass": lambda: engine.run(decoded)}  # fmt: skip
    found = {k: 1000 * statistics.median(v) for k, v in in_turns(ways, ALONE).items()}
    return {**found, "times_its_parts": found["whole"] / (found["decoding"] + found["pass"])}


def measured(name: str, photo: Path) -> dict[str, Any]:
    network = catalog.load(f"random:{name}")
    data = np.asarray(
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)).resize((640, 448))
    )
    crops = np.stack([data[10 * (i % 8) : 10 * (i % 8) + 224, 50 * (i // 8) : 50 * (i // 8) + 224] for i in range(32)])
    engines, networks, seconds = {}, {}, {}
    for engine in here():
        begun = time.perf_counter()
        networks[engine] = calibrated(network, PictureArray(crops, "crops")) if engine == INT8 else network
        engines[engine] = make_engine(networks[engine], engine)
        seconds[engine] = round(time.perf_counter() - begun, 2)
    rows = {n: e.run(crops)["pooled"] for n, e in engines.items()}
    found = {
        "batch_32": speeds(engines, crops),
        "batch_1": speeds(engines, crops[:1]),
        "cosine_least": {n: least_cosine(r, rows["torch"]) for n, r in rows.items()},
        "seconds_to_make": seconds,
        "one_picture": {n: one_picture(networks[n], n, photo) for n in engines},
    }
    for n in engines:
        print(f"{name} {n}: {found['batch_32'][n]['items_a_second']:.0f} a second, "
              f"{found['batch_32'][n]['times_torch']:.2f} times torch; one at a time "
              f"{found['batch_1'][n]['items_a_second']:.0f}; a file {found['one_picture'][n]['whole']:.1f} ms, "
              f"{found['one_picture'][n]['times_its_parts']:.2f} times its parts", flush=True)  # fmt: skip
    return found


def main(*names: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REGRAFT_CACHE"] = folder  # engines are converted anew
        photo = Path(folder) / "photo.jpg"
        Image.fromarray(smooth(99, 500, 375)).save(photo, quality=90)
        found = {name: measured(name, photo) for name in names or NETWORKS}
    write("engines", {"seeds": "0", "turns": TURNS, "threads": torch.get_num_threads(), "load": os.getloadavg()[0],
                      "networks": found})  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
