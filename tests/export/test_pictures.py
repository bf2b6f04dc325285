"""Models of pictures leave the tool, and answer outside of it as inside, without torch and without regraft."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import ArtefactError, InputError, UnknownName
from regraft.export import export as exporting
from regraft.export import predict

FORBIDDEN = """
import importlib.abc, sys
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "regraft"}:
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Gone())
"""


def alone(folder: Path, *files: str) -> list[dict[str, Any]]:
    """What the script of an export says where torch and regraft cannot be imported; the folder is moved before."""
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(FORBIDDEN)
    moved = folder.rename(folder.with_name("elsewhere"))
    done = subprocess.run([sys.executable, str(moved / "predict.py"), *files], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(moved / "hook")})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> str:
    return str(regraft.fit(str(shapes), controls="none", out=str(tmp_path_factory.mktemp("run") / "probe")).run)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Pictures of other sizes and modes than were learned from."""
    folder, rng = tmp_path_factory.mktemp("odd"), np.random.default_rng(0)
    found = []
    for i, (mode, size) in enumerate((("RGB", (90, 70)), ("L", (33, 200)), ("RGBA", (1, 1)), ("P", (64, 64)))):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        coarse.resize(size).convert(mode).save(folder / f"{i}.png")
        found.append(str(folder / f"{i}.png"))
    return found


def near(ours: dict[str, Any], theirs: dict[str, Any], unit: float = 1.0) -> None:
    """The same fields as `regraft predict` gives, but for what no graph says, and the same values."""
    assert ours.keys() == theirs.keys() - {"unlike", "distances"}
    for name, value in ours.items():
        if isinstance(value, float | dict):
            assert value == pytest.approx(theirs[name], abs=1e-3 * unit), name
        else:
            assert value == theirs[name], name


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_it_answers_without_torch_and_regraft(
    to: str, probe: str, odd: list[str], shapes: Path, tmp_path: Path
) -> None:
    found = regraft.export_model(probe, to, out=str(tmp_path / "e"))
    assert found.proof.data == str(shapes) and found.proof.items == found.proof.labels_equal == 40
    assert found.proof.largest_difference < 1e-4
    assert set(found.files) == {p.name for p in (tmp_path / "e").iterdir()} >= {"model.json", "predict.py"}
    asked = [*odd, str(shapes / "disc" / "000.png")]
    wanted = regraft.predict(probe, asked, engine="torch").predictions
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n")
    said = alone(tmp_path / "e", *asked, str(broken))
    for ours, theirs in zip(said[:-1], wanted, strict=True):
        near(ours, theirs)
    assert set(said[-1]) == {"input", "error"}


def test_a_program_of_torch(probe: str, odd: list[str], tmp_path: Path) -> None:
    regraft.export_model(probe, "torch", out=str(tmp_path / "m.pt2"))
    about, run = predict.session(tmp_path / "m.pt2")
    records = list(predict.pictures(about, run, odd, tmp_path))
    for ours, theirs in zip(records, regraft.predict(probe, odd, engine="torch").predictions, strict=True):
        near(ours, theirs)


