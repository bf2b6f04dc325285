"""Exported models beside those they were made of: labels and answers on every input of real data sets.

Each entry of ``DATA_SETS`` fits a model and names its inputs, as both `regraft predict` and the exported ``predict.py``
take them. The model is exported to ONNX and to OpenVINO, and ``predict.py`` answers every input in a process in which
importing torch or regraft fails, from a folder that was moved; its records are compared with those of
``regraft predict --engine torch``, field by field. Numbers are told in units of the model's sigma. Data and weights are
taken from the shared folder. ``python benchmarks/bench_export.py [NAME...]``; about twenty minutes on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image

import regraft
from common import SHARED, keep, need, unzipped
from regraft.export.paired import paired

FORMATS = ("onnx", "openvino")
HOOK = """
import importlib.abc, sys
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "regraft"}:
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Gone())
"""


class Subject(NamedTuple):
    """A run folder, and the inputs to answer."""

    run: str
    inputs: list[str]


def hymenoptera(work: Path) -> Subject:
    """Photos of ants and bees, a probe on mobilenet_v2."""
    root = unzipped(need("data/hymenoptera.zip")[0])
    run = regraft.fit(str(root / "hymenoptera_data"), backbone="mobilenet_v2", controls="none", out=str(work / "run"))
    return Subject(str(run.run), [*map(str, sorted(root.rglob("*.jp*g")))])


def usps(work: Path) -> Subject:
    """All 9,298 digits of USPS as PNG files, a probe on regraft_tiny."""
    [path] = need("data/usps.npz")
    run = regraft.fit(str(path), backbone="regraft_tiny", controls="none", out=str(work / "run"))
    files = []
    with np.load(path) as data:
        for part in ("train", "test"):
            for i, picture in enumerate(data[f"{part}_images"]):
                files.append(str(work / f"{part}-{i:04d}.png"))
                Image.fromarray((picture.astype(np.float64) * 255).round().astype(np.uint8)).save(files[-1])
    return Subject(str(run.run), files)


def red_cells(work: Path) -> Subject:
    """How many red cells are on each of BCCD's 364 pictures, with quantiles and an interval; mobilenet_v2."""
    folder = unzipped(need("data/bccd.zip")[0])
    root, lines = folder / "BCCD", ["file,red_cells,part"]
    for part in ("train", "val", "test"):
        for name in (root / f"ImageSets/Main/{part}.txt").read_text().split():
            boxes = ElementTree.parse(root / f"Annotations/{name}.xml").iter("name")
            lines.append(f"BCCD/JPEGImages/{name}.jpg,{sum(b.text == 'RBC' for b in boxes)},{part}")
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    run = regraft.fit(str(folder / "cells.csv"), task="regression", label="red_cells", backbone="mobilenet_v2",
                      interval=0.9, quantiles="0.1,0.9", controls="none", out=str(work / "run"))  # fmt: skip
    return Subject(str(run.run), [*map(str, sorted((root / "JPEGImages").glob("*.jpg")))])


def reviews_en(work: Path) -> Subject:
    """All 10,662 English reviews, a probe on minilm."""
    [path] = need("data/reviews_en.csv.gz")
    return Subject(str(regraft.fit(str(path), controls="none", out=str(work / "run")).run), [str(path)])


def reviews_zh(work: Path) -> Subject:
    """The 369 Chinese reviews of the test part, a probe on minilm fitted on the training part."""
    train, test = need("data/reviews_zh_train.csv.gz", "data/reviews_zh_test.csv.gz")
    return Subject(str(regraft.fit(str(train), controls="none", out=str(work / "run")).run), [str(test)])


def diabetes(work: Path) -> Subject:
    """The 442 rows of scikit-learn's diabetes table, with quantiles and an interval."""
    from sklearn.datasets import load_diabetes

    load_diabetes(as_frame=True).frame.to_csv(work / "diabetes.csv", index=False)
    run = regraft.fit(str(work / "diabetes.csv"), label="target", interval=0.9, quantiles="0.1,0.5,0.9",
                      controls="none", out=str(work / "run"))  # fmt: skip
    return Subject(str(run.run), [str(work / "diabetes.csv")])


def bccd(work: Path) -> Subject:
    """The blood cells on BCCD's 364 pictures, YOLOX-nano after two epochs; the difference is that of scores."""
    [path] = need("data/bccd.zip")
    run = regraft.fit(str(path), epochs=2, controls="none", out=str(work / "run"))
    return Subject(str(run.run), [*map(str, sorted((unzipped(path) / "BCCD" / "JPEGImages").glob("*.jpg")))])


