"""What ``regraft runs`` says of a run is so: whose figures they are, and whether anybody still works at it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import ArtefactError
from regraft.core.files import write_json
from regraft.core.runtime import this_process
from regraft.pipelines.run_folder import RunFolder, read_settings
from tests.commands.test_target import QUICK, darker, digits

WAITS = """
import sys, time
from pathlib import Path
from regraft.pipelines.run_folder import RunFolder
with RunFolder(Path(sys.argv[1]), {"data": "d"}):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_domain_run_shows_the_figure_of_its_target(tmp_path: Path) -> None:
    source, target = (str(digits(tmp_path / f"{n}.npz", 90, i, **more))
                      for i, (n, more) in enumerate([("s", {}), ("t", {"change": darker})]))  # fmt: skip
    result = regraft.fit(source, target=target, out=str(tmp_path / "runs/a"), **QUICK)
    [found] = regraft.runs(str(tmp_path / "runs"))
    figures = result.metrics["target"]
    assert (found["of"], found["target"]) == ("target", target) and figures != result.metrics["val"]
    assert (found["accuracy"], found["ci95"]) == (figures["accuracy"], list(figures["accuracy_ci95"]))
    assert f"on the target {target}" in CliRunner().invoke(app, ["runs", str(tmp_path / "runs")]).stdout
    record = read_settings(tmp_path / "runs/a")
    record["result"]["metrics"]["target"] = None  # as of a target without labels
    write_json(tmp_path / "runs/a/run.json", record)
    [found] = regraft.runs(str(tmp_path / "runs"))
    assert found["of"] == "source" and found["accuracy"] == result.metrics["val"]["accuracy"]


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    def status() -> str:
        return regraft.runs(str(tmp_path))[0]["status"]

    with subprocess.Popen([sys.executable, "-c", WAITS, tmp_path / "r"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        assert status() == "running"
        for more in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(ArtefactError, match=f"process {process.pid} is still at"):
                RunFolder(tmp_path / "r", {"data": "d"}, **more)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet taken leave of
        assert status() == "interrupted"
    assert status() == "interrupted"
    with RunFolder(tmp_path / "r", {"data": "d"}, resume=True) as run:
        assert status() == "running", "resumed"
        record = read_settings(run.work)
    assert record["process"] == this_process()

    def told(**process: object) -> str:
        write_json(run.work / "run.json", {**record, "process": {**record["process"], **process}})
        return status()

    assert told() == "running"
    assert told(started=record["process"]["started"] - 100) == "interrupted", "another process of this number"
    assert told(host="elsewhere") == "running on elsewhere"
    write_json(run.work / "run.json", {"status": "running", "settings": {"data": "d"}})
    assert status() == "interrupted"


def test_a_run_that_was_stopped_is_interrupted_while_its_process_lives(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "r", {"data": "d"}):
        raise KeyboardInterrupt
    assert regraft.runs(str(tmp_path))[0]["status"] == "interrupted"
    assert json.loads((tmp_path / "r.partial/run.json").read_text())["settings"] == {"data": "d"}


def test_a_run_that_is_done_keeps_no_checkpoints_but_a_task_may_be_called_so(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "r", {"data": "d"}) as run:
        for name in ("checkpoints/last", "source/checkpoints/last", "tasks/checkpoints"):
            (run.work / name).mkdir(parents=True)
        run.finish({})
    assert sorted(str(p.relative_to(tmp_path / "r")) for p in (tmp_path / "r").rglob("*") if p.is_dir()) == [
        "source", "tasks", "tasks/checkpoints"]  # fmt: skip
