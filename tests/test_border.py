"""What fails below regraft reaches a person as one sentence: exit status 2 (or 0), never a traceback, never 1."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import regraft
from regraft.cli import main
from regraft.core.border import bordered, ours, written_by_regraft
from regraft.core.errors import ArtefactError, DataError, DiskError, InputError
from regraft.core.files import LONGEST, disk_errors, new_file, new_folder, output, path_of

CODE = [sys.executable, "-m", "regraft"]


def regraft_in(folder: Path, *words: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command, its streams as ``shell`` says: ``2>&-`` closes stderr."""
    line = " ".join([*CODE, *(f"'{w}'" for w in words), shell])
    return subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], cwd=folder, capture_output=True, text=True,
                          timeout=300, env={**os.environ, **environment})  # fmt: skip


def in_one_sentence(done: subprocess.CompletedProcess[str], *statuses: int) -> None:
    assert done.returncode in (statuses or (2,)), (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout and "a fault in regraft" not in done.stderr
    if done.returncode == 2 and done.stderr:
        assert done.stderr.strip().splitlines()[-1].startswith("regraft: ")


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("border")
    shutil.copytree(shapes, folder / "d")
    found = regraft.fit(str(folder / "d"), controls="none", out=str(folder / "m"), backbone="regraft_tiny")
    return Path(found.run)


@pytest.mark.parametrize("place", ["t.csv/run", "", "x" * 300, "~nosuchuser/x", "broken", "broken/x", "loop/x",
                                   "/dev/null/x", "a/" + "x" * 300 + "/b", "nul\0byte"])  # fmt: skip
def test_places_to_write_are_checked_before_the_work(place: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="--out"):
        output(place)
    with pytest.raises(InputError):
        regraft.fit("embedded:digits", out=place)
    with pytest.raises(InputError):
        regraft.convert("embedded:digits", to="yolo", out=place)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "loop", "t.csv"]


def test_a_name_may_be_as_long_as_its_temporary_name_fits(tmp_path: Path) -> None:
    with new_file(output(tmp_path / ("x" * LONGEST))) as temporary:
        temporary.write_text("a")
    with pytest.raises(DiskError, match="shorter"):
        output(tmp_path / ("x" * (LONGEST + 1)))