def test_one_file_knows_what_it_is(probe: str, tmp_path: Path) -> None:
    regraft.export_model(probe, "onnx", out=str(tmp_path / "new" / "m.onnx"))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["m.onnx"]
    about, run = predict.session(tmp_path / "new" / "m.onnx")
    manifest = json.loads((Path(probe) / "model" / "manifest.json").read_text())
    assert about["classes"] == ["disc", "square"] and about["digests"] == manifest["files"]
    assert about["preprocess"] == [manifest["network"]["spec"]] and about["regraft"] == regraft.__version__
    assert [(p["name"], p["dtype"]) for p in about["inputs"]] == [("picture", "uint8")]
    (p,) = run({"picture": np.zeros((1, 3, 3), np.uint8)}).values()
    assert p.shape == (2,) and p.sum() == pytest.approx(1)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Numbers with quantiles and an interval by folds, from two networks side by side."""
    folder, rng = tmp_path_factory.mktemp("numbers"), np.random.default_rng(0)
    (folder / "p").mkdir()
    lines = ["file,light"]
    for i in range(60):
        picture = np.kron(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), np.ones((7, 9, 1), np.uint8))
        Image.fromarray(picture).save(folder / "p" / f"{i}.png")
        lines.append(f"p/{i}.png,{picture.mean() / 3.7:.3f}")
    (folder / "light.csv").write_text("\n".join(lines) + "\n")
    return str(regraft.fit(str(folder / "light.csv"), task="regression", backbone="regraft_tiny+random:regraft_tiny",
                           quantiles="0.1,0.9", interval=0.8, controls="none", out=str(folder / "r")).run)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_numbers_with_their_interval_from_two_networks(to: str, numbers: str, odd: list[str], tmp_path: Path) -> None:
    model = regraft.load(numbers).model
    assert model.folds is not None, "the interval is one of folds"
    found = regraft.export_model(numbers, to, out=str(tmp_path / "e"))
    assert found.proof.labels_equal is None and found.proof.items == 60
    about, run = predict.session(tmp_path / "e")
    wanted = regraft.predict(numbers, odd, engine="torch").predictions
    for ours, theirs in zip(predict.pictures(about, run, odd, tmp_path), wanted, strict=True):
        assert ours["low"] < ours["value"] < ours["high"]
        near(ours, theirs, unit=model.sigma)


def test_several_labels(tmp_path: Path, odd: list[str]) -> None:
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2, (60, 2))
    images = rng.integers(0, 60, (60, 20, 20, 3))
    images[:, :8, :, 0] += 150 * marks[:, 0, None, None]
    images[:, 12:, :, 2] += 150 * marks[:, 1, None, None]
    np.savez(tmp_path / "m.npz", images=images.astype(np.uint8), labels=marks, class_names=["red", "blue"])
    run = regraft.fit(str(tmp_path / "m.npz"), task="multilabel", controls="none", out=str(tmp_path / "r")).run
    regraft.export_model(str(run), "openvino", out=str(tmp_path / "e"))
    about, session = predict.session(tmp_path / "e")
    for ours, theirs in zip(predict.pictures(about, session, odd, tmp_path),
                            regraft.predict(str(run), odd, engine="torch").predictions, strict=True):  # fmt: skip
        near(ours, theirs)


def test_what_differs_gets_no_name(probe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export whose answers are not those of the model is not written, and what stood there stays."""
    out = tmp_path / "e"
    regraft.export_model(probe, "onnx", out=str(out))
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    real = exporting.exportable_of

    def spoiled(predictor: Any, model: str) -> Any:
        found = real(predictor, model)
        found.module.head.head.linear.bias.data[0] += 3
        return found

    monkeypatch.setattr(exporting, "exportable_of", spoiled)
    with pytest.raises(InputError, match=r"Nothing was written: .* allowed is 0.001"):
        regraft.export_model(probe, "onnx", out=str(out))
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_where_the_training_data_is_gone(own_shapes: Path, tmp_path: Path) -> None:
    run = str(regraft.fit(str(own_shapes), controls="none", out=str(tmp_path / "r")).run)
    moved = own_shapes.rename(tmp_path / "moved")
    found = regraft.export_model(run, "openvino", out=str(tmp_path / "e"))
    assert found.proof.data.startswith("generated pictures, as ") and "is not there" in found.proof.data
    again = regraft.export_model(run, "openvino", out=str(tmp_path / "e"), data=str(moved))
    assert again.proof.data == str(moved) and again.proof.items == 16


