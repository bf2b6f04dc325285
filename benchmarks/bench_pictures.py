"""Pictures in every form, audited, multilabel, in bulk. Needs the shared data and weights; takes about half an hour on
two cores, most of it mobilenet_v2 on the 12,000 pictures of the CIFAR-10 subset.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from pyarrow import csv as arrow_csv
from pyarrow import parquet

import regraft
from bench_spine import UNSEEN, short, unseen_classes
from common import RESULTS, SHARED, need, unzipped, write


def same_figures(archive: Path, work: Path) -> dict[str, Any]:
    """Hymenoptera from its zip, and from a CSV, a TSV and a Parquet table of the same pictures in the same order."""
    root = unzipped(archive) / "hymenoptera_data"
    rows = [
        [str(p.relative_to(root)), p.parent.name, part]
        for part in ("train", "val")
        for p in sorted(f for f in (root / part).rglob("*") if f.is_file())
    ]
    for ending, comma in (("csv", ","), ("tsv", "\t")):
        with open(root / f"t.{ending}", "w", newline="") as f:
            csv.writer(f, delimiter=comma).writerows([["file", "label", "split"], *rows])
    parquet.write_table(arrow_csv.read_csv(root / "t.csv"), root / "t.parquet")
    runs = {"zip": archive} | {e: root / f"t.{e}" for e in ("csv", "tsv", "parquet")}
    found = {k: regraft.fit(str(p), backbone="mobilenet_v2", out=str(work / f"h-{k}")) for k, p in runs.items()}
    heads = {(work / f"h-{k}/model/model.safetensors").read_bytes() for k in runs}
    metrics = [r.metrics for r in found.values()]
    return {"forms": list(runs), "figures_equal": all(m == metrics[0] for m in metrics), "models_equal_to_the_bit":
            len(heads) == 1, **short(found["zip"])}  # fmt: skip


def plant(root: Path) -> dict[str, set[str]]:
    """10 exact copies and 10 re-encoded ones across the parts, 5 turned by EXIF, 5 cut off, 3 with another label."""
    rng = np.random.default_rng(0)
    pick = {c: [root / "train" / c / n for n in sorted(os.listdir(root / "train" / c))] for c in ("ants", "bees")}
    for paths in pick.values():
        rng.shuffle(paths)  # type: ignore[arg-type]
    planted: dict[str, set[str]] = {}

    def note(kind: str, path: Path) -> None:
        planted.setdefault(kind, set()).add(str(path.relative_to(root)))

    for i in range(5):
        for c, paths in pick.items():
            copy = root / "val" / c / f"copy{i}.jpg"
            shutil.copy(paths[i], copy)
            note("duplicate-across-parts", copy)
            again = root / "val" / c / f"again{i}.jpg"
            image, scale = Image.open(paths[10 + i]), rng.uniform(0.5, 1.3)
            size = (int(image.width * scale), int(image.height * scale))
            image.resize(size).save(again, quality=int(rng.integers(25, 90)))
            note("near-duplicate-across-parts", again)
    for i in range(5):
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = root / "train/ants" / f"turned{i}.jpg"
        Image.open(pick["ants"][20 + i]).rotate(90, expand=True).crop((0, 0, 180, 180)).save(turned, exif=exif)
        note("exif-rotation", turned)
        data = pick["bees"][20 + i].read_bytes()
        pick["bees"][20 + i].write_bytes(data[: len(data) // 2])
        note("unreadable", pick["bees"][20 + i])
    for i in range(3):
        twin = root / "train/bees" / f"twin{i}.jpg"
        shutil.copy(pick["ants"][30 + i], twin)
        note("duplicate-two-labels", twin)
    return planted


def planted_trouble(archive: Path) -> dict[str, Any]:
    root = unzipped(archive) / "hymenoptera_data"
    planted = plant(root)
    start = time.perf_counter()
    problems = regraft.inspect(str(root)).problems
    found: dict[str, set[str]] = {}
    for p in problems:
        found.setdefault(p.kind, set()).add(p.item)
    rows = {k: {"planted": len(v), "found": len(v & found.get(k, set()))} for k, v in planted.items()}
    others = [f"{p.kind}: {p.item}: {p.message}" for p in problems if p.item not in planted.get(p.kind, set())]
    return {"by_kind": rows, "not_planted": others, "seconds": round(time.perf_counter() - start, 1)}


def cifar(path: Path, work: Path) -> dict[str, Any]:
    """The whole subset and the four unseen classes, both networks, judged on the test part."""
    with np.load(path) as z:
        whole = {"class_names": z["class_names"], "train_images": z["train_images"], "train_labels": z["train_labels"],
                 "val_images": z["test_images"], "val_labels": z["test_labels"]}  # fmt: skip
    np.savez(work / "ten.npz", **whole)
    unseen_classes(work / "four.npz", path)
    figures = {}
    for name in ("ten", "four"):
        for backbone in ("mobilenet_v2", "regraft_tiny"):
            out = str(work / f"{name}-{backbone}")
            result = regraft.fit(str(work / f"{name}.npz"), backbone=backbone, out=out)
            marked = "more than it is given here" in Path(out, "report.html").read_text()
            figures[f"{name}, {backbone}"] = {
                **short(result), "seen_in_training": result.seen_in_training, "marked_in_the_report": marked
            }  # fmt: skip
    return {"unseen_classes": list(UNSEEN), **figures}


def cells(archive: Path, work: Path) -> dict[str, Any]:
    """Which cell types are in a picture: a table made from the boxes, train -> val, then the model on test."""
    root = next(unzipped(archive).rglob("Annotations")).parent
    parts = {n: p for p in ("train", "val", "test") for n in (root / f"ImageSets/Main/{p}.txt").read_text().split()}
    with open(root / "cells.csv", "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["image", "cells", "part"])
        for name in sorted(parts):
            tree = ElementTree.parse(root / f"Annotations/{name}.xml")
            kinds = sorted({o.findtext("name") or "" for o in tree.iter("object")})
            out.writerow([f"JPEGImages/{name}.jpg", "|".join(kinds), parts[name]])
    result = regraft.fit(str(root / "cells.csv"), backbone="mobilenet_v2", out=str(work / "cells"))
    test = regraft.evaluate(str(work / "cells"), str(root / "cells.csv"))
    return {"classes": result.classes, "items": result.items, "val": result.metrics["val"],
            "controls": result.metrics["controls"], "gain": result.gain, "problems": len(result.problems),
            "test": {"items": test.items, **test.metrics}}  # fmt: skip


def bulk(work: Path, count: int = 100_000) -> dict[str, Any]:
    """Pictures streamed to CSV by a process that is killed once and resumed; its memory watched throughout."""
    folder = work / "many"
    rng = np.random.default_rng(0)
    for i in range(count):
        if i % 1000 == 0:
            (folder / f"{i // 1000:03d}").mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(folder / f"{i // 1000:03d}/{i:06d}.png")
    regraft.fit("embedded:digits", out=str(work / "digits"), controls="none")
    command = [sys.executable, "-m", "regraft", "-q", "predict", str(work / "digits"), str(folder), "--out",
               str(work / "p.csv"), "--resume"]  # fmt: skip
    memory: dict[str, list[tuple[int, float]]] = {}
    start = time.perf_counter()
    for attempt in ("killed", "resumed"):
        process = subprocess.Popen(command)
        memory[attempt] = []
        while process.poll() is None:
            time.sleep(1)
            chunks = len(list((work / "p.csv.partial").glob("chunk-*")))
            status = Path(f"/proc/{process.pid}/status")
            line = [x for x in status.read_text().splitlines() if x.startswith("VmRSS")] if status.exists() else []
            if line:
                memory[attempt].append((chunks * 1000, int(line[0].split()[1]) / 1024))
            if attempt == "killed" and chunks * 1000 >= 0.4 * count:
                process.send_signal(signal.SIGKILL)
                process.wait()
    with open(work / "p.csv", newline="") as f:
        names = [r["input"] for r in csv.DictReader(f)]
    expected = [str(p) for p in sorted(folder.rglob("*.png"))]
    resumed = [m for done, m in memory["resumed"] if done > 0.45 * count and done < count]
    return {"items": count, "killed_at": memory["killed"][-1][0], "complete_and_in_order": names == expected,
            "seconds": round(time.perf_counter() - start), "megabytes_at_start": round(resumed[0]),
            "megabytes_at_end": round(resumed[-1]), "megabytes_most": round(max(resumed)),
            "exit_status": process.returncode}  # fmt: skip


def main() -> None:
    """All parts, or those named on the command line, which then take the place of the same parts measured before."""
    insects, cells_zip, subset = need("data/hymenoptera.zip", "data/bccd.zip", "data/cifar10_subset.npz")
    os.environ["REGRAFT_WEIGHTS"] = str(SHARED / "weights")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["REGRAFT_CACHE"] = str(work / "cache")
        parts = {
            "hymenoptera_in_four_forms": lambda: same_figures(insects, work),
            "planted": lambda: planted_trouble(insects),
            "cells": lambda: cells(cells_zip, work),
            "bulk": lambda: bulk(work),
            "cifar10": lambda: cifar(subset, work),
        }
        wanted = sys.argv[1:] or list(parts)
        path = RESULTS / "pictures.json"
        before = json.loads(path.read_text()) if sys.argv[1:] and path.exists() else {}
        figures = {name: parts[name]() if name in wanted else before.get(name) for name in parts}
    write("pictures", {"seeds": "0", **figures})


if __name__ == "__main__":
    main()