def test_devices_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DiskError, match="is no file"), new_file(tmp_path / "pipe") as temporary:
        temporary.write_text("a")
    with pytest.raises(DiskError, match="is no folder"), new_folder(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_home_is_where_it_is(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of("~/x", "--out") == tmp_path / "x"
    with pytest.raises(InputError, match="no such home folder"):
        path_of("~nosuchuser/x", "--out")


@pytest.mark.parametrize(("raised", "words"), [
    (NotADirectoryError(20, "Not a directory", "t.csv/x"), "t.csv/x cannot be used: a part of it is a file"),
    (OSError(24, "Too many open files"), "Too many files are open"),
    (OSError(28, "No space left", "x"), "The disk is full while writing x"),
    (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "its encoding cannot express"),
    (ValueError("embedded null byte"), "NUL"), (MemoryError(), "memory is not enough"),
    (RecursionError("maximum recursion depth"), "nested too deep"),
    (RuntimeError("Could not determine home directory."), "home folder"),
])  # fmt: skip
def test_errors_of_the_machine_become_ours(raised: Exception, words: str) -> None:
    assert words in str(ours(raised))

    def work() -> None:
        raise raised

    with pytest.raises(InputError, match=words.split(":")[0]):
        bordered(work)()


def test_faults_of_our_own_stay_faults() -> None:
    assert ours(TypeError("unsupported operand")) is None and ours(KeyError("x")) is None
    with pytest.raises(TypeError, match="unexpected keyword"):
        regraft.fit("embedded:digits", nope=1)
    assert pickle.loads(pickle.dumps(regraft.fit)) is regraft.fit  # noqa: S301 our own


def test_disk_errors_name_the_file_below(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"run cannot be written \(.*t\.csv/x: a part of it is a file"):
        (tmp_path / "t.csv").write_text("")
        with disk_errors(Path("run")):
            (tmp_path / "t.csv" / "x").mkdir()


_MANIFEST = "model/manifest.json"


def _without(key: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        record = json.loads((run / _MANIFEST).read_text())
        del record[key]
        (run / _MANIFEST).write_text(json.dumps(record))

    return change


def _wrote(file: str, text: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / file).unlink()
        (run / file).write_text(text)
        if file != _MANIFEST and file.startswith("model/"):
            from regraft.core.files import sha256

            record = json.loads((run / _MANIFEST).read_text())
            record["files"][file.removeprefix("model/")] = sha256(run / file)
            (run / _MANIFEST).write_text(json.dumps(record))

    return change


@pytest.mark.parametrize("change", [
    _wrote(_MANIFEST, "[]"), _wrote(_MANIFEST, "null"), _wrote(_MANIFEST, '{"format": "regraft-artefact"}'),
    _wrote(_MANIFEST, '{"format": "regraft-artefact", "format_version": "x"}'), _without("network"), _without("target"),
    _without("head"), _without("record"), _without("files"), _wrote("model/model.safetensors", ""),
    _wrote("model/model.safetensors", "\x02" + "\0" * 7 + "{}"), _wrote("model/backbone.safetensors", "no tensors"),
])  # fmt: skip
def test_damaged_models_are_refused(change: Callable[[Path], None], run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "m")
    change(copy)
    for use in (regraft.load, regraft.verify, lambda m: regraft.predict(m, [str(run.parent / "d")]),
                lambda m: regraft.evaluate(m, str(run.parent / "d"))):  # fmt: skip
        with pytest.raises(ArtefactError):
            use(str(copy))


@pytest.mark.parametrize("text", ["", "[1]", "null", "{}", '{"status": "done", "settings": null, "result": null}',
                                  '{"status": "done", "settings": {"data": 5}, "result": 7}'])  # fmt: skip
def test_a_run_json_of_other_hands(text: str, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "m")
    (copy / "run.json").write_text(text)
    with pytest.raises(ArtefactError):
        regraft.report(str(copy))
    assert all(r["run"] != str(copy) or r["status"] for r in regraft.runs(str(tmp_path)))
    with pytest.raises(InputError):
        regraft.fit(str(run.parent / "d"), controls="none", out=str(copy), resume=True)


def typed(monkeypatch, *words: str) -> int:
    """The exit status of the command, run here."""
    monkeypatch.setattr(sys, "argv", ["regraft", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("settings", [
    "[1]", '{"data": "d", "controls": 5}', '{"data": "d", "backbone": ["a"]}', '{"data": "d", "seed": "x"}',
    '{"data": {"a": 5}}', '{"data": "d", "threads": []}', '{"data": "d", "method": "lp-ft", "epochs": "a"}',
])  # fmt: skip
def test_a_config_is_read_as_typed(settings: str, run: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "c.json").write_text(f'{{"settings": {settings}}}')
    shutil.copytree(run.parent / "d", tmp_path / "d")
    monkeypatch.chdir(tmp_path)
    assert typed(monkeypatch, "fit", "--config", "c.json", "--out", "q") == 2
    assert "a fault in regraft" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--threads", "9" * 20], ["--size", "9" * 20], ["--weights", "t.csv"],
                                   ["--val", "x" * 300], ["--init", "~nosuchuser/x"]])  # fmt: skip
def test_values_that_cannot_be_meant(words: list[str], run: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(run.parent)
    Path("t.csv").write_text("a,b\n1,2\n")
    assert typed(monkeypatch, "fit", "d", "--controls", "none", "--out", "q", *words) == 2
    assert "a fault in regraft" not in capsys.readouterr().err


def test_what_regraft_wrote_and_others_changed() -> None:
    with pytest.raises(ArtefactError, match=r"run\.json is damaged .*KeyError: 'a'"), written_by_regraft("run.json"):
        {}["a"]
    with pytest.raises(DataError, match="kept"), written_by_regraft("run.json"):
        raise DataError("kept")


@pytest.mark.slow
@pytest.mark.parametrize(("words", "shell", "status"), [
    (["inspect", "d"], "2>&-", 0), (["--debug", "inspect", "d"], "2>&-", 0), (["inspect", "nowhere"], ">&- 2>&-", 2),
    (["fit", "d", "--controls", "none", "--out", "a"], "<&- >&- 2>&-", 0),
    (["fit", "d", "--controls", "none", "--out", "b"], "2>/dev/full", 0),
    (["fit", "d", "--controls", "none", "--out", "c"], "2> >(true)", 0),
    (["--help"], "| true", 0), (["--help"], ">/dev/full", 2), (["--version"], ">/dev/full", 2), (["--help"], ">&-", 0),
])  # fmt: skip
def test_streams_that_are_closed_full_or_read_by_nobody(words: list[str], shell: str, status: int, run: Path) -> None:
    done = regraft_in(run.parent, *words, shell=shell)
    in_one_sentence(done, status)
    if words[0] == "fit":
        assert (run.parent / words[-1] / "report.html").exists()


@pytest.mark.parametrize(("name", "value"), [
    ("REGRAFT_CACHE", "d/disc/000.png"), ("REGRAFT_CACHE", "/dev/null"), ("REGRAFT_CACHE", "~nosuchuser/x"),
    ("REGRAFT_CACHE", "x" * 300), ("REGRAFT_QUOTA_GB", "x"), ("REGRAFT_QUOTA_GB", "nan"), ("REGRAFT_QUOTA_GB", "-1"),
])  # fmt: skip
def test_a_cache_that_is_none(name: str, value: str, run: Path, monkeypatch) -> None:
    monkeypatch.chdir(run.parent)
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=name if name == "REGRAFT_QUOTA_GB" else "REGRAFT_CACHE|cannot be written"):
        regraft.fit("d", controls="none", out="x")


def test_a_folder_that_is_gone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    line = f"rmdir ../gone; {' '.join(CODE)} fit {run.parent / 'd'} --controls none"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path / "gone", capture_output=True, text=True)
    in_one_sentence(done)
    assert "no longer there" in done.stderr
