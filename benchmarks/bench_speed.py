"""How fast frozen features are, beside what a user would write in PyTorch: ``python benchmarks/bench_speed.py [PART]``.

``end_to_end``: JPEG photos on disk to rows on disk. Each contender runs in a process of its own, in turns; its seconds
begin when everything is imported; what the pipeline's own parts allow is measured beside them: the core-seconds of
decoding and of the network, over the cores. ``one``: one picture through a loaded model beside the engine's own pass
and decoding, each in a loop of its own and one after the other. ``fit``: the whole command ``regraft fit`` on
hymenoptera with nothing stored, controls, intervals and report included, against fastai's fine_tune(3) in turns;
REGRAFT_PEER names a Python that has fastai (2.8). ``accuracy``: that fit with every engine.
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

from common import keep, need, regraft_fit, unzipped, written

PARTS = ("end_to_end", "one", "fit", "accuracy")
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


def core_seconds(folder: Path, name: str, engine: str) -> dict[str, float]:
    """Seconds of one core for one photo: decoding it, and the network's pass in a full batch."""
    from regraft.backbones import catalog
    from regraft.data.image.decoding import decode, fit
    from regraft.features.engines.base import make_engine

    network, files = catalog.load(f"random:{name}"), sorted(folder.glob("*.jpg"))[:200]
    runs = make_engine(network, engine)
    begun = time.perf_counter()
    pictures = [fit(decode(f.read_bytes()), network.spec) for f in files]
    decoding = (time.perf_counter() - begun) / len(files)
    batch, cores = np.stack(pictures[: runs.batch]), os.cpu_count() or 1
    passed = _ms(lambda: runs.run(batch), 15)["median"] / 1000 / len(batch) * cores
    return {"decoding": decoding, "network": passed, "images_a_second": cores / (decoding + passed)}


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def end_to_end(count: int, rounds: int, networks: tuple[str, ...], engine: str) -> dict[str, Any]:
    """By network the seconds of each contender, in turns, and how many times faster regraft is, pair by pair. What is
    measured is kept at once, beside other networks that were measured in the same way.
    """
    found: dict[str, Any] = {"photos": count, "rounds": rounds, "engine_asked": engine}
    before = written("speed").get("end_to_end", {})
    found |= before if before.items() >= found.items() else {}
    with tempfile.TemporaryDirectory() as place:
        folder = photos(Path(place), count)
        for name in networks:
            first = run("regraft", folder, name, engine)  # chooses, converts, remembers
            seconds: dict[str, list[float]] = {p: [] for p in PEERS}
            for _ in range(rounds):
                for peer in PEERS:
                    last = run(peer, folder, name, engine)
                    seconds[peer].append(last["seconds"])
            parts = core_seconds(folder, name, last["engine"])
            rate = count / statistics.median(seconds["regraft"])
            found[name] = {
                "core_seconds_a_photo": parts, "share_of_what_parts_allow": rate / parts["images_a_second"],
                "engine": last["engine"], "first_run_seconds": first["seconds"],
                "seconds": {p: spread(s) for p, s in seconds.items()},
                "images_a_second": {p: count / statistics.median(s) for p, s in seconds.items()},
                "times_faster": {p: spread([a / b for a, b in zip(seconds[p], seconds["regraft"], strict=True)])
                                 for p in PEERS[:-1]},
            }  # fmt: skip
            _keep("end_to_end", found)
            print(name, {p: round(v["median"], 2) for p, v in found[name]["times_faster"].items()}, last["engine"])
    return found


def here() -> list[str]:
    """The engines that run here."""
    from regraft.core.runtime import bf16_pays
    from regraft.features.engines.base import ENGINES, missing

    return [n for n in ENGINES if not missing(ENGINES.get(n)) and (bf16_pays() or not ENGINES.get(n).BF16)]


