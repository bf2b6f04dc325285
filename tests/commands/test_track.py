"""``fit --track``: the figures of a run where teams keep them, and no run lost where a tracker is away.

The modules are small fakes of what is called of MLflow and wandb; where wandb is installed, what it keeps offline is
read back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import InputError, UnknownName
from regraft.options.fit import OPTIONS
from regraft.pipelines.tracking import TRACKERS
from regraft.pipelines.tracking.base import TrackedRun, flat
from tests.conftest import write_shapes

MLFLOW = """
import contextlib, os
calls = []
def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    def call(*args, **more):
        print("a tracker talks on stdout")
        calls.append((name, args, more))
        return contextlib.nullcontext()
    return call
"""
WANDB = """
from types import SimpleNamespace
calls, files = [], []
class Artifact:
    def __init__(self, name, type):
        self.name = name
    def add_file(self, path):
        files.append(path)
    def add_dir(self, path, name):
        files.append(name)
class Run:
    def __init__(self):
        self.summary = {}
    def __enter__(self):
        return self
    def __exit__(self, *_):
        calls.append(("summary", self.summary))
    def log(self, row, step):
        calls.append(("log", step, row))
    def log_artifact(self, artifact):
        calls.append(("artifact", artifact.name))
def init(name, config):
    calls.append(("init", name, config))
    return Run()
"""
QUICK: dict[str, Any] = {"controls": "majority", "outliers": False}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules in which a test lays its own."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    for name in ("mlflow", "wandb"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield folder
    for name in ("mlflow", "wandb"):
        sys.modules.pop(name, None)


@pytest.fixture
def trained(tmp_path: Path, packages: Path) -> dict[str, Any]:
    """The options of a run that trains two epochs."""
    data = str(write_shapes(tmp_path / "shapes", 6))
    return {"data": data, "method": "mlp-probe", "epochs": 2, "backbone": "regraft_tiny", "out": "runs/mine", **QUICK}


def test_mlflow_is_given_what_the_record_holds(packages: Path, trained: dict[str, Any], capsys: Any) -> None:
    (packages / "mlflow.py").write_text(MLFLOW)
    result = regraft.fit(**trained, track="mlflow")
    import mlflow  # type: ignore[import-not-found]

    record = json.loads(Path("runs/mine/run.json").read_text())
    given: dict[str, Any] = {}
    steps = []
    for name, args, more in mlflow.calls:
        if name == "log_metrics" and "step" in more:
            steps.append((more["step"], args[0]))
        else:
            given.setdefault(name, []).append(args)
    assert mlflow.calls[0] == ("start_run", (), {"run_name": "mine"})
    [[parameters]], [[figures]] = given["log_params"], given["log_metrics"]
    assert parameters["backbone"] == "regraft_tiny" and parameters["classes"] == '["disc", "square"]'
    assert parameters["epochs"] == 2 and "track" not in parameters
    assert figures["gain/ci95/0"] == record["result"]["gain"]["ci95"][0]
    assert figures["seconds/total"] == record["result"]["seconds"]["total"] and figures["items/train"] == 10
    history = record["result"]["choice"]["history"]
    assert steps == [(h["step"], {"train/loss": h["loss"], "train/rate": h["rate"]}) for h in history] and steps
    kept = [Path(args[0]).name for args in given["log_artifact"]]
    assert kept == ["report.html", "run.json", "predictions.csv", "training.csv"]
    assert given["log_artifacts"] == [(str(Path("runs/mine/model")), "model")]
    assert "talks on stdout" not in capsys.readouterr().out, "stdout is --json's"
    assert result.problems == []


def test_wandb_is_given_the_same(packages: Path, trained: dict[str, Any]) -> None:
    (packages / "wandb.py").write_text(WANDB)
    result = regraft.fit(**trained, track="wandb")
    import wandb  # type: ignore[import-not-found]

    (first, name, config), *logged, (_, artifact), (_, summary) = wandb.calls
    assert (first, name, artifact) == ("init", "mine", "mine") and config["method"] == "mlp-probe"
    assert [step for _, step, _ in logged] == [h["step"] for h in result.choice["history"]]
    assert summary == TrackedRun.read(Path("runs/mine")).figures
    assert summary["val/accuracy"] == result.metrics["val"]["accuracy"] and wandb.files[-1] == "model"


def test_a_tracker_that_fails_loses_no_run(packages: Path, trained: dict[str, Any]) -> None:
    (packages / "wandb.py").write_text("def init(**_):\n    raise ConnectionError('nobody\\nanswers')\n")
    words = [f"--{k}={v}" for k, v in trained.items() if k not in ("data", "outliers")]
    done = CliRunner().invoke(app, ["fit", trained["data"], *words, "--no-outliers", "--track", "wandb"])
    assert done.exit_code == 0, done.output
    assert "not-tracked: wandb: runs/mine is whole, but wandb did not take it: nobody answers" in done.output
    assert json.loads(Path("runs/mine/run.json").read_text())["status"] == "done"
    assert Path("runs/mine/report.html").is_file() and len(regraft.load("runs/mine").classes_) == 2


def test_a_package_that_is_missing_is_said_before_any_work(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.pipelines.tracking.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--track mlflow needs mlflow: pip install 'regraft\[mlflow\]'"):
        regraft.fit("nothing is read, so nothing is missed", track="mlflow")
    with pytest.raises(UnknownName, match="did you mean 'mlflow'"):
        regraft.fit("embedded:digits", track="mlflw")
    assert not Path("runs").exists()


def test_several_tasks_are_a_run_each(packages: Path) -> None:
    (packages / "wandb.py").write_text(WANDB)
    rows = [f"{i % 7},{i % 5},{'ab'[i % 7 > 3]},{'uv'[i % 5 > 2]}" for i in range(80)]
    Path("t.csv").write_text("\n".join(["x,y,one,two", *rows]) + "\n")
    regraft.fit("t.csv", label="one,two", share="features", out="runs/both", track="wandb", **QUICK)
    import wandb

    assert [c[1] for c in wandb.calls if c[0] == "init"] == ["one", "two"]


def test_the_figures_are_flat_and_finite() -> None:
    nested = {"val": {"accuracy": 0.5, "ci": [0.1, None], "note": "x", "yes": True}, "n": 3, "bad": float("inf")}
    assert dict(flat(nested)) == {"val/accuracy": 0.5, "val/ci/0": 0.1, "n": 3.0}


def test_the_option_takes_every_tracker() -> None:
    assert OPTIONS["track"].option.choices == tuple(TRACKERS)


READ_BACK = """
import json, struct, sys
from wandb.proto import wandb_internal_pb2 as pb