DATA_SETS: dict[str, Callable[[Path], Subject]] = {
    "hymenoptera": hymenoptera, "usps": usps, "red_cells": red_cells, "reviews_en": reviews_en,
    "reviews_zh": reviews_zh, "diabetes": diabetes, "bccd": bccd,
}  # fmt: skip
"""What fits a model on each, and names its inputs."""


def alone(folder: Path, inputs: list[str]) -> list[dict[str, Any]]:
    """The records of an export's own script, without torch and regraft."""
    moved = folder.rename(folder.with_name(f"{folder.name}-moved"))
    (moved / "hook").mkdir()
    (moved / "hook" / "sitecustomize.py").write_text(HOOK)
    environment = {**os.environ, "PYTHONPATH": str(moved / "hook")}
    done = subprocess.run([sys.executable, str(moved / "predict.py"), *inputs], capture_output=True, text=True,
                          env=environment)  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def labels_of(record: dict[str, Any]) -> Any:
    """What a record decides: a label, those of its boxes, None for a number."""
    return [b["label"] for b in record["boxes"]] if "boxes" in record else record.get("label")


def numbers_of(record: dict[str, Any]) -> np.ndarray:
    """All numbers of an answer, in an order that is the same for the same fields."""
    if "boxes" in record:
        return np.array([b["score"] for b in record["boxes"]])
    if "value" in record:
        found = [record[k] for k in ("value", "low", "high") if k in record]
        return np.array([*found, *record.get("quantiles", {}).values()]) / record["sigma"]
    return np.array([*record["probabilities"].values()])


def in_one_order(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Two records of one input; boxes side by side, those within 0.001 of the threshold left out where only one side
    tells of them.
    """
    if "boxes" not in records[0]:
        return [*records]
    found = [{"boxes": np.array([b["xyxy"] for b in r["boxes"]]).reshape(-1, 4),
              "scores": np.array([b["score"] for b in r["boxes"]]),
              "labels": np.array([b["label"] for b in r["boxes"]])} for r in records]  # fmt: skip
    least = min((float(f["scores"].min()) for f in found if len(f["scores"])), default=0.0)
    return [{"boxes": [{"label": str(label), "score": score, "xyxy": box.tolist()} for box, score, label in
                       zip(f["boxes"], f["scores"], f["labels"], strict=True)]}
            for f in paired(*found, least, 1e-3)]  # fmt: skip


def compared(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many inputs were answered, how many labels are the same, and the largest difference of a number."""
    assert [r["input"] for r in ours] == [r["input"] for r in theirs], "the same inputs in the same order"
    assert not any("error" in r for r in (*ours, *theirs)), "every input is read"
    both = [in_one_order(a, b) for a, b in zip(ours, theirs, strict=True)]
    pairs = [(numbers_of(a), numbers_of(b)) for a, b in both]
    alike = [labels_of(a) == labels_of(b) for a, b in both]
    apart = [float(np.abs(a - b).max(initial=0)) if a.shape == b.shape else float("inf") for a, b in pairs]
    found = {"inputs": len(ours), "labels_equal": sum(alike) if labels_of(theirs[0]) is not None else None,
             "largest_difference": max(apart)}  # fmt: skip
    return found | ({"pixels": pixels(both)} if "boxes" in theirs[0] else {})


def pixels(both: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """How far the edges of boxes lie apart: of two that lie almost on each other, rounding may choose the other one."""
    edges = [[np.array([b["xyxy"] for b in r["boxes"]]).reshape(-1, 4) for r in pair] for pair in both]
    apart = np.concatenate([np.abs(a - b).max(1) for a, b in edges if a.shape == b.shape])
    return {"boxes": len(apart), "largest": float(apart.max(initial=0)), "above_half": int((apart > 0.5).sum())}


def measured(name: str) -> dict[str, Any]:
    """The figures of one data set."""
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        run, inputs = DATA_SETS[name](work)
        theirs, found = regraft.predict(run, inputs, engine="torch").predictions, {}
        for to in FORMATS:
            exported = regraft.export_model(run, to, out=str(work / to))
            found[to] = {**compared(alone(work / to, inputs), theirs),
                         "megabytes": round(sum(exported.files.values()) / 1e6, 2)}  # fmt: skip
            print(name, to, found[to], flush=True)
    return {"what": (DATA_SETS[name].__doc__ or "").rstrip("."), **found}


def main() -> None:
    """Measures the data sets named, else all, and writes the figures."""
    os.environ.setdefault("REGRAFT_WEIGHTS", str(SHARED / "weights"))
    for name in sys.argv[1:] or DATA_SETS:
        keep("export", DATA_SETS, name, measured(name))


if __name__ == "__main__":
    main()
