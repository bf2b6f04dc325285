"""The store and the pipeline under stress: ``python benchmarks/bench_stress.py [PART] [COUNT]``.

``memory``: the peak of the memory of an extraction above what it takes before the first picture, for 10,000 and for
COUNT (100,000) pictures of 224 x 224 pixels, made as they are asked for. ``kills``: COUNT (50) extractions of 200
pictures through MobileNetV2, each killed with -9 at a random moment and resumed by the next; rows are compared to the
bit with those of an undisturbed one, and every picture that is run is noted.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import keep
from regraft.data.memory import Memory

PARTS = ("memory", "kills")
PICTURES, FEW = 200, 10_000


class Made(Memory):
    """Files by number, as JPEG of 224 x 224 pixels: 64 pictures, each name with an end of its own."""

    def __init__(self) -> None:
        super().__init__({})
        rng = np.random.default_rng(0)
        self.pictures = []
        for _ in range(64):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (28, 28, 3), np.uint8)).resize((224, 224)).save(file, "JPEG")
            self.pictures.append(file.getvalue())

    def read(self, name: str) -> bytes:
        return self.pictures[int(name) % 64] + name.encode()


def megabytes() -> float:
    """The peak so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def extraction(count: int, store: Path) -> dict[str, Any]:
    """In a process of its own: the rows of so many pictures into a store."""
    from regraft.backbones import catalog
    from regraft.core.row_store import RowStore
    from regraft.core.runtime import bf16_pays
    from regraft.data.items import PictureFiles
    from regraft.features.runner import Runner

    items = PictureFiles(Made(), [str(i) for i in range(count)])
    network = catalog.load("random:squeezenet1_1")
    network.digest()
    idle, begun = megabytes(), time.perf_counter()
    runner = Runner(network, "openvino-bf16" if bf16_pays() else "openvino", "cpu")
    found = runner.stored(items, RowStore(store))
    return {"rows": len(found.rows), "row_megabytes": found.rows.nbytes / 1e6, "idle_megabytes": idle,
            "above_idle_megabytes": megabytes() - idle, "seconds": time.perf_counter() - begun,
            "engine": runner.engine}  # fmt: skip


def memory(count: int = 100_000) -> dict[str, Any]:
    found = {}
    for n in (FEW, count):
        with tempfile.TemporaryDirectory() as store:
            done = subprocess.run([sys.executable, __file__, "--extraction", str(n), store], text=True, check=True,
                                  stdout=subprocess.PIPE)  # fmt: skip
        found[str(n)] = json.loads(done.stdout.splitlines()[-1])
        print(n, found[str(n)], flush=True)
    return found


def photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).resize((320, 240)).save(folder / f"{i:04}.jpg")


def noted(folder: Path, store: Path, log: Path) -> None:
    """An extraction that notes every picture that is run; rows go to ``log`` with the ending .npy when it is whole."""
    from regraft.backbones import catalog
    from regraft.core import row_table
    from regraft.core.row_store import RowStore
    from regraft.data.open import open_inputs
    from regraft.features.runner import Runner

    row_table.SHARD_BYTES = 40 * 1280 * 4  # so that there are several
    items = open_inputs(str(folder), modality="image").items
    runner = Runner(catalog.load("random:mobilenet_v2"), "torch", "cpu")
    [(_, engine)] = runner.parts
    run = engine.run  # type: ignore[union-attr]

    def noting(data: Any) -> Any:
        rows = run(data)
        with log.open("a") as file:
            file.writelines(f"{hashlib.sha1(x.tobytes()).hexdigest()}\n" for x in data if x.any())
        return rows

    engine.run = noting  # type: ignore[union-attr,method-assign]
    print("ready", flush=True)
    np.save(log.with_suffix(".npy"), runner.stored(items, RowStore(store)).rows)


def kills(rounds: int = 50) -> dict[str, Any]:
    """What a killed one had computed and not stored is computed again, and nothing else."""
    work = Path(tempfile.mkdtemp(prefix="regraft-bench-"))
    (work / "photos").mkdir()
    photos(work / "photos")

    def begun(store: str, log: str) -> subprocess.Popen[str]:
        words = ["--noted", str(work / "photos"), str(work / store), str(work / log)]
        process = subprocess.Popen([sys.executable, __file__, *words], text=True, stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline() == "ready\n"
        return process

    whole = begun("undisturbed", "whole")
    start = time.perf_counter()
    assert whole.wait() == 0
    length, rng, counts = time.perf_counter() - start, random.Random(0), {"killed": 0, "ended_before": 0}
    wanted, twice, resumed, finished = np.load(work / "whole.npy"), 0, 0, set[str]()
    for i in range(rounds):
        process = begun("rows", f"log{i}")
        time.sleep(rng.uniform(0, length / 3))
        process.kill()
        process.wait()
        counts["killed" if process.returncode == -signal.SIGKILL else "ended_before"] += 1
        given = (work / f"log{i}").read_text().split() if (work / f"log{i}").exists() else []
        twice += len(finished & set(given))
        stored = sum(len(np.load(f, mmap_mode="r")) for f in (work / "rows").glob("*/shard-*/keys.npy"))
        finished |= set(given[: max(0, stored - len(finished))])  # stored in the order in which they were run
        resumed += bool(given) and i > 0
        if stored == PICTURES:
            assert begun("rows", "end").wait() == 0 and np.array_equal(np.load(work / "end.npy"), wanted)
            shutil.rmtree(work / "rows")
            finished = set()
    assert begun("rows", "end").wait() == 0
    same = bool(np.array_equal(np.load(work / "end.npy"), wanted))
    shards = len(list((work / "rows").glob("*/shard-*/shard.json")))
    return {"rounds": rounds, **counts, "rounds_that_went_on": resumed, "pictures": PICTURES, "shards": shards,
            "equal_to_the_bit": same, "pictures_of_finished_shards_run_again": twice}  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--extraction"]:
        return print(json.dumps(extraction(int(sys.argv[2]), Path(sys.argv[3]))))
    if sys.argv[1:2] == ["--noted"]:
        return noted(*map(Path, sys.argv[2:5]))
    os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(prefix="regraft-bench-cache-")
    for part in [sys.argv[1]] if sys.argv[1:] else PARTS:
        figures = {"memory": memory, "kills": kills}[part](*map(int, sys.argv[2:3]))
        keep("stress", PARTS, part, figures, command=f"python benchmarks/bench_stress.py {' '.join(sys.argv[1:])}")
    return None


if __name__ == "__main__":
    main()