def test_what_is_refused(probe: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ArtefactError, match="is no export of regraft"):
        regraft.export_model(probe, out=str(tmp_path / "mine"))
    (tmp_path / "m.onnx").write_text("dear")
    with pytest.raises(ArtefactError, match="is no export of regraft"):
        regraft.export_model(probe, out=str(tmp_path / "m.onnx"))
    with pytest.raises(InputError, match="ending in .pt2, or a folder"):
        regraft.export_model(probe, "torch", out=str(tmp_path / "n.onnx"))
    with pytest.raises(InputError, match="the name of a folder"):
        regraft.export_model(probe, "openvino", out=str(tmp_path / "n.xml"))
    with pytest.raises(ArtefactError, match="There is no model at"):
        regraft.export_model(str(tmp_path / "nothing"))
    with pytest.raises(UnknownName, match="did you mean 'onnx'"):
        regraft.export_model(probe, "onxx")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear" and not (tmp_path / "n.onnx").exists()


def test_of_several_tasks_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> None:
    shutil.unpack_archive(Path(__file__).parents[1] / "golden" / "runs-0.1.zip", tmp_path)
    monkeypatch.chdir(tmp_path / "tasks")
    with pytest.raises(ArtefactError, match="name one, as run#"):
        regraft.export_model("run", out="e")
    name = next(iter(regraft.load("run").tasks))
    found = regraft.export_model(f"run#{name}", "openvino", out="e")
    assert found.proof.items > 0 and (tmp_path / "tasks" / "e" / "model.xml").is_file()


def test_the_command(probe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export", probe, "--to", "openvino", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["out"] == "probe-openvino" and (tmp_path / "probe-openvino" / "model.xml").is_file()


def require_nncf() -> None:
    if find_spec("nncf") is None:  # importing it would bring OpenVINO's telemetry
        pytest.skip("nncf is not installed (extra int8)")


def test_int8(probe: str, odd: list[str], tmp_path: Path) -> None:
    """Weights take a quarter of the room; what it costs is told, on pictures that nothing was calibrated on."""
    require_nncf()
    found = regraft.export_model(probe, "openvino", out=str(tmp_path / "e"), int8=True)
    assert found.precision == "int8" and found.int8.calibrated_on == 32 and found.int8.items == 8
    assert found.int8.figure == "accuracy" and found.int8.int8 == found.int8.float32 == 1
    assert found.proof.items == found.proof.labels_equal == 40 and 0 < found.proof.largest_difference < 0.1
    assert json.loads((tmp_path / "e" / "model.json").read_text())["int8"]["items"] == 8
    assert found.files["model.bin"] < 0.35 * os.path.getsize(Path(probe) / "model" / "backbone.safetensors")
    about, run = predict.session(tmp_path / "e")
    for ours, theirs in zip(predict.pictures(about, run, odd, tmp_path),
                            regraft.predict(probe, odd, engine="torch").predictions, strict=True):  # fmt: skip
        assert ours["probabilities"] == pytest.approx(theirs["probabilities"], abs=0.2)
    with pytest.raises(InputError, match="--int8 is for --to openvino"):
        regraft.export_model(probe, "onnx", int8=True)


@pytest.mark.slow
def test_a_model_learned_in_int8_leaves_as_it_was_judged(shapes: Path, tmp_path: Path) -> None:
    require_nncf()
    run = str(regraft.fit(str(shapes), controls="none", engine="openvino-int8", out=str(tmp_path / "r")).run)
    found = regraft.export_model(run, "openvino", out=str(tmp_path / "e"), int8=True)
    assert found.proof.largest_difference < 1e-5 and found.int8.data == "training pictures" and not found.notes
    (note,) = regraft.export_model(run, "openvino", out=str(tmp_path / "f")).notes
    assert "has learned from rows in int8" in note


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_ants_and_bees(to: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(shared / "weights"))
    run = str(regraft.fit(str(shared / "data" / "hymenoptera.zip"), backbone="squeezenet1_0", controls="none",
                          out=str(tmp_path / "r")).run)  # fmt: skip
    found = regraft.export_model(run, to, out=str(tmp_path / "e"))
    assert found.proof.items == found.proof.labels_equal == 100 and found.proof.largest_difference < 1e-3
