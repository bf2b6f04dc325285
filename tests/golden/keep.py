"""Writes ``runs-0.1.zip``: a run of each kind of model, small, with inputs and what it answers to them.

Run once, by the version whose runs must still load later: ``python tests/golden/keep.py``. Not to be run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2]))

import regraft
from tests.golden import data
from tests.golden.record import NETWORK, plain

KEPT = Path(__file__).parent / "runs-0.1.zip"
Keep = Callable[[Path], list[str]]


def small(**more: Any) -> dict[str, Any]:
    return {"out": "run", "controls": "none", **more}


def classes(at: Path) -> list[str]:
    data.columns(at / "t.csv", 60)
    regraft.fit("t.csv", label="bought", drop="price", accuracy=0.6, **small())
    return ["t.csv"]


def numbers(at: Path) -> list[str]:
    data.columns(at / "t.csv", 60)
    regraft.fit("t.csv", label="price", drop="bought", interval=0.9, quantiles="0.2,0.8", **small())
    return ["t.csv"]


def multilabel(at: Path) -> list[str]:
    data.pictured(at / "p", 60)
    regraft.fit("p/table.csv", label="tags", drop="form,light,mean,who", backbone="raw", **small())
    return ["p/000.png", "p/001.png"]


def texts(at: Path) -> list[str]:
    data.texts(at / "t.csv", 60)
    regraft.fit("t.csv", label="sentiment", text="review", drop="date", backbone="tfidf", **small())
    return ["a lovely film", "so dull", "很好看"]


def trained(at: Path) -> list[str]:
    data.pictured(at / "p", 24)
    regraft.fit("p/table.csv", label="light", drop="form,tags,mean,who", method="scratch", **small(**NETWORK))
    return ["p/000.png", "p/001.png"]


def target(at: Path) -> list[str]:
    data.digits(at / "a.npz", 100, 0)
    data.digits(at / "b.npz", 100, 1, dark=True)
    regraft.fit("a.npz", target="b.npz", method="subspace-alignment", backbone="random:lenet", **small())
    return ["b.npz"]


def joint(at: Path) -> list[str]:
    data.digits(at / "a.npz", 60, 0)
    data.digits(at / "b.npz", 60, 1, dark=True)
    regraft.fit(["a.npz", "b.npz"], method="joint", **small(**NETWORK))
    return ["b.npz"]


def tasks(at: Path) -> list[str]:
    data.pictured(at / "p", 40)
    regraft.fit("p/table.csv", label="form,mean", drop="tags,light,who", share="parameters", **small(**NETWORK))
    return ["p/000.png", "p/001.png"]


def boxes(at: Path) -> list[str]:
    data.boxes(at / "b", 8)
    regraft.fit("b", size=64, epochs=1, batch=4, method="scratch", augment="none", out="run")
    return ["b/00.png", "b/01.png"]


def coarsened(run: Path) -> None:
    """The large weights of the models below ``run`` take few values, so that they pack well; digests follow."""
    for manifest in run.rglob("manifest.json"):
        record = json.loads(manifest.read_text(encoding="utf-8"))
        for name in record["files"]:
            path = manifest.parent / name
            if path.suffix == ".safetensors":
                with safe_open(path, "pt") as f:
                    tensors, more = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()  # noqa: SIM118
                for key, x in tensors.items():
                    if x.is_floating_point() and x.ndim > 1 and x.numel() > 2000 and x.std() > 0:
                        step = 3 * x.std()
                        tensors[key] = (x / step).round() * step
                path.unlink()
                save_file(tensors, path, more)
                record["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


KINDS: tuple[Keep, ...] = (classes, numbers, multilabel, texts, trained, target, joint, tasks, boxes)


def main() -> None:
    torch.set_num_threads(1)
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(KEPT, "w", zipfile.ZIP_DEFLATED) as z:
        os.environ["REGRAFT_CACHE"] = f"{folder}/cache"
        for kind in KINDS:
            at = Path(folder) / kind.__name__
            at.mkdir()
            os.chdir(at)
            inputs = kind(at)
            coarsened(at / "run")
            answers = plain(regraft.predict("run", inputs).predictions[:3], folder)
            expected = {"inputs": inputs, "answers": answers}
            (at / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False), encoding="utf-8")
            kept = [i for i in inputs if (at / i).is_file()]
            for file in sorted(at.rglob("*")):
                name = file.relative_to(at).as_posix()
                if file.is_file() and (name in kept or name == "expected.json" or name.startswith("run/")) and (
                        "checkpoints" not in name and file.name != "report.html"):  # fmt: skip
                    z.write(file, f"{kind.__name__}/{name}")
    os.chdir(here)


if __name__ == "__main__":
    main()