data, place, part = open(sys.argv[1], "rb").read(), 7, b""
found = {"summary": {}, "config": {}, "history": [], "files": []}
assert data[:4] == b":W&B"
while place + 7 <= len(data):  # LevelDB's log: blocks of 32 KiB, a record whole (1) or in pieces (2, 3, 4)
    left = 32768 - place % 32768
    if left < 7:
        place += left
        continue
    length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
    part += data[place + 7 : place + 7 + length]
    place += 7 + length
    if kind not in (1, 4):
        continue
    record, part = pb.Record.FromString(part), b""
    of = lambda items: {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}
    if record.WhichOneof("record_type") == "run":
        found["name"] = record.run.display_name
        found["config"] |= of(record.run.config.update)
    found["config"] |= of(record.config.update)
    found["summary"] |= of(record.summary.update)
    if record.HasField("history"):
        found["history"].append(of(record.history.item) | {"step": record.history.step.num})
    if record.HasField("artifact"):
        found["files"] += [e.path for e in record.artifact.manifest.contents]
    elif record.HasField("request") and record.request.HasField("log_artifact"):
        found["files"] += [e.path for e in record.request.log_artifact.artifact.manifest.contents]
print(json.dumps(found))
"""


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed (pip install 'regraft[wandb]')")
def test_what_wandb_keeps_offline_is_what_the_record_holds(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "shapes", 6)
    own = {k: str(tmp_path / k.lower()) for k in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")}
    for folder in own.values():
        Path(folder).mkdir()
    there = {**os.environ, **own, "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    command = [sys.executable, "-m", "regraft", "fit", str(data), "--method", "mlp-probe", "--epochs", "2",
               "--controls", "majority", "--backbone", "regraft_tiny", "--out", str(tmp_path / "mine"), "--track",
               "wandb", "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=there, timeout=120)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert not [p for p in result["problems"] if p["kind"] == "not-tracked"]
    (kept,) = (tmp_path / "wandb_dir").rglob("*.wandb")
    (tmp_path / "read.py").write_text(READ_BACK)
    read = subprocess.run([sys.executable, str(tmp_path / "read.py"), str(kept)], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    found, run = json.loads(read.stdout), TrackedRun.read(tmp_path / "mine")
    assert found["name"] == "mine"
    assert {"report.html", "run.json", "predictions.csv", "model/model.safetensors"} <= set(found["files"])
    assert {k: found["config"][k] for k in run.parameters} == run.parameters
    summary = {k.replace(".", "/"): v for k, v in found["summary"].items()}
    assert {k: summary[k] for k in run.figures} == pytest.approx(run.figures)
    assert [h["step"] for h in found["history"]] == [step for step, _ in run.curves]
    for row, (_, wanted) in zip(found["history"], run.curves, strict=True):
        assert {k: row[k] for k in wanted} == pytest.approx(wanted)
