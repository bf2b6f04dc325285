"""How fast frozen features are, beside what a user would write in PyTorch: ``python benchmarks/bench_speed.py [PART]``.

``end_to_end``: JPEG photos on disk to rows on disk. Each contender runs in a process of its own, in turns; its seconds
begin when everything is imported. ``one``: one picture through a loaded model beside the network's own pass.
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

from common import keep, need, unzipped

PARTS = ("end_to_end", "one")
NETWORKS = ("mobilenet_v2", "resnet18", "resnet50")
ENOUGH = 5
PEERS = ("plain", "best", "regraft")


def photos(folder: Path, count: int) -> Path:
    """``count`` different JPEG photos of 500 x 375 pixels, cut out of those of hymenoptera."""
    sources = sorted(unzipped(need("data/hymenoptera.zip")[0]).rglob("*.jpg"))
    rng = np.random.default_rng(0)
    for i in range(count):
        with Image.open(sources[i % len(sources)]) as image:
            whole = image.convert("RGB").resize((640, 480))
        left, top = (int(rng.integers(0, n)) for n in (140, 105))
        whole.crop((left, top, left + 500, top + 375)).save(folder / f"{i:05}.jpg", quality=90)
    return folder


def network_of(name: str) -> Any:
    """torchvision's network from random weights, its last layer left out."""
    import torch
    import torchvision

    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None)
    setattr(network, "classifier" if hasattr(network, "classifier") else "fc", torch.nn.Identity())
    return network.eval()


def by_torch(folder: Path, name: str, best: bool, out: Path) -> None:
    """What a user would write; with ``best`` all that PyTorch alone can do."""
    import torch
    from torchvision import transforms

    class Photos(torch.utils.data.Dataset[Any]):
        files = sorted(folder.glob("*.jpg"))
        prepare = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                      transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])  # fmt: skip

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, i: int) -> Any:
            return self.prepare(Image.open(self.files[i]).convert("RGB"))

    network = network_of(name)
    if best:
        network = network.to(torch.bfloat16, memory_format=torch.channels_last)
    rows = []
    loaded = torch.utils.data.DataLoader(Photos(), batch_size=32, num_workers=2)
    with torch.inference_mode() if best else torch.no_grad():
        for x in loaded:
            x = x.to(torch.bfloat16, memory_format=torch.channels_last) if best else x
            rows.append(network(x).float().numpy())
    np.save(out, np.concatenate(rows))


def by_regraft(folder: Path, name: str, store: Path, engine: str) -> dict[str, Any]:
    """Through a runner into a store."""
    from regraft.backbones import catalog
    from regraft.core.row_store import RowStore
    from regraft.data.open import open_inputs
    from regraft.features.runner import Runner

    items = open_inputs(str(folder), modality="image").items
    network = catalog.load(f"random:{name}")
    runner = Runner(network, engine, "cpu")
    found = runner.stored(items, RowStore(store))
    assert len(found.positions) == len(items)
    return {"engine": runner.engine}


def contender(words: list[str]) -> None:
    """One contender in this process: prints its seconds."""
    peer, folder, name, out, engine = words
    import torch
    import torchvision  # noqa: F401

    if peer == "regraft":
        import regraft.features.runner  # noqa: F401
    torch.set_num_threads(os.cpu_count() or 1)
    begun = time.perf_counter()
    more: dict[str, Any] = {}
    if peer == "regraft":
        more = by_regraft(Path(folder), name, Path(out), engine)
    else:
        by_torch(Path(folder), name, peer == "best", Path(out) / "rows.npy")
    print(json.dumps({"seconds": time.perf_counter() - begun, **more}))


