"""What a person and a script meet at the command line: exit status, streams, shapes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_shapes

COMMANDS = [
    "inspect",
    "fit",
    "evaluate",
    "predict",
    "insights",
    "explain",
    "report",
    "runs",
    "augment",
    "backbones",
    "methods",
    "cache",
    "verify",
    "demo",
]


def regraft(*words: str, cwd: Path | None = None, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "regraft", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **more,
    )


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    done = regraft("fit", str(shapes), "--out", "r", "--controls", "majority,raw", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "fit.json").write_text(done.stdout)
    return folder / "r"


def test_fit_prints_one_json_object(run: Path) -> None:
    found = json.loads((run.parent / "fit.json").read_text())
    assert {"run", "task", "method", "backbone", "engine", "metrics", "gain", "seconds", "cached"} <= set(found)
    assert {"val", "controls"} <= set(found["metrics"])
    assert {"prepare", "audit", "extract", "controls", "fit", "total"} <= set(found["seconds"])
    assert "ci95" in found["gain"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["inspect", "embedded:digits"], {"format", "task", "modality", "classes", "items", "problems"}),
        (["evaluate", "{run}", "{shapes}"], {"items", "metrics"}),
        (["predict", "{run}", "{shapes}/disc/000.png"], {"predictions"}),
        (["runs", "{run}/.."], {"runs"}),
        (["methods"], {"methods"}),
        (["backbones"], {"backbones"}),
        (["cache"], {"folder", "bytes"}),
        (["verify", "{run}"], {"ok", "classes"}),
        (["report", "{run}"], {"report"}),
    ],
)
def test_json_and_plain(words: list[str], keys: set[str], run: Path, shapes: Path) -> None:
    words = [w.format(run=run, shapes=shapes) for w in words]
    done = regraft(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert keys <= set(json.loads(done.stdout))
    plain = regraft(*words)
    assert plain.returncode == 0 and plain.stdout.strip()


def test_prediction_record(run: Path, shapes: Path) -> None:
    row = json.loads(regraft("predict", str(run), str(shapes / "disc/000.png"), "--json").stdout)["predictions"][0]
    assert set(row) == {"input", "label", "probabilities", "entropy_bits", "unlike", "distances"}
    assert row["input"] == str(shapes / "disc/000.png") and set(row["probabilities"]) == {"disc", "square"}


def test_an_unknown_ending_is_named(run: Path, shapes: Path) -> None:
    done = regraft("predict", str(run), str(shapes), "--out", "x.docx")
    assert done.returncode == 2 and "x.docx has an unknown ending" in done.stderr


def test_help_is_quick_and_imports_no_torch() -> None:
    code = (
        "import sys, regraft.cli; sys.argv = ['regraft', '--help']\n"
        "try: regraft.cli.main()\nexcept SystemExit: pass\n"
        "bad = {'torch', 'torchvision', 'sklearn', 'numpy', 'matplotlib'} & set(sys.modules); assert not bad, bad"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = regraft("--help")
        times.append(time.perf_counter() - start)
    assert done.returncode == 0 and "fit" in done.stdout
    assert min(times) < 0.4


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = regraft(command, "--help")
    assert done.returncode == 0 and "--json" in done.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["fit", "nowhere"], "nothing at 'nowhere'"),
        (["inspect", "nowhere"], "nothing at 'nowhere'"),
        (["fit", "empty"], "is empty"),
        (["fit", "one"], "one class"),
        (["fit", "two", "--backbone", "mobilnet_v2"], "did you mean 'mobilenet_v2'"),
        (["fit", "two", "--backbon", "x"], "--backbone"),
        (["fitt", "two"], "fit"),
        (["fit", "two", "--method", "linear"], "did you mean 'linear-probe'"),
        (["fit", "two", "--weights", "none.pth"], "no weights file none.pth"),
        (["fit", "two", "--seed", "-1"], "seed"),
        (["fit", "two", "--threads", "0"], "must be 1 or more"),
        (["fit", "two", "--engine", "torhc"], "did you mean 'torch'"),
        (["fit"], "needs DATA"),
        (["fit", "two", "--config", "two"], "not the run.json"),
        (["predict", "nowhere", "two"], "no model at nowhere"),
        (["evaluate", "two", "two"], "is no model"),
        (["verify", "two"], "is no model"),
        (["report", "two"], "no finished run"),
        (["predict", "two", "two", "--out", "x.docx"], "is no model"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(words: list[str], text: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_shapes(tmp_path / "one", 2, classes=("disc",))
    write_shapes(tmp_path / "two", 2)
    done = regraft(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert not done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("regraft: ") and text in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_config_repeats_a_run(run: Path, tmp_path: Path) -> None:
    done = regraft("fit", "--config", str(run / "run.json"), "--out", str(tmp_path / "again"), "--json")
    assert done.returncode == 0, done.stderr
    a, b = (json.loads((p / "run.json").read_text())["result"]["metrics"] for p in (run, tmp_path / "again"))
    assert a == b
    assert (run / "model/model.safetensors").read_bytes() == (tmp_path / "again/model/model.safetensors").read_bytes()


def test_from_another_folder_and_twice_in_a_row(shapes: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        done = regraft("-q", "fit", os.path.relpath(shapes, tmp_path), "--controls", "none", cwd=tmp_path)
        assert done.returncode == 0 and not done.stderr
        assert (tmp_path / f"runs/{shapes.name}-linear-probe-{number}/report.html").exists()


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz",
        images=rng.integers(0, 255, (20000, 16, 16), dtype=np.uint8),
        labels=np.arange(20000) % 4,
    )
    environment = {**os.environ, "REGRAFT_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen([sys.executable, "-m", "regraft", "fit", "d.npz", "--out", "r"], cwd=tmp_path,
                               env=environment, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "to learn from" in line:
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(60) == 130
    assert "r.partial is kept: the same command with --resume goes on\nregraft: interrupted; what" in rest
    assert "Traceback" not in rest and not (tmp_path / "r").exists() and (tmp_path / "r.partial").exists()
    done = regraft("evaluate", "r.partial", "d.npz", cwd=tmp_path)
    assert done.returncode == 2 and "did not finish" in done.stderr


def test_a_disk_that_takes_no_more(shapes: Path, tmp_path: Path) -> None:
    """The operating system itself refuses to let any file grow past a megabyte."""
    import resource

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    environment = {**os.environ, "REGRAFT_CACHE": str(tmp_path / "cache")}
    done = regraft("fit", str(shapes), "--out", "r", cwd=tmp_path, env=environment, preexec_fn=limit)
    assert done.returncode == 2, done.stderr
    assert "disk is full while writing" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "r").exists() and not (tmp_path / "r.partial").exists()
    assert not list((tmp_path / "cache").rglob("*.tmp"))
