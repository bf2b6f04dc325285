"""What an accelerator makes of frozen features, as shares of what the card can do.

``python benchmarks/gpu_extract.py [--out FILE]`` needs torch, torchvision, numpy, scikit-learn, Pillow and safetensors
alone, no data and no weights: photos are drawn, networks are random. It measures the card's rate of multiplying
matrices in bfloat16 and its bandwidth of copying to and fro; each network alone, in eager float32, in bfloat16 with
channels last, and the same as a CUDA graph, in batches of 32, 128 and 512; and JPEG photos on disk to rows, by a script
of eager float32 with a loader and through regraft's engines, in turns. ``--device cpu`` tries the script out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

NETWORKS, BATCHES, TURNS = ("mobilenet_v2", "resnet18", "resnet50"), (32, 128, 512), 5


def seconds_of(work: Callable[[], Any], device: str, turns: int = TURNS) -> float:
    """The median of some turns, the first left out."""
    times = []
    for _ in range(turns + 1):
        _wait(device)
        begun = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def card(device: str) -> dict[str, float]:
    """Operations a second of a large product in bfloat16, and bytes a second of copies from and to pinned memory."""
    n, size = (8192, 1 << 30) if device != "cpu" else (512, 1 << 22)
    a, b = (torch.randn(n, n, dtype=torch.bfloat16, device=device) for _ in range(2))
    here = torch.empty(size, dtype=torch.uint8, pin_memory=device != "cpu")
    there = torch.empty(size, dtype=torch.uint8, device=device)
    return {"bf16_flops": 2 * n**3 / seconds_of(lambda: a @ b, device),
            "bytes_to": size / seconds_of(lambda: there.copy_(here, non_blocking=True), device),
            "bytes_from": size / seconds_of(lambda: here.copy_(there, non_blocking=True), device)}  # fmt: skip


def graph_of(body: Any, x: Tensor) -> Callable[[], Any]:
    """The pass of ``x`` as one CUDA graph."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            _pass(body, x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _pass(body, x)
    return graph.replay


def alone(name: str, device: str, rate: float, batches: tuple[int, ...]) -> dict[str, Any]:
    """Pictures a second of the network, and by that the share of the card's rate in bfloat16."""
    from regraft.backbones import catalog

    body = catalog.load(f"random:{name}").body.to(device).eval()
    found: dict[str, Any] = {}
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        body.features(torch.zeros(1, 3, 224, 224, device=device))
    for batch in batches:
        x = torch.randn(batch, 3, 224, 224, device=device)
        ways = {"float32": seconds_of(partial(_pass, body, x), device)}
        body = body.to(torch.bfloat16, memory_format=torch.channels_last)
        x = x.to(torch.bfloat16, memory_format=torch.channels_last)
        ways["bf16"] = seconds_of(partial(_pass, body, x), device)
        if device != "cpu":
            ways["bf16 graph"] = seconds_of(graph_of(body, x), device)
        body = body.float().to(memory_format=torch.contiguous_format)
        found[str(batch)] = {k: {"images_a_second": batch / s, "share_of_bf16_rate":
                                 counted.get_total_flops() * batch / s / rate} for k, s in ways.items()}  # fmt: skip
    return {"flops_a_picture": counted.get_total_flops(), **found}


def _pass(body: Any, x: Tensor) -> None:
    with torch.inference_mode():
        body.features(x)


def photos(folder: Path, count: int) -> None:
    """Smoothed noise of 500 x 375 pixels as JPEG."""
    rng = np.random.default_rng(0)
    for i in range(count):
        noise = Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)).resize((500, 375))
        noise.save(folder / f"{i:05}.jpg", quality=90)


def by_script(folder: Path, name: str, device: str, workers: int) -> int:
    """What a user would write."""
    from torchvision import models, transforms

    files = sorted(folder.glob("*.jpg"))
    prepare = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                  transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])  # fmt: skip

    class Photos(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, i: int) -> Any:
            return prepare(Image.open(files[i]).convert("RGB"))

    network = getattr(models, name)(weights=None)
    setattr(network, "classifier" if hasattr(network, "classifier") else "fc", nn.Identity())
    network, rows = network.to(device).eval(), []
    loaded = torch.utils.data.DataLoader(Photos(), batch_size=64, num_workers=workers, pin_memory=device != "cpu")
    with torch.no_grad():
        for x in loaded:
            rows.append(network(x.to(device, non_blocking=True)).cpu().numpy())
    return len(np.concatenate(rows))


def by_regraft(folder: Path, name: str, device: str, engine: str) -> int:
    from regraft.backbones import catalog
    from regraft.core.row_store import RowStore
    from regraft.data.open import open_inputs
    from regraft.features.runner import Runner

    items = open_inputs(str(folder), modality="image").items
    with tempfile.TemporaryDirectory() as store:
        return len(Runner(catalog.load(f"random:{name}"), engine, device).stored(items, RowStore(Path(store))).rows)


def end_to_end(name: str, device: str, count: int, turns: int) -> dict[str, Any]:
    """Photos on disk to rows, images a second of each way, in turns; and of decoding alone on all cores."""
    from regraft.core.runtime import bf16_pays

    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photos(folder, count)
        ways: dict[str, Callable[[], int]] = {
            "script": lambda: by_script(folder, name, device, cores),
            "regraft torch": lambda: by_regraft(folder, name, device, "torch"),
        }
        if bf16_pays(device):
            ways["regraft torch-bf16"] = lambda: by_regraft(folder, name, device, "torch-bf16")
        seconds: dict[str, list[float]] = {k: [] for k in ways}
        for turn in range(turns + 1):
            for way, work in ways.items():
                begun = time.perf_counter()
                assert work() == count
                if turn:
                    seconds[way].append(time.perf_counter() - begun)
    return {"photos": count, "turns": turns, "images_a_second": {k: count / statistics.median(v)
            for k, v in seconds.items()}, "times_the_script": {k: statistics.median(
                a / b for a, b in zip(seconds["script"], v, strict=True)) for k, v in seconds.items()}}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--photos", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu_extract.json")
    asked = parser.parse_args()
    if asked.device != "cpu" and not torch.cuda.is_available():
        sys.exit("No CUDA device is here: nothing was measured (--device cpu tries the script out).")
    name = "cpu" if asked.device == "cpu" else torch.cuda.get_device_name(asked.device)
    found: dict[str, Any] = {"device": name, "cores": os.cpu_count(), "torch": torch.__version__,
                             "command": f"python benchmarks/gpu_extract.py {' '.join(sys.argv[1:])}", "seeds": "0",
                             "card": card(asked.device)}  # fmt: skip
    with torch.cuda.device(asked.device) if asked.device != "cpu" else nullcontext():
        for network in asked.networks.split(","):
            sizes, rate = tuple(map(int, asked.batches.split(","))), found["card"]["bf16_flops"]
            found[network] = {
                "network_alone": alone(network, asked.device, rate, sizes),
                "end_to_end": end_to_end(network, asked.device, asked.photos, asked.turns),
            }
            print(network, json.dumps(found[network]), flush=True)
            asked.out.write_text(json.dumps(found, indent=2) + "\n")  # what is measured is kept, whatever comes next


if __name__ == "__main__":
    main()
