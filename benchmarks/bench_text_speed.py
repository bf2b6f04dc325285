"""How many texts a second: regraft's engines against a plain loop over sentence-transformers, the same network.

``python benchmarks/bench_text_speed.py [COUNT [THREADS ...]]``: all run on 1,500 film reviews, or as many as COUNT
says (a fixed draw of shared/data/reviews_en.csv.gz), on one thread and on all cores, tokenising included, in turns,
five times; the ratio is that of each turn, its median is what counts. The plain loop takes 32 texts at a time as they
come, in float32. ``sorting``, not plain, hands all texts to sentence-transformers at once, which sorts them.
``regraft`` is the engine that ``auto`` takes where there are many texts, found and converted before, ``torch`` what it
takes for few.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from common import need, write
from regraft.backbones import catalog
from regraft.backbones.rows import MINILM
from regraft.backbones.text.published import folder_of
from regraft.features.engines import auto
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.base import Engine, make_engine, plain_engine

TURNS, BATCH, MANY = 5, 32, 20_000


def main(count: int = 1500, *threads: int) -> None:
    """Each number of threads in a process of its own."""
    found = {}
    for n in threads or (1, os.cpu_count() or 1):
        env = {**os.environ, "OMP_NUM_THREADS": str(n), "RAYON_NUM_THREADS": str(n)}
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(count)], env=env, text=True, stdout=subprocess.PIPE
        )
        if done.returncode:
            sys.exit(done.returncode)
        found[f"threads_{n}"] = json.loads(done.stdout.splitlines()[-1])
        print(n, found[f"threads_{n}"], flush=True)
    write("text_speed", {"seeds": "0", "texts": count, "turns": TURNS, "load": os.getloadavg()[0], **found})


def one(count: int) -> dict[str, Any]:
    """All ways in this process."""
    import sentence_transformers

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with gzip.open(need("data/reviews_en.csv.gz")[0], "rt", encoding="utf-8") as file:
        texts = random.Random(0).sample([row["text"] for row in csv.DictReader(file)], count)
    whole = sentence_transformers.SentenceTransformer(str(folder_of(MINILM)), device="cpu")
    theirs = sentence_transformers.SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")  # not normalised
    network = catalog.load("minilm")
    begun = time.perf_counter()

    def first_ones(size: int, times: int) -> list[Any]:
        return [np.array(texts[i * size : (i + 1) * size], object) for i in range(times)]

    engines = {"regraft": auto.chosen(network, "cpu", MANY, first_ones),
               "torch": make_engine(network, plain_engine(network, "cpu"))}  # fmt: skip
    first = time.perf_counter() - begun

    def plain() -> np.ndarray:
        chunks = [texts[i : i + BATCH] for i in range(0, count, BATCH)]
        return np.concatenate([theirs.encode(c, batch_size=BATCH, show_progress_bar=False) for c in chunks])

    def sorting() -> np.ndarray:
        return np.asarray(theirs.encode(texts, batch_size=BATCH, show_progress_bar=False))

    def ours(engine: Engine) -> np.ndarray:
        order = sorted(range(count), key=lambda i: -len(texts[i]))  # as `features.extract` does
        rows = [engine.run(np.array([texts[i] for i in order[s : s + engine.batch]], object))["pooled"]
                for s in range(0, count, engine.batch)]  # fmt: skip
        return np.concatenate(rows)[np.argsort(order)]

    ways: dict[str, Callable[[], np.ndarray]] = {
        "plain": plain, "sorting": sorting, **{name: partial(ours, e) for name, e in engines.items()}
    }  # fmt: skip
    theirs.encode(texts[:BATCH], show_progress_bar=False)
    for engine in engines.values():
        engine.run(np.array(texts[:BATCH], object))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rows: dict[str, np.ndarray] = {}
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.perf_counter()
            rows[name] = way()
            seconds[name].append(time.perf_counter() - start)
    return {
        "sentence_transformers": sentence_transformers.__version__,
        "engine": engines["regraft"].describe()["engine"],
        "seconds_to_choose": round(first, 2),
        "texts_a_second": {name: count / statistics.median(s) for name, s in seconds.items()},
        "times_the_plain_loop": {name: _ratio(seconds["plain"], seconds[name]) for name in engines},
        "times_the_sorting_loop": {name: _ratio(seconds["sorting"], seconds[name]) for name in engines},
        "cosine_least": {name: least_cosine(rows[name], rows["plain"]) for name in engines},
    }


def _ratio(slow: list[float], fast: list[float]) -> float:
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
    else:
        main(*map(int, sys.argv[1:]))
