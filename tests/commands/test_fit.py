"""The whole way on small pictures: figures, files, determinism, resuming, honesty."""

import csv
import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.cli.printing import print_evaluation, print_fit
from regraft.core.errors import ArtefactError, DataError, InputError, UnknownName
from regraft.pipelines import run_folder as runfolder
from regraft.pipelines.fit import fit
from tests.conftest import with_slow, write_shapes


@pytest.fixture
def at(tmp_path: Path, monkeypatch) -> Path:
    """A folder of its own to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_folder_to_run(shapes: Path, at: Path) -> None:
    result = regraft.fit(str(shapes))
    run = Path(result.run)
    assert run == Path("runs") / f"{shapes.name}-linear-probe-1"
    assert {p.name for p in run.iterdir()} == {
        "model",
        "run.json",
        "log.jsonl",
        "judged.csv",
        "predictions.csv",
        "map.csv",
        "mistakes",
        "report.html",
    }
    assert {p.name for p in (run / "model").iterdir()} == {
        "manifest.json", "model.safetensors", "backbone.safetensors", "learned.safetensors", "README.md", "metrics.json"
    }  # fmt: skip
    assert result.task == "classification" and result.backbone == "regraft_tiny" and result.engine == "torch"
    assert set(result.metrics["controls"]) == {"majority", "raw", "random:regraft_tiny"}
    steps = {"open", "import", "prepare", "audit", "extract", "controls", "fit", "judge", "save", "report", "other"}
    assert set(result.seconds) == {*steps, "total"} and "startup" not in result.seconds, "Python was running before"
    assert sum(s for k, s in result.seconds.items() if k != "total") == pytest.approx(result.seconds["total"], abs=0.01)
    assert result.items == {"train": 40, "val": 40} and result.cross_validation == {"folds": 5, "rounds": 1}
    val = result.metrics["val"]
    assert val["accuracy"] >= 0.75 > result.metrics["controls"]["majority"]["accuracy"]
    assert {"accuracy_ci95", "balanced_accuracy", "macro_f1", "log_loss", "ece"} <= set(val)
    rows = list(csv.DictReader(open(run / "predictions.csv")))
    assert len(rows) == 40
    assert np.mean([r["label"] == r["predicted"] for r in rows]) == pytest.approx(val["accuracy"], abs=0.05)
    assert float(rows[0]["p:disc"]) + float(rows[0]["p:square"]) == pytest.approx(1)
    events = [json.loads(line)["event"] for line in open(run / "log.jsonl")]
    assert events == ["start", "extracted", "fitted", "judged"]
    assert regraft.fit(str(shapes), controls="none").run.endswith("-2"), "the next run has the next number"


def test_gain_is_over_the_best_control(shapes: Path, at: Path) -> None:
    result = fit(str(shapes))
    controls = {n: m["accuracy"] for n, m in result.metrics["controls"].items()}
    assert controls[result.gain["against"]] == max(controls.values())
    assert result.gain["value"] == pytest.approx(result.metrics["val"]["accuracy"] - max(controls.values()))
    low, high = result.gain["ci95"]
    assert low <= result.gain["value"] <= high


def test_second_fit_needs_no_forward_pass(shapes: Path, at: Path, fresh_cache, monkeypatch) -> None:
    first = fit(str(shapes))
    assert not first.cached and first.rows["computed"] == 120, "40 pictures, three networks"
    monkeypatch.setattr("regraft.features.engines.torch.TorchEngine.run", lambda *_: pytest.fail("a forward pass"))
    second = fit(str(shapes))
    assert second.cached and second.metrics == first.metrics


def test_one_picture_added_is_one_row_computed(own_shapes: Path, at: Path, fresh_cache) -> None:
    fit(str(own_shapes), controls="none")
    write_shapes(at / "more", 1, seed=9)
    (at / "more" / "disc" / "000.png").rename(own_shapes / "disc" / "new.png")
    assert fit(str(own_shapes), controls="none").rows["computed"] == 1


def test_same_seed_same_bits_another_seed_others(shapes: Path, at: Path) -> None:
    a, b, c = (fit(str(shapes), seed=s, out=f"r{i}", controls="none") for i, s in enumerate((0, 0, 1)))
    weights = [Path(r.run, "model/model.safetensors").read_bytes() for r in (a, b, c)]
    assert weights[0] == weights[1] != weights[2]
    assert Path(a.run, "predictions.csv").read_text() == Path(b.run, "predictions.csv").read_text()
    assert Path(a.run, "predictions.csv").read_text() != Path(c.run, "predictions.csv").read_text()


def test_the_saved_model_is_refitted_on_everything(shapes: Path, at: Path) -> None:
    both, part = fit(str(shapes), controls="none", out="a"), fit(str(shapes), controls="none", out="b", refit=False)
    assert both.cross_validation and not part.cross_validation and part.items == {"train": 32, "val": 8}
    record = [json.loads(Path(r.run, "model/manifest.json").read_text())["record"] for r in (both, part)]
    assert [r["trained_on"] for r in record] == [40, 32] and [r["refit"] for r in record] == [False, False]
    predictions = regraft.load("b").predict_proba(f"{shapes}")
    assert (predictions != regraft.load("a").predict_proba(f"{shapes}")).any()


def test_val_part_is_used_and_test_never_touched(tmp_path: Path, at: Path) -> None:
    rng = np.random.default_rng(0)

    def pictures(n):
        return rng.integers(0, 255, (n, 8, 8), dtype=np.uint8)

    np.savez("d.npz", train_images=pictures(20), train_labels=np.arange(20) % 2, val_images=pictures(6),
             val_labels=np.arange(6) % 2, test_images=pictures(4), test_labels=np.arange(4) % 2)  # fmt: skip
    result = fit("d.npz", controls="none")
    assert result.items == {"train": 20, "val": 6} and "part val" in result.split
    names = [r["input"] for r in csv.DictReader(open(Path(result.run, "predictions.csv")))]
    assert names == [f"val_images[{i}]" for i in range(6)]
    found = regraft.evaluate(result.run, "d.npz")
    assert found.items == 4, "evaluate takes the part test"
    with pytest.raises(DataError, match="none called train"):
        fit("d.npz#test")


def test_val_from_elsewhere_is_matched_by_class_name(shapes: Path, at: Path) -> None:
    other = write_shapes(at / "other", 3, seed=5, classes=("square", "disc"))
    (other / "zebra").mkdir()
    (other / "disc" / "000.png").rename(other / "zebra" / "z.png")
    result = fit(str(shapes), val=str(other), controls="none")
    assert result.items == {"train": 40, "val": 5}
    assert [p["kind"] for p in result.problems] == ["class-without-training"]


def test_seen_pictures_are_marked(at: Path, shared: Path, capsys) -> None:
    """MNIST's training pictures were in the pretraining of the embedded network; USPS's were not."""
    from regraft.data.open import open_data

    data = open_data(str(shared / "data/mnist") + "#train").take(np.arange(300))
    pictures = np.stack([data.items.load(i) for i in range(300)])
    np.savez("m.npz", images=pictures, labels=data.y)
    result = regraft.fit("m.npz", controls="majority")
    assert result.seen == result.seen_in_training == 1.0
    assert [p["kind"] for p in result.problems].count("seen-in-pretraining") == 2
    said = "but the pretraining of regraft_tiny saw 100 % of these pictures with their labels"
    page = Path(result.run, "report.html").read_text()
    assert re.search(rf"<span>accuracy[^<]*</span><em>{said}", page), "beside the accuracy"
    assert "pretraining saw 100 %" in Path(result.run, "model/README.md").read_text()
    print_fit(asdict(result))
    accuracy = f"accuracy {result.metrics['val']['accuracy']:.4f}"
    assert re.search(rf"^{accuracy} \([^)]*\), {said}", capsys.readouterr().out, re.M)
    [listed] = regraft.runs("runs")
    assert listed["seen"] == 1.0
    found = regraft.evaluate(result.run, "m.npz")
    print_evaluation(found)
    assert found.seen == 1.0 and "), but the pretraining of its network saw 100 %" in capsys.readouterr().out
    digits = fit("embedded:digits", controls="none")
    assert digits.seen == 0.0 and regraft.evaluate(digits.run, "embedded:digits").seen == 0.0


def test_a_dataframe_is_fitted(own_shapes: Path, at: Path) -> None:
    import pandas as pd

    files = sorted(own_shapes.rglob("*.png"))
    frame = pd.DataFrame({"file": [str(p) for p in files], "kind": [p.parent.name for p in files]})
    result = regraft.fit(frame, controls="majority")
    assert result.classes == ("disc", "square") and Path(result.run).name.startswith("DataFrame-of-16-rows")
    assert regraft.evaluate(result.run, frame).items == 16


def test_one_label_a_class_works(at: Path) -> None:
    """No item can be held out: the model is made, and it is said that its worth is not known."""
    from regraft.commands.demo import draw
    from regraft.data.open import open_data

    data = open_data("embedded:digits")
    chosen = draw(data.y, 1, seed=0)
    pictures = np.stack([data.items.load(i) for i in range(len(data))])
    np.savez("one.npz", images=pictures[chosen], labels=data.y[chosen])
    result = regraft.fit("one.npz")
    assert result.metrics["val"] is None and result.gain is None
    assert "not-judged" in [p["kind"] for p in result.problems]
    assert "is not known" in Path(result.run, "report.html").read_text()
    assert regraft.evaluate(result.run, "embedded:digits").metrics["accuracy"] > 0.9


def test_existing_out_is_refused_unless_told(shapes: Path, at: Path) -> None:
    fit(str(shapes), out="r", controls="none")
    before = Path("r/model/manifest.json").read_text()
    with pytest.raises(ArtefactError, match="exists: choose another --out"):
        fit(str(shapes), out="r", controls="none")
    assert Path("r/model/manifest.json").read_text() == before
    assert fit(str(shapes), out="r", controls="none", seed=4, overwrite=True).run == "r"
    assert Path("r/model/manifest.json").read_text() != before


STAGES = {
    "extracting": "regraft.features.engines.torch.TorchEngine.run",
    "storing rows": "regraft.core.row_table.Filling.flush",
    "choosing": "regraft.methods.probes.linear_probe._choose",
    "controls": "regraft.pipelines.stages.evaluate.run_controls",
    "writing predictions": "regraft.pipelines.evidence.judged.csv.writer",
    "writing the head": "regraft.models.artefact.write.write_state",
    "writing the card": "regraft.models.artefact.write.model_card",
    "the last rename": "regraft.pipelines.run_folder.replace_folder",
}


RARE = ("storing rows", "controls", "writing the head", "writing the card")


@pytest.mark.parametrize("stage", with_slow(STAGES, RARE))
def test_interrupted_at_any_stage_then_resumed(stage: str, shapes: Path, at: Path, fresh_cache, monkeypatch) -> None:
    """Nothing half-written is taken for whole, and resuming gives what an undisturbed run gives."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(STAGES[stage], interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(str(shapes), out="r")
    assert not Path("r").exists() and Path("r.partial/run.json").exists()
    with pytest.raises(ArtefactError):
        regraft.load("r")
    with pytest.raises(ArtefactError, match="left of an interrupted run"):
        fit(str(shapes), out="r")
    with pytest.raises(ArtefactError, match="other settings .*seed was 0 and is 1"):
        fit(str(shapes), out="r", seed=1, resume=True)
    resumed = fit(str(shapes), out="r", resume=True)
    whole = fit(str(shapes), out="w")
    assert resumed.metrics == whole.metrics
    assert Path("r/model/model.safetensors").read_bytes() == Path("w/model/model.safetensors").read_bytes()
    assert not list(Path().glob("*.partial")) and not list(Path().glob(".*tmp"))
    assert fit(str(shapes), out="r", resume=True) == resumed, "resuming a finished run gives its result"