def run(peer: str, folder: Path, name: str, engine: str) -> dict[str, Any]:
    """One contender in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([sys.executable, __file__, "--contender", peer, str(folder), name, out, engine],
                              capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def end_to_end(count: int, rounds: int, networks: tuple[str, ...], engine: str) -> dict[str, Any]:
    """By network the seconds of each contender, in turns, and how many times faster regraft is, pair by pair."""
    found: dict[str, Any] = {"photos": count, "rounds": rounds, "engine_asked": engine}
    with tempfile.TemporaryDirectory() as place:
        folder = photos(Path(place), count)
        for name in networks:
            first = run("regraft", folder, name, engine)  # chooses, converts, remembers
            seconds: dict[str, list[float]] = {p: [] for p in PEERS}
            for _ in range(rounds):
                for peer in PEERS:
                    last = run(peer, folder, name, engine)
                    seconds[peer].append(last["seconds"])
            found[name] = {
                "engine": last["engine"], "first_run_seconds": first["seconds"],
                "seconds": {p: spread(s) for p, s in seconds.items()},
                "images_a_second": {p: count / statistics.median(s) for p, s in seconds.items()},
                "times_faster": {p: spread([a / b for a, b in zip(seconds[p], seconds["regraft"], strict=True)])
                                 for p in PEERS[:-1]},
            }  # fmt: skip
            print(name, {p: round(v["median"], 2) for p, v in found[name]["times_faster"].items()}, last["engine"])
    return found


def one(rounds: int) -> dict[str, Any]:
    """Milliseconds of one picture: through a loaded model, the network's own pass, and decoding."""
    import torch

    import regraft
    from regraft.data.image.decoding import decode, fit

    work = Path(tempfile.mkdtemp(prefix="regraft-bench-"))
    data = unzipped(need("data/hymenoptera.zip")[0]) / "hymenoptera_data"
    weights = need("weights/mobilenet_v2_imagenet.safetensors")[0]
    found: dict[str, Any] = {}
    for engine in ("torch", "openvino", "onnxruntime"):
        try:
            run_of = regraft.fit(str(data / "train"), weights=str(weights), backbone="mobilenet_v2", controls="none",
                                 engine="torch", out=str(work / engine)).run  # fmt: skip
            model = regraft.load(run_of, engine=engine)
        except regraft.RegraftError as error:
            found[engine] = {"not_run": str(error)}
            continue
        file = next((data / "val").rglob("*.jpg"))
        spec = model.model.network.spec
        picture = fit(decode(file.read_bytes()), spec)
        network = network_of("mobilenet_v2")
        x = torch.from_numpy(picture)[None].permute(0, 3, 1, 2).float() / 255

        def plain(network: Any = network, x: Any = x) -> None:
            with torch.inference_mode():
                network(x)

        timed = {
            "predict": _ms(lambda m=model, f=file: m.predict([str(f)]), rounds),  # type: ignore[misc]
            "plain_pass": _ms(plain, rounds),
            "decode": _ms(lambda f=file, s=spec: fit(decode(f.read_bytes()), s), rounds),
        }  # type: ignore[misc]
        found[engine] = {**timed, "times_plain_pass_and_decode": timed["predict"]["median"] /
                         (timed["plain_pass"]["median"] + timed["decode"]["median"])}  # fmt: skip
        print(engine, found[engine])
    return found


def _ms(work: Callable[[], Any], rounds: int) -> dict[str, float]:
    for _ in range(3):
        work()
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        seconds.append(1000 * (time.perf_counter() - begun))
    return spread(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=ENOUGH)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--contender", nargs=5)
    asked = parser.parse_args()
    if asked.contender:
        return contender(asked.contender)
    os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(prefix="regraft-bench-cache-")  # nothing is remembered at first
    for part in asked.parts:
        if part == "one":
            figures = one(50)
        else:
            figures = end_to_end(asked.photos, asked.rounds, tuple(asked.networks.split(",")), asked.engine)
        keep("speed", PARTS, part, figures, command=f"python benchmarks/bench_speed.py {' '.join(sys.argv[1:])}")
    return None


if __name__ == "__main__":
    main()
