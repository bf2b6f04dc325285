"""How many texts a second: regraft's engines against a plain loop over the same network.

``python benchmarks/bench_text_speed.py [NETWORK [COUNT [THREADS ...]]]``: all run on 1,500 film reviews, or as many as
COUNT says (a fixed draw of shared/data/reviews_en.csv.gz), on one thread and on all cores, tokenising included, in
turns, five times or as often as REGRAFT_TURNS says; the ratio is that of each turn, its median is what counts. The
plain loop takes 32 texts at a time as they come, in float32, padded to the longest of them: through minilm by
sentence-transformers, through e5-small by a script over transformers' AutoModel with the mean over the mask, on the
weights that regraft unpacked. ``sorting``, not plain, is the same loop over the texts sorted by their length.
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
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common import need, write
from regraft.backbones import catalog
from regraft.backbones.text.published import ROWS, folder_of
from regraft.features.engines import auto
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.base import Engine, make_engine, plain_engine

TURNS, BATCH, MANY = int(os.environ.get("REGRAFT_TURNS", 5)), 32, 20_000
FILES = {"minilm": "text_speed", "e5-small": "text_speed_e5"}
Loop = Callable[[list[str]], np.ndarray]
"""All texts -> their features (n, D), 32 at a time as they come."""


def main(name: str = "minilm", count: int = 1500, *threads: int) -> None:
    """Each number of threads in a process of its own."""
    found = {}
    for n in threads or (1, os.cpu_count() or 1):
        env = {**os.environ, "OMP_NUM_THREADS": str(n), "RAYON_NUM_THREADS": str(n)}
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, str(count)], env=env, text=True, stdout=subprocess.PIPE
        )
        if done.returncode:
            sys.exit(done.returncode)
        found[f"threads_{n}"] = json.loads(done.stdout.splitlines()[-1])
        print(n, found[f"threads_{n}"], flush=True)
    write(
        FILES[name],
        {"seeds": "0", "network": name, "texts": count, "turns": TURNS, "load": os.getloadavg()[0], **found},
    )


def by_sentence_transformers(folder: Path) -> tuple[Loop, Loop, str]:
    """The plain loop, the sorting one, and what they are of."""
    import sentence_transformers

    whole = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    theirs = sentence_transformers.SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")  # not normalised

    def loop(texts: list[str]) -> np.ndarray:
        chunks = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        return np.concatenate([theirs.encode(c, batch_size=BATCH, show_progress_bar=False) for c in chunks])

    def sorting(texts: list[str]) -> np.ndarray:
        return np.asarray(theirs.encode(texts, batch_size=BATCH, show_progress_bar=False))

    return loop, sorting, f"sentence-transformers {sentence_transformers.__version__}"


def by_transformers(folder: Path) -> tuple[Loop, Loop, str]:
    """The same for a script over transformers."""
    import transformers

    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def loop(texts: list[str]) -> np.ndarray:
        rows = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(texts[start : start + BATCH], padding=True, truncation=True, max_length=512,
                              return_tensors="pt", return_token_type_ids=False)  # fmt: skip
            with torch.inference_mode():
                hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"][:, :, None]
                rows.append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(rows)

    def sorting(texts: list[str]) -> np.ndarray:
        order = np.argsort([-len(t) for t in texts], kind="stable")
        return loop([texts[i] for i in order])[np.argsort(order)]

    return loop, sorting, f"transformers {transformers.__version__}"


def one(which: str, count: int) -> dict[str, Any]:
    """All ways in this process."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with gzip.open(need("data/reviews_en.csv.gz")[0], "rt", encoding="utf-8") as file:
        texts = random.Random(0).sample([row["text"] for row in csv.DictReader(file)], count)
    peer = by_sentence_transformers if which == "minilm" else by_transformers
    plain, sorting, library = peer(folder_of(ROWS[which]))
    network = catalog.load(which)
    begun = time.perf_counter()

    def first_ones(size: int, times: int) -> list[Any]:
        return [np.array(texts[i * size : (i + 1) * size], object) for i in range(times)]

    engines = {"regraft": auto.chosen(network, "cpu", MANY, first_ones),
               "torch": make_engine(network, plain_engine(network, "cpu"))}  # fmt: skip
    first = time.perf_counter() - begun

    def ours(engine: Engine) -> np.ndarray:
        order = sorted(range(count), key=lambda i: -len(texts[i]))  # as `features.extract` does
        rows = [engine.run(np.array([texts[i] for i in order[s : s + engine.batch]], object))["pooled"]
                for s in range(0, count, engine.batch)]  # fmt: skip
        return np.concatenate(rows)[np.argsort(order)]

    ways: dict[str, Callable[[], np.ndarray]] = {
        "plain": partial(plain, texts), "sorting": partial(sorting, texts),
        **{name: partial(ours, e) for name, e in engines.items()},
    }  # fmt: skip
    plain(texts[:BATCH])
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
        "plain_loop": library,
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
        print(json.dumps(one(sys.argv[2], int(sys.argv[3]))))
    else:
        main(*sys.argv[1:2], *map(int, sys.argv[2:]))
