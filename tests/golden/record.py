"""What small runs of every task, scenario, kind of method and command give: ``python tests/golden/record.py OUT.json``.

Each run is described by its JSON, the digests of its files and of its heads, without seconds, dates and places. Run it
by two versions on one machine (PYTHONPATH chooses the version) and compare: `differences` tells what is not the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

import regraft
from tests.backbones.tiny_text import write_model
from tests.golden import data

VOLATILE = {"seconds", "date", "created", "versions", "machine", "regraft", "torch", "folder", "bytes",
            "freed_bytes", "quota_bytes", "here", "changed", "items_per_second"}  # fmt: skip
FILES = ("predictions.csv", "detections.json", "answers.csv", "source_predictions.csv", "sharing.json")
QUICK = {"controls": "none", "epochs": 1, "batch": 16, "augment": "none"}
Run = Callable[[Path], Any]
RUNS: dict[str, Run] = {}


def run(build: Run) -> Run:
    RUNS[build.__name__] = build
    return build


def plain(value: Any, work: str) -> Any:
    """JSON without what differs from one call to the next."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(k): plain(v, work) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list | tuple):
        return [plain(v, work) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), work)
    if isinstance(value, np.generic):
        return value.item()
    return str(value).replace(work, "WORK") if isinstance(value, str | Path) else value


def head_of(model: Any) -> Any:
    """Each parameter's shape, sum of magnitudes and digest."""
    found = {}
    for name, p in sorted(model.state_dict().items()):
        x = p.detach().cpu().float().numpy()
        found[name] = {"shape": list(x.shape), "size": float(np.abs(x, dtype=np.float64).sum()),
                       "digest": hashlib.sha256(x.tobytes()).hexdigest()[:16]}  # fmt: skip
    return found


def fitted(result: Any, *ask: str) -> dict[str, Any]:
    """The result, the files beside it, the heads, and what the saved model says of ``ask``."""
    folder = Path(result.run)
    files = {}
    for file in sorted(folder.rglob("*")):
        if file.name in FILES:
            text = file.read_text(encoding="utf-8").replace(str(folder.parent), "WORK")
            files[str(file.relative_to(folder))] = hashlib.sha256(text.encode()).hexdigest()[:16]
    loaded = regraft.load(folder)
    models = {n: p.model for n, p in getattr(loaded, "tasks", {"": loaded}).items() if hasattr(p, "model")}
    heads = {n: head_of(m.head) for n, m in models.items()}
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "report" not in p.name)
    found = {"result": result, "files": files, "names": names, "heads": heads}
    return found | ({"answers": regraft.predict(str(folder), list(ask)).predictions} if ask else {})


def first(folder: str) -> str:
    return str(next(iter(sorted(Path(folder).rglob("*.png")))))


@run
def pictures(work: Path) -> Any:
    photos = data.photos(work / "photos", 160)
    options = {"backbone": "regraft_tiny", "controls": "majority,raw"}
    return fitted(regraft.fit(photos, out=str(work / "r"), **options), first(photos))


@run
def pictures_few(work: Path) -> Any:
    photos = data.photos(work / "photos", 5)
    return fitted(regraft.fit(photos, backbone="regraft_tiny", out=str(work / "r")), first(photos))


@run
def pictures_groups(work: Path) -> Any:
    table = data.pictured(work / "p", 60)
    options = {
        "label": "form",
        "group": "who",
        "drop": "light,tags,mean",
        "backbone": "raw",
        "accuracy": 0.7,
        "controls": "none",
    }
    return fitted(regraft.fit(table, cv=4, class_weight="balanced", out=str(work / "r"), **options))


@run
def multilabel(work: Path) -> Any:
    table = data.pictured(work / "p", 60)
    options = {"label": "tags", "drop": "form,light,mean,who", "backbone": "regraft_tiny"}
    return fitted(regraft.fit(table, out=str(work / "r"), cv=2, **options), str(work / "p" / "000.png"))


@run
def picture_numbers(work: Path) -> Any:
    table = data.pictured(work / "p", 60)
    options = {"label": "mean", "drop": "form,light,tags,who", "backbone": "raw", "interval": 0.9, "controls": "none"}
    return fitted(regraft.fit(table, out=str(work / "r"), **options), str(work / "p" / "000.png"))


@run
def table_classes(work: Path) -> Any:
    table = data.columns(work / "t.csv")
    found = fitted(regraft.fit(table, label="bought", drop="price", out=str(work / "r")), table)
    return found | {"evaluate": regraft.evaluate(found["result"].run, table)}


@run
def table_numbers(work: Path) -> Any:
    table = data.columns(work / "t.csv", 400)
    return fitted(regraft.fit(table, label="price", drop="bought", quantiles="0.1,0.9", out=str(work / "r")))


