"""The store under stress: killed, shared, damaged, and in folders that take nothing."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core import row_store, row_table
from regraft.core.errors import InputError
from regraft.core.locks import lock
from regraft.core.row_store import RowStore
from regraft.data.items import PictureArray
from regraft.features.extract import Extracted, extract, recipe
from regraft.features.network import network_for

BATCH, WIDTH = 8, 320
ITEMS = PictureArray(np.random.default_rng(0).integers(0, 255, (160, 12, 12), dtype=np.uint8), "x")
fork = multiprocessing.get_context("fork")


class Slow:
    """An engine that needs no torch, takes its time, and notes in a file which pictures it was given."""

    batch = BATCH

    def __init__(self, seconds: float = 0.0, log: Path | None = None) -> None:
        self.seconds, self.log = seconds, log
        self.weights = np.random.default_rng(1).normal(size=(12 * 12, WIDTH)).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        return {"engine": "slow"}

    def run(self, data: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(self.seconds)
        if self.log is not None:
            with open(self.log, "a") as f:
                f.writelines(f"{x.tobytes().hex()[:24]}\n" for x in data[..., 0] if x.any())
        return {"pooled": data[..., 0].reshape(len(data), -1).astype(np.float32) @ self.weights}


@pytest.fixture(scope="module")
def network() -> Any:
    found = network_for(ITEMS, "regraft_tiny")
    found.digest()
    found.spec = row_spec(found.spec)
    return found


def row_spec(spec: Any) -> Any:
    from dataclasses import replace

    return replace(spec, height=12, width=12, resize=None, colour="grey")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_table, "SHARD_BYTES", 2 * BATCH * WIDTH * 4)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    for module in (row_table, row_store):
        monkeypatch.setattr(module, "say", lines.append)
    monkeypatch.setattr(row_store, "_tell_once", lambda line: lines.append(line) if line not in lines else None)
    return lines


def work(network: Any, engine: Slow, root: Path, first: int = 0, last: int = len(ITEMS)) -> Extracted:
    return extract(network, ITEMS.take(np.arange(first, last)), engine, RowStore(root))


def begun(network: Any, engine: Slow, root: Path, first: int = 0, last: int = len(ITEMS)) -> Any:
    process = fork.Process(target=work, args=(network, engine, root, first, last))
    process.start()
    return process


def finished(root: Path) -> set[str]:
    """The names of all whole shards."""
    return {f.parent.name for f in root.glob("*/shard-*/shard.json")}


def names(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def killed_again_and_again(network: Any, root: Path, rounds: int) -> None:
    rng, log, kills = random.Random(rounds), root / "log", 0
    whole = work(network, Slow(), root / "undisturbed")
    for _ in range(rounds):
        before = finished(root / "rows")
        stored = len(RowStore(root / "rows").table(recipe(network, Slow())))
        log.unlink(missing_ok=True)
        process = begun(network, Slow(0.01, log), root / "rows")
        time.sleep(rng.uniform(0.02, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        assert before <= finished(root / "rows"), "no shard is lost"
        given = Counter(names(log))
        assert all(n == 1 for n in given.values()) and len(given) <= len(ITEMS) - stored, "none computed twice"
        if stored == len(ITEMS):
            shutil.rmtree(root / "rows")
    last = work(network, Slow(), root / "rows")
    assert kills > rounds / 2 and np.array_equal(last.rows, whole.rows) and len(last.positions) == len(ITEMS)
    [folder] = [f.parent for f in (root / "rows").glob("*/recipe.json")]
    assert not [f for f in folder.iterdir() if f.name.startswith((".", "claim"))], "what the dead left is swept away"


def test_killed_at_any_moment_and_resumed(network: Any, tmp_path: Path) -> None:
    killed_again_and_again(network, tmp_path, 3)


@pytest.mark.slow
def test_killed_fifty_times(network: Any, tmp_path: Path) -> None:
    killed_again_and_again(network, tmp_path, 50)


def test_two_processes_share_the_same_rows(network: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    two = [begun(network, Slow(0.01, log), tmp_path / "rows", *span) for span in ((0, 100), (60, 160))]
    for process in two:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(Counter(names(log)).values()) == [1] * len(ITEMS), "each row is computed by one of them"
    assert work(network, Slow(), tmp_path / "rows").computed == 0


def test_a_killed_process_is_not_waited_for(network: Any, tmp_path: Path) -> None:
    process = begun(network, Slow(60), tmp_path / "rows")
    while not [*tmp_path.glob("rows/*/claim-*")]:
        time.sleep(0.01)
    waiting = begun(network, Slow(), tmp_path / "rows")
    time.sleep(0.3)
    assert waiting.is_alive(), "it waits"
    os.kill(process.pid, signal.SIGKILL)
    waiting.join(30)
    assert waiting.exitcode == 0 and not [*tmp_path.glob("rows/*/claim-*")]
    process.join()


def test_a_failed_extraction_holds_nothing(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Slow()
    monkeypatch.setattr(engine, "run", lambda data: 1 / 0)
    with pytest.raises(ZeroDivisionError) as kept:  # as a notebook keeps the last error, and its frames
        work(network, engine, tmp_path)
    assert work(network, Slow(), tmp_path).computed == len(ITEMS) and kept.value


def flip(file: Path, at: int = -1, bit: int = 1) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= bit
    file.write_bytes(data)


@pytest.mark.parametrize("name", ["pooled.npy", "keys.npy", "shard.json"])
def test_a_flipped_bit_costs_its_shard_alone(network: Any, tmp_path: Path, name: str, said: list[str]) -> None:
    whole = work(network, Slow(), tmp_path)
    shard = sorted(tmp_path.glob("*/shard-*"))[3]
    flip(shard / name, 30 if name == "shard.json" else -1)
    again = work(network, Slow(), tmp_path)
    assert again.computed == 2 * BATCH and np.array_equal(again.rows, whole.rows)
    assert len(said) == 1 and "damaged" in said[0] and str(shard) in said[0]


def test_a_file_is_read_against_its_checksum_once(network: Any, tmp_path: Path, monkeypatch: Any) -> None:
    work(network, Slow(), tmp_path)
    monkeypatch.setattr(row_table, "checksum", lambda file: pytest.fail(f"{file} is read again"))
    assert work(network, Slow(), tmp_path).computed == 0


def in_child(network: Any, root: Path, before: Any) -> tuple[dict[str, Any], list[str]]:
    """What an extraction gives, twice, in a process that did ``before`` first; and what it said."""

    def child(out: Any) -> None:
        lines: list[str] = []
        for module, name in ((row_table, "say"), (row_store, "_tell_once")):
            setattr(module, name, lambda line: lines.append(line) if line not in lines else None)
        before()
        store = RowStore(root)
        found = [extract(network, ITEMS, Slow(), store) for _ in range(2)]
        out.send(({"rows": found[0].rows, "computed": [f.computed for f in found]}, lines))

    ours, theirs = fork.Pipe()
    process = fork.Process(target=child, args=(theirs,))
    process.start()
    assert ours.poll(60), "the process died"
    answer: tuple[dict[str, Any], list[str]] = ours.recv()
    process.join()
    return answer


def test_a_folder_that_may_not_be_written(network: Any, tmp_path: Path) -> None:
    root = Path(tempfile.mkdtemp()) / "rows"  # pytest's own folders are closed to others
    try:
        whole = work(network, Slow(), tmp_path / "whole")
        work(network, Slow(), root, 0, 100)
        for place in (root.parent, *root.rglob("*"), root):
            os.chmod(place, 0o555 if place.is_dir() else 0o444)
        before = sorted(root.rglob("*"))
        found, said = in_child(network, root, lambda: os.getuid() or os.setuid(65534))  # nothing holds root back
        assert found["computed"] == [60, 0] and np.array_equal(found["rows"], whole.rows), "stored rows are read"
        assert len(said) == 1 and "cannot be written" in said[0] and sorted(root.rglob("*")) == before
        os.chmod(root, 0)
        found, said = in_child(network, root, lambda: os.getuid() or os.setuid(65534))
        assert found["computed"] == [160, 0] and len(said) == 1, "where nothing can be read either"
    finally:
        os.chmod(root, 0o755)
        for place in (root.parent, *(p for p in root.rglob("*") if p.is_dir())):
            os.chmod(place, 0o755)
        shutil.rmtree(root.parent)


def test_a_disk_that_is_full(network: Any, tmp_path: Path) -> None:
    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    whole = work(network, Slow(), tmp_path / "whole")
    found, said = in_child(network, tmp_path / "rows", full)
    assert found["computed"] == [160, 0] and np.array_equal(found["rows"], whole.rows)
    assert len(said) == 1 and "disk is full" in said[0] and not finished(tmp_path / "rows")


@pytest.mark.parametrize("case", ["link", "dangling", "inside", "format", "broken format", "full"])
def test_a_cache_that_is_not_ours(case: str, shapes: Path, fresh_cache: Path, said: list[str], tmp_path: Path,
                                  monkeypatch: Any) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    if case == "link":
        elsewhere.mkdir()
        fresh_cache.symlink_to(elsewhere)
    elif case == "dangling":
        fresh_cache.symlink_to(elsewhere)
    elif case == "inside":
        elsewhere.mkdir()
        fresh_cache.mkdir()
        (fresh_cache / "rows").symlink_to(elsewhere)
    elif case == "full":
        monkeypatch.setattr(np, "save", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    else:
        (fresh_cache / "rows").mkdir(parents=True)
        (fresh_cache / "rows/format.json").write_text('{"format": 9}' if case == "format" else "{")
    result = regraft.fit(str(shapes), backbone="regraft_tiny", controls="none", out="r")
    assert result.metrics["val"]["accuracy"] > 0.5
    assert not [p for p in (elsewhere, fresh_cache) for p in p.rglob("*.npy")]
    assert all("not stored" in line or "no rows are stored" in line for line in said) and said[0].endswith(".")
    assert len(said) == 1
    if "format" in case:
        assert regraft.cache("clear", rows=True)["bytes"] == 0
        assert regraft.fit(str(shapes), backbone="regraft_tiny", controls="none", out="r2").rows["computed"] > 0
        assert finished(fresh_cache / "rows")
    elif elsewhere.exists():
        (elsewhere / "precious").mkdir()
        assert isinstance(CliRunner().invoke(app, ["cache", "clear"]).exception, InputError)
        assert (elsewhere / "precious").exists()


def test_the_cache_is_shown_verified_pruned_and_cleared(network: Any, fresh_cache: Path) -> None:
    def command(*words: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["cache", *words, "--json"])
        return {"status": done.exit_code, **json.loads(done.stdout)}

    rows, engines = fresh_cache / "rows", fresh_cache / "engines"
    work(network, Slow(), rows)
    engines.mkdir()
    (engines / "graph.bin").write_bytes(bytes(1000))
    shown = command()
    assert shown["bytes"] > 160 * WIDTH * 4 and shown["engines_bytes"] == 1000 and len(shown["tables"]) == 1
    assert command("verify")["damaged"] == 0
    flip(sorted(rows.glob("*/shard-*"))[0] / "pooled.npy")
    found = command("verify")
    assert (found["damaged"], found["status"]) == (1, 1) and found["tables"][0]["rows"] == 160 - 2 * BATCH
    assert command("verify")["damaged"] == 0, "what was damaged is gone"
    assert command("prune", "--to", "1")["freed_bytes"] == 0
    with lock(next(rows.glob("*/used")), shared=True) or pytest.fail("locked"):
        assert command("prune", "--to", "0")["freed_bytes"] == 0, "somebody reads them"
    assert command("prune", "--to", "0")["freed_bytes"] > 1e5 and not finished(rows)
    work(network, Slow(), rows)
    assert command("clear", "--rows")["bytes"] == 0 and engines.exists()
    assert command("clear")["freed_bytes"] == 1000 and not engines.exists()
    for words in (["cler"], ["show", "--to", "1"], ["prune", "--to", "nan"], ["prune", "--rows"]):
        assert isinstance(CliRunner().invoke(app, ["cache", *words]).exception, InputError)
