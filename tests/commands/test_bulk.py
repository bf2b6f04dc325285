"""Many predictions: complete, in order, and resumed where a killed run stopped."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import ArtefactError, InputError
from regraft.core.locks import lock
from tests.conftest import with_slow, write_shapes


@pytest.fixture(scope="module")
def model(shapes: Path, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("m") / "r"
    regraft.fit(str(shapes), out=str(out), controls="none", accuracy=0.9)
    return str(out)


@pytest.fixture
def many(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "m.npz", images=rng.integers(0, 255, (700, 12, 12), dtype=np.uint8), labels=np.arange(700) % 2)
    return str(tmp_path / "m.npz")


@pytest.mark.parametrize("ending", with_slow(("csv", "jsonl", "parquet"), ("jsonl", "parquet")))
def test_killed_and_resumed_is_complete_and_in_order(
    model: str, many: str, tmp_path: Path, monkeypatch, capsys, ending
) -> None:
    monkeypatch.setattr("regraft.inference.answer_files.CHUNK", 100)
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"p.{ending}"
    regraft.predict(model, [many], out=str(whole))
    monkeypatch.setattr("regraft.features.engines.torch.TorchEngine.run", _killed_after(1))
    monkeypatch.setattr("regraft.core.runtime._progress", True)  # as the command has it
    with pytest.raises(KeyboardInterrupt):
        regraft.predict(model, [many], out=str(out))
    assert f"{out}.partial is kept: the same command with --resume goes on" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr("regraft.inference.answer_files.CHUNK", 100)
    assert not out.exists() and len(list((tmp_path / f"p.{ending}.partial").glob("chunk-*"))) == 2
    with pytest.raises(ArtefactError, match="left of an interrupted run"):
        regraft.predict(model, [many], out=str(out))
    found = regraft.predict(model, [many], out=str(out), resume=True)
    assert found.items == 700 and found.resumed == 200 and not (tmp_path / f"p.{ending}.partial").exists()
    assert out.read_bytes() == whole.read_bytes(), "as if nothing had happened"
    with pytest.raises(ArtefactError, match="exists"):
        regraft.predict(model, [many], out=str(out))
    assert regraft.predict(model, [many], out=str(out), overwrite=True).resumed == 0


def _killed_after(runs: int):
    from regraft.features.engines.torch import TorchEngine

    original, calls = TorchEngine.run, []

    def run(self, data):
        calls.append(1)
        if len(calls) > runs:
            raise KeyboardInterrupt
        return original(self, data)

    return run


def test_not_resumed_on_other_inputs(model: str, many: str, shapes: Path, tmp_path: Path, monkeypatch) -> None:
    out = str(tmp_path / "p.csv")
    monkeypatch.setattr("regraft.features.engines.torch.TorchEngine.run", _killed_after(0))
    with pytest.raises(KeyboardInterrupt):
        regraft.predict(model, [many], out=out)
    monkeypatch.undo()
    with pytest.raises(ArtefactError, match="another model, other inputs"):
        regraft.predict(model, [str(shapes)], out=out, resume=True)
    assert regraft.predict(model, [str(shapes)], out=out, overwrite=True).items == 40


@pytest.mark.parametrize("more", [{"resume": True}, {"overwrite": True}])
def test_what_another_process_writes_is_left_alone(model: str, many: str, tmp_path: Path, monkeypatch, more) -> None:
    out = str(tmp_path / "p.csv")
    monkeypatch.setattr("regraft.features.engines.torch.TorchEngine.run", _killed_after(0))
    with pytest.raises(KeyboardInterrupt):
        regraft.predict(model, [many], out=out)
    monkeypatch.undo()
    with lock(tmp_path / "p.csv.partial" / "lock") as held:  # as a living process has it
        if not held.real:
            pytest.skip("no locks on this system")
        with pytest.raises(ArtefactError, match="another process still writes answers there"):
            regraft.predict(model, [many], out=out, **more)
    assert regraft.predict(model, [many], out=out, **more).items == 700


def test_order_names_and_unreadable_ones(model: str, tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "new", 5, seed=3)
    (folder / "disc" / "002.png").write_text("no")
    out = tmp_path / "p.csv"
    found = regraft.predict(model, [str(folder), str(folder / "square/001.png")], out=str(out))
    assert (found.items, found.failed) == (11, 1)
    rows = list(csv.DictReader(open(out)))
    names = sorted(str(p) for p in folder.rglob("*.png"))
    assert [r["input"] for r in rows] == [*names, str(folder / "square/001.png")]
    assert rows[2]["label"] == "" and "no picture" in rows[2]["error"]


@pytest.mark.parametrize("copy", [False, True])
def test_sorted_into_folders_by_class(model: str, tmp_path: Path, copy: bool) -> None:
    folder = write_shapes(tmp_path / "new", 4, seed=3)
    (folder / "disc" / "000.png").write_text("no")
    rows = regraft.predict(model, [str(folder)], sort_into=str(tmp_path / "sorted"), copy=copy).predictions
    files = {p.relative_to(tmp_path / "sorted").as_posix() for p in (tmp_path / "sorted").rglob("*") if p.is_file()}
    assert len(files) == 8 and "unreadable/disc/000.png" in files
    for row in rows:
        if "label" in row:
            name = Path(row["input"]).relative_to(folder).as_posix()
            where = "unsure" if row["abstain"] else row["label"]
            assert f"{where}/{name}" in files
    one = next(p for p in (tmp_path / "sorted").rglob("square/00*.png") if p.parts[-3] in ("disc", "square", "unsure"))
    original = folder / "square" / one.name
    assert one.samefile(original) != copy and one.read_bytes() == original.read_bytes()
    again = regraft.predict(model, [str(folder)], sort_into=str(tmp_path / "sorted"), copy=copy)
    assert again.items == 8, "twice in a row does no harm"


def test_arrays_cannot_be_sorted(model: str, many: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="arrays have no file"):
        regraft.predict(model, [many], sort_into=str(tmp_path / "s"))


def test_abstain_is_said(model: str, shapes: Path) -> None:
    decision = json.loads(Path(model, "model/manifest.json").read_text())["target"]["decision"]
    rows = regraft.predict(model, [str(shapes)]).predictions
    for row in rows:
        assert row["abstain"] == (max(row["probabilities"].values()) < decision["abstain_below"])