@run
def texts_fused(work: Path) -> Any:
    reviews = data.texts(work / "t.csv", 60)
    options = {"label": "sentiment", "text": "review", "drop": "date", "backbone": "regraft_tiny_text+tfidf"}
    found = fitted(regraft.fit(reviews, out=str(work / "r"), **options), "a lovely film", "很难看")
    model = found["result"].run
    return found | {"explain": regraft.explain(model, "so dull, but good fun"),
                    "insights": regraft.insights(model, reviews, date="date", out=str(work / "page.html")),
                    "verify": regraft.verify(model)}  # fmt: skip


def trained(method: str, **more: Any) -> Run:
    def build(work: Path) -> Any:
        photos = data.photos(work / "photos", 12)
        options = {**QUICK, "backbone": "regraft_tiny", "method": method, **more}
        return fitted(regraft.fit(photos, out=str(work / "r"), **options), first(photos))

    build.__name__ = method.replace("-", "_")
    return build


run(trained("finetune", mix="mixup", ema=0.9, augment="standard", controls="majority,raw"))
run(trained("lp-ft", schedule="cosine", accumulate=2))
run(trained("last-k", blocks=1))
run(trained("gradual"))
run(trained("l2-sp"))
run(trained("scratch"))
run(trained("mlp-probe"))


@run
def lora(work: Path) -> Any:
    options = {**QUICK, "label": "sentiment", "text": "review", "drop": "date", "method": "lora"}
    del options["augment"]
    network = str(write_model(work / "bert"))
    return fitted(regraft.fit(data.texts(work / "t.csv", 60), backbone=network, out=str(work / "r"), **options))


@run
def contrastive(work: Path) -> Any:
    options = {**QUICK, "label": "sentiment", "text": "review", "drop": "date", "method": "contrastive"}
    del options["augment"]
    return fitted(
        regraft.fit(data.texts(work / "t.csv", 60), backbone="regraft_tiny_text", out=str(work / "r"), **options)
    )


@run
def started_from_a_run(work: Path) -> Any:
    photos = data.photos(work / "photos", 12)
    one = regraft.fit(
        photos, backbone="regraft_tiny", out=str(work / "one"), **{**QUICK, "method": "last-k", "blocks": 1}
    )
    two = regraft.fit(photos, init=one.run, out=str(work / "r"), **{**QUICK, "method": "finetune"})
    again = regraft.fit(photos, init=one.run, out=str(work / "r"), resume=True, **{**QUICK, "method": "finetune"})
    return fitted(two) | {"resumed": again}


def to_target(method: str, **more: Any) -> Run:
    def build(work: Path) -> Any:
        plain, dark = data.digits(work / "a.npz", 120, 0), data.digits(work / "b.npz", 120, 1, dark=True)
        options = {"controls": "none", "backbone": "regraft_tiny", "method": method, **more}
        return fitted(regraft.fit(plain, target=dark, out=str(work / "r"), **options))

    build.__name__ = f"target_{method.replace('-', '_')}"
    return build


run(to_target("coral", target_labels=10))
run(to_target("subspace-alignment", controls="majority,raw,random"))
run(to_target("self-training"))
NETWORK = {"backbone": "random:lenet", "epochs": 1, "batch": 32, "augment": "none"}
run(to_target("adabn", **NETWORK))
run(to_target("dann", **NETWORK))
run(to_target("mcd", **NETWORK))
run(to_target("shot", **NETWORK))
run(to_target("pseudo-label", **NETWORK))


@run
def joint(work: Path) -> Any:
    two = [data.digits(work / "a.npz", 120, 0), data.digits(work / "b.npz", 120, 1, dark=True)]
    return fitted(regraft.fit(two, method="joint", out=str(work / "r"), controls="none", **NETWORK))


@run
def share_features(work: Path) -> Any:
    table = data.pictured(work / "p", 60)
    found = regraft.fit(table, label="form,light", share="features", drop="tags,mean,who", backbone="regraft_tiny",
                        out=str(work / "r"), controls="majority")  # fmt: skip
    return fitted(found, str(work / "p" / "000.png")) | {"evaluate": regraft.evaluate(f"{found.run}#form", table)}


@run
def share_parameters(work: Path) -> Any:
    table = data.pictured(work / "p", 60)
    options = {"label": "form,mean", "drop": "tags,light,who", "share": "parameters", "backbone": "random:lenet"}
    found = {"hard": fitted(regraft.fit(table, out=str(work / "r"), controls="none", epochs=2, batch=16, **options))}
    soft = regraft.fit(table, out=str(work / "soft"), controls="none", epochs=1, batch=16, soft=0.1, **options)
    return found | {"soft": fitted(soft)}