def test_a_full_disk_leaves_nothing_behind(shapes: Path, at: Path, monkeypatch) -> None:
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("regraft.models.artefact.write.write_state", full)
    with pytest.raises(InputError, match="disk is full"):
        fit(str(shapes), out="r", controls="none")
    assert not Path("r").exists() and not Path("r.partial").exists()


def test_unreadable_pictures_are_listed_and_the_run_finishes(own_shapes: Path, at: Path) -> None:
    (own_shapes / "disc" / "000.png").write_bytes(b"")
    (own_shapes / "square" / "001.png").write_text("a text file")
    whole = (own_shapes / "square" / "002.png").read_bytes()
    (own_shapes / "square" / "002.png").write_bytes(whole[: len(whole) // 2])
    result = regraft.fit(str(own_shapes), controls="majority,raw")
    bad = {p["item"]: p["message"] for p in result.problems if p["kind"] == "unreadable"}
    assert set(bad) == {"disc/000.png", "square/001.png", "square/002.png"}
    assert result.items == {"train": 13, "val": 13}
    assert "square/002.png" in Path(result.run, "report.html").read_text()


def test_a_class_with_one_picture_is_listed(own_shapes: Path, at: Path) -> None:
    write_shapes(own_shapes, 1, classes=("lonely",))
    result = fit(str(own_shapes), controls="none")
    assert ("tiny-class", "lonely") in [(p["kind"], p["item"]) for p in result.problems]
    assert result.classes == ("disc", "lonely", "square")


def test_what_cannot_be_fitted(own_shapes: Path, at: Path) -> None:
    write_shapes(at / "one", 3, classes=("disc",))
    with pytest.raises(DataError, match="one class"):
        fit("one")
    with pytest.raises(UnknownName, match="did you mean 'regraft_tiny'"):
        fit(str(own_shapes), backbone="regraft_tinny")
    with pytest.raises(UnknownName, match="did you mean 'linear-probe'"):
        fit(str(own_shapes), method="linear-prob")
    with pytest.raises(UnknownName, match="control"):
        fit(str(own_shapes), controls="nothing")
    with pytest.raises(InputError, match="not on this machine"):
        fit(str(own_shapes), device="tpu")
    for picture in own_shapes.rglob("*.png"):
        picture.write_text("no picture")
    with pytest.raises(DataError, match="None of the items of photos can be read"):
        fit(str(own_shapes))
    assert not Path("runs").exists() or not list(Path("runs").iterdir()), "a refused run leaves nothing"


def test_next_out_names() -> None:
    assert runfolder.next_out("a/b/photos/", "m").name == "photos-m-1"
    assert runfolder.next_out("embedded:digits", "m").name == "digits-m-1"
    assert runfolder.next_out("x/usps.npz#train", "m").name == "train-m-1"
    assert runfolder.next_out("外卖评论.csv", "m").name == "外卖评论-m-1"
