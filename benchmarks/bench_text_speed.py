"""How many texts a second: regraft's engine against a plain loop over sentence-transformers, the same network.

Both run on one thread on 1,500 film reviews, or as many as the argument says (a fixed draw of
shared/data/reviews_en.csv.gz), tokenising included, in
turns, three times; the ratio is that of each turn, its median is what counts. The plain loop takes 32 texts at a time
as they come, in float32. A third way, not plain, hands all texts to sentence-transformers at once, which sorts them.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np
import torch

from common import need, write
from regraft.backbones import catalog
from regraft.backbones.huggingface.text import minilm_folder
from regraft.features.engines.base import make_engine

TURNS, BATCH = 3, 32


def main(count: int = 1500) -> None:
    import sentence_transformers

    torch.set_num_threads(1)
    with gzip.open(need("data/reviews_en.csv.gz")[0], "rt", encoding="utf-8") as file:
        texts = random.Random(0).sample([row["text"] for row in csv.DictReader(file)], count)
    whole = sentence_transformers.SentenceTransformer(str(minilm_folder()), device="cpu")
    theirs = sentence_transformers.SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")  # not normalised
    engine = make_engine(catalog.load("minilm"))

    def plain() -> np.ndarray:
        chunks = [texts[i : i + BATCH] for i in range(0, count, BATCH)]
        return np.concatenate([theirs.encode(c, batch_size=BATCH, show_progress_bar=False) for c in chunks])

    def sorting() -> np.ndarray:
        return np.asarray(theirs.encode(texts, batch_size=BATCH, show_progress_bar=False))

    def ours() -> np.ndarray:
        order = sorted(range(count), key=lambda i: -len(texts[i]))  # as `features.extract` does
        rows = [engine.run(np.array([texts[i] for i in order[s : s + engine.batch]], object))["pooled"]
                for s in range(0, count, engine.batch)]  # fmt: skip
        return np.concatenate(rows)[np.argsort(order)]

    ways: dict[str, Callable[[], np.ndarray]] = {"plain": plain, "sorting": sorting, "regraft": ours}
    theirs.encode(texts[:BATCH], show_progress_bar=False)
    engine.run(np.array(texts[:BATCH], object))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rows: dict[str, np.ndarray] = {}
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.perf_counter()
            rows[name] = way()
            seconds[name].append(time.perf_counter() - start)
    a, b = rows["plain"].astype(np.float64), rows["regraft"].astype(np.float64)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    figures: dict[str, Any] = {
        "texts": count,
        "threads": 1,
        "load": os.getloadavg()[0],
        "sentence_transformers": sentence_transformers.__version__,
        "engine": engine.describe(),
        "texts_a_second": {name: count / statistics.median(s) for name, s in seconds.items()},
        "seconds": seconds,
        "times_the_plain_loop": _ratio(seconds["plain"], seconds["regraft"]),
        "times_the_sorting_loop": _ratio(seconds["sorting"], seconds["regraft"]),
        "cosine_least": float(cosine.min()),
        "cosine_mean": float(cosine.mean()),
    }
    for key in ("texts_a_second", "times_the_plain_loop", "times_the_sorting_loop", "cosine_least"):
        print(f"{key}: {figures[key]}")
    write("text_speed", figures)


def _ratio(slow: list[float], fast: list[float]) -> float:
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