def detector(name: str, **more: Any) -> Run:
    def build(work: Path) -> Any:
        squares = data.boxes(work / "squares")
        options = {"size": 64, "epochs": 1, "batch": 4, "method": "scratch", "detector": name, **more}
        found = fitted(regraft.fit(squares, out=str(work / "r"), **options), first(squares))
        return found | {"evaluate": regraft.evaluate(found["result"].run, squares)}

    build.__name__ = f"detector_{name}"
    return build


run(detector("yolo", augment="standard", multi_scale=True))
run(detector("ssd", backbone="random:mobilenet_v3_small"))


@run
def looking(work: Path) -> Any:
    photos, table, squares = data.photos(work / "p", 12), data.columns(work / "t.csv"), data.boxes(work / "b")
    dark = data.photos(work / "dark", 12, 1, dark=True)
    return {
        "inspect": [regraft.inspect(d, **k) for d, k in ((photos, {}), (table, {"label": "bought"}), (squares, {}))],
        "rank": regraft.rank(photos, backbones="regraft_tiny,raw", out=str(work / "rank.html")),
        "shift": regraft.shift(photos, dark, backbone="regraft_tiny", out=str(work / "shift.html")),
        "convert": regraft.convert(squares, to="yolo", out=str(work / "yolo")),
        "augment": regraft.augment(photos, out=str(work / "sheet.png"), rows=2, views=2),
        "methods": regraft.list_methods(),
        "backbones": [b["name"] for b in regraft.list_backbones()],
    }


@run
def aligned(work: Path) -> Any:
    from regraft.api import align

    return align(*data.languages(work), out=str(work / "one.npz"))


@run
def listed(work: Path) -> Any:
    table = data.columns(work / "t.csv")
    options = {"label": "bought", "drop": "price", "controls": "none"}
    runs = [regraft.fit(table, seed=s, out=str(work / "runs" / f"r{s}"), **options).run for s in (0, 1)]
    predicted = regraft.predict(runs[0], table, out=str(work / "answers.csv"))
    digest = hashlib.sha256((work / "answers.csv").read_bytes()).hexdigest()[:16]
    return {"runs": regraft.runs(str(work / "runs")), "predicted": predicted, "digest": digest}


def machine() -> dict[str, str]:
    """Two records of one machine and these versions are equal to the bit."""
    import torch

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "") if (
        os.path.exists("/proc/cpuinfo")) else platform.processor()  # fmt: skip
    return {"cpu": f"{cpu} {torch.backends.cpu.get_cpu_capability()}", "torch": torch.__version__,
            "numpy": np.__version__, "python": platform.python_version()}  # fmt: skip


def recorded(name: str) -> Any:
    """The description of one run with an empty cache, as JSON would give it back."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGRAFT_CACHE", f"{folder}/cache")
        patch.delenv("REGRAFT_WEIGHTS", raising=False)
        found = plain(RUNS[name](Path(folder)), folder)
    return json.loads(json.dumps(found, default=str))


def differences(old: Any, new: Any, close: float = 0.0, where: str = "") -> Iterator[str]:
    """Where two descriptions differ: numbers by more than ``close`` (relative to the larger, at least 1)."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if (key in old) != (key in new):
                yield f"{where}/{key} is only in the {'old' if key in old else 'new'} one"
            else:
                yield from differences(old[key], new[key], close, f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, close, f"{where}/{i}")
    elif isinstance(old, int | float) and isinstance(new, int | float) and type(old) is not bool is not type(new):
        if not abs(old - new) <= close * max(1.0, abs(old), abs(new)):
            yield f"{where}: {old!r} was, {new!r} is"
    elif old != new:
        yield f"{where}: {old!r} was, {new!r} is"


CHANGES = {
    "files",
    "heads",
    "answers",
    "predictions",
    "tried",
    "digest",
    "per_class",
    "curve",
    "terms",
    "words",
    "topics",
    "map",
}


def loosely(value: Any) -> Any:
    """Without what another processor may change: answers, digests, numbers inside of sentences."""
    if isinstance(value, dict):
        return {k: loosely(v) for k, v in value.items() if k not in CHANGES}
    if isinstance(value, list):
        return [loosely(v) for v in value]
    return re.sub(r"[0-9a-f]{16,}|[-+]?\d+(\.\d+)?(e-?\d+)?", "#", value) if isinstance(value, str) else value


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    found: dict[str, Any] = {"machine": machine(), "runs": {}}
    for name in sys.argv[2:] or RUNS:
        found["runs"][name] = recorded(name)
        print(name, file=sys.stderr)
    Path(sys.argv[1]).write_text(
        json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