def one(rounds: int) -> dict[str, Any]:
    """Milliseconds of one picture: through a loaded model, the engine's own pass, and decoding."""
    import regraft
    from regraft.data.image.decoding import decode, fit

    work = Path(tempfile.mkdtemp(prefix="regraft-bench-"))
    data = unzipped(need("data/hymenoptera.zip")[0]) / "hymenoptera_data"
    weights = need("weights/mobilenet_v2_imagenet.safetensors")[0]
    file = next((data / "val").rglob("*.jpg"))
    found: dict[str, Any] = {}
    for name in here():
        kept = regraft.fit(str(data / "train"), weights=str(weights), backbone="mobilenet_v2", controls="none",
                           engine=name, out=str(work / name)).run  # fmt: skip
        model = regraft.load(kept, engine=name)
        network = model.model.network
        engine = next(e for _, e in model.runner.parts if e is not None)
        picture = fit(decode(file.read_bytes()), network.spec)[None]
        timed = {
            "predict": _ms(lambda m=model: m.predict([str(file)]), rounds),  # type: ignore[misc]
            "pass": _ms(lambda e=engine, p=picture: e.run(p), rounds),  # type: ignore[misc]
            "decode": _ms(lambda s=network.spec: fit(decode(file.read_bytes()), s), rounds),  # type: ignore[misc]
            "decode_then_pass": _ms(  # what a user's own loop would do: each finds the caches as the other left them
                lambda e=engine, s=network.spec: e.run(fit(decode(file.read_bytes()), s)[None]),  # type: ignore[misc]
                rounds,
            ),
        }
        whole = timed["predict"]["median"]
        found[name] = {
            **timed,
            "times_pass_and_decode": whole / (timed["pass"]["median"] + timed["decode"]["median"]),
            "times_decode_then_pass": whole / timed["decode_then_pass"]["median"],
        }
        print(name, found[name]["times_pass_and_decode"], found[name]["times_decode_then_pass"], flush=True)
    return found


def hymenoptera(work: Path, name: str, *words: str) -> tuple[dict[str, Any], float]:
    """The whole command with nothing stored, and its seconds."""
    data, weights = need("data/hymenoptera.zip", "weights/mobilenet_v2_imagenet.safetensors")
    os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(dir=work)
    return regraft_fit(work, name, str(data), "--backbone", "mobilenet_v2", "--weights", str(weights), *words)


def fit(rounds: int) -> dict[str, Any]:
    """Seconds of both, start-up included, in turns."""
    data, weights = need("data/hymenoptera.zip", "weights/mobilenet_v2_imagenet.safetensors")
    work = Path(tempfile.mkdtemp(prefix="regraft-bench-"))
    folder, python = next(unzipped(data).rglob("train")).parent, os.environ.get("REGRAFT_PEER", sys.executable)
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for seed in range(rounds):
        result, seconds = hymenoptera(work, str(seed), "--seed", str(seed))
        ours.append({"seconds": seconds, "accuracy": result["metrics"]["val"]["accuracy"]})
        begun = time.perf_counter()
        done = subprocess.run([python, str(Path(__file__).with_name("peer_fastai.py")), str(folder), str(weights),
                               str(seed)], capture_output=True, text=True)  # fmt: skip
        if done.returncode:
            sys.exit(f"fastai is not there (REGRAFT_PEER names a Python that has it), or failed: {done.stderr[-600:]}")
        theirs.append({"seconds": round(time.perf_counter() - begun, 1),
                       "accuracy": json.loads(done.stdout.splitlines()[-1])["accuracy"]})  # fmt: skip
        print(ours[-1], theirs[-1], flush=True)
    return {"rounds": rounds, "regraft": ours, "fastai": theirs, "times_faster": spread(
        [b["seconds"] / a["seconds"] for a, b in zip(ours, theirs, strict=True)])}  # fmt: skip


def accuracy(_: int) -> dict[str, Any]:
    """Judged photos that are right, by engine."""
    work = Path(tempfile.mkdtemp(prefix="regraft-bench-"))
    found = {}
    for name in here():
        result, seconds = hymenoptera(work, name, "--engine", name, "--controls", "none")
        figures = result["metrics"]["val"]
        found[name] = {"engine": result["engine"], "accuracy": figures["accuracy"],
                       "right": round(figures["accuracy"] * result["items"]["val"]), "of": result["items"]["val"],
                       "seconds": seconds}  # fmt: skip
        print(name, found[name], flush=True)
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
        elif part != "end_to_end":
            figures = {"fit": fit, "accuracy": accuracy}[part](asked.rounds)
        else:
            figures = end_to_end(asked.photos, asked.rounds, tuple(asked.networks.split(",")), asked.engine)
        _keep(part, figures)
    return None


def _keep(part: str, figures: dict[str, Any]) -> None:
    keep("speed", PARTS, part, figures, command=f"python benchmarks/bench_speed.py {' '.join(sys.argv[1:])}")


if __name__ == "__main__":
    main()
