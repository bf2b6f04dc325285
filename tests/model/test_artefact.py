"""Saved, loaded, damaged: an artefact is whole or it is refused."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

import regraft
from regraft.core.errors import ArtefactError
from regraft.data.open import open_items


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "r"
    regraft.fit(str(shapes), out=str(out), controls="none")
    return out


def test_command_python_and_reloaded_artefact_agree_to_the_bit(run: Path, shapes: Path, tmp_path: Path) -> None:
    whole = regraft.load(run).predict_proba(str(shapes))
    assert (regraft.load(run / "model").predict_proba(str(shapes)) == whole).all()
    moved = shutil.copytree(run / "model", tmp_path / "elsewhere")
    assert (regraft.load(moved).predict_proba(str(shapes)) == whole).all()
    items = open_items(str(shapes))
    one_by_one = [regraft.load(run).predict_proba(str(shapes / items.name(i)))[0] for i in (0, 7, 39)]
    # alone a picture runs in a batch of one, whose sums may come in another order
    assert np.allclose(np.stack(one_by_one), whole[[0, 7, 39]], rtol=0, atol=1e-5)
    rows = regraft.predict(str(run), [str(shapes)]).predictions
    assert [list(r["probabilities"].values()) for r in rows] == whole.tolist()
    for ending in ("csv", "jsonl", "parquet"):
        assert regraft.predict(str(run), [str(shapes)], out=str(tmp_path / f"p.{ending}")).items == 40
    lines = [json.loads(line) for line in open(tmp_path / "p.jsonl")]
    assert [list(r["probabilities"].values()) for r in lines] == whole.tolist()
    with open(tmp_path / "p.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [[float(r["p:disc"]), float(r["p:square"])] for r in rows] == whole.tolist()
    table = parquet.read_table(tmp_path / "p.parquet")
    assert [
        list(p) for p in zip(*(table[f"p:{c}"].to_pylist() for c in ("disc", "square")), strict=True)
    ] == whole.tolist()


def test_the_artefact_needs_no_weights_elsewhere(run: Path, shapes: Path, fresh_cache) -> None:
    assert len(regraft.load(run).predict(str(shapes / "disc"))) == 20


def test_unchanged_weights_are_linked_not_copied(run: Path, shapes: Path, tmp_path: Path) -> None:
    regraft.fit(str(shapes), out=str(tmp_path / "other"), controls="none")
    a, b = run / "model/backbone.safetensors", tmp_path / "other/model/backbone.safetensors"
    assert os.path.samefile(a, b)


def test_no_pickle_and_no_code_in_it(run: Path) -> None:
    assert {p.suffix for p in (run / "model").iterdir()} == {".json", ".safetensors", ".md"}
    card = (run / "model/README.md").read_text()
    assert card.startswith("---\nlibrary_name: regraft") and "accuracy" in card


@pytest.mark.parametrize("name", ["model.safetensors", "backbone.safetensors", "metrics.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_found(run: Path, tmp_path: Path, name: str, harm: str) -> None:
    copy = shutil.copytree(run / "model", tmp_path / "m")
    path = copy / name
    data = bytearray(path.read_bytes())
    path.unlink()
    if harm == "flip":
        data[len(data) // 2] ^= 1
    if harm != "remove":
        path.write_bytes(data[: -1 if harm == "cut" else None])
    with pytest.raises(ArtefactError, match=name):
        regraft.load(copy)
    with pytest.raises(ArtefactError, match=name):
        regraft.verify(str(copy))


def test_strange_folders(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no model at"):
        regraft.load(tmp_path / "nowhere")
    with pytest.raises(ArtefactError, match="is no model"):
        regraft.load(tmp_path)
    copy = shutil.copytree(run / "model", tmp_path / "m")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(ArtefactError, match="upgrade regraft"):
        regraft.load(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ArtefactError, match="cannot be read"):
        regraft.load(copy)
    (copy / "manifest.json").write_text("{}")
    with pytest.raises(ArtefactError, match="not the manifest"):
        regraft.load(copy)


def test_verify_a_whole_model(run: Path) -> None:
    found = regraft.verify(str(run))
    assert found["ok"] and found["classes"] == ["disc", "square"] and found["parameters"] > 800_000


def test_unknown_classes_in_evaluate_are_named(run: Path) -> None:
    with pytest.raises(ValueError, match="which the model has not"):
        regraft.evaluate(str(run), "embedded:digits")


def test_wrong_kind_of_input(run: Path) -> None:
    with pytest.raises(ValueError, match="takes an image"):
        regraft.load(run).predict(np.zeros((3, 4)))


def test_unreadable_input_stands_in_the_answers(run: Path, shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    shutil.copy(shapes / "disc/000.png", tmp_path / "p/a.png")
    (tmp_path / "p/b.png").write_text("no")
    rows = regraft.predict(str(run), [str(tmp_path / "p")]).predictions
    assert "label" in rows[0] and "no picture" in rows[1]["error"]
    with pytest.raises(ValueError, match=r"b\.png cannot be used"):
        regraft.load(run).predict(str(tmp_path / "p"))
