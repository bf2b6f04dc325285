"""What fit offers around training: starting from another run, choosing by itself, several labels, sizes, rates."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.backbones import catalog
from regraft.core.errors import InputError, UnknownName
from regraft.models import artefact
from regraft.reports.content import warnings
from tests.commands.test_multilabel import two_marks
from tests.conftest import killed_at, write_shapes

QUICK = {"method": "finetune", "epochs": 2, "batch": 16, "controls": "none"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("s") / "shapes", 70)


@pytest.fixture(scope="module")
def first(pictures: Path, tmp_path_factory) -> str:
    return regraft.fit(str(pictures), out=str(tmp_path_factory.mktemp("r") / "first"), **QUICK).run


def body_of(run: str) -> torch.Tensor:
    return next(iter(artefact.load(run)[0].network.body.parameters()))


def test_init_starts_from_the_other_runs_body_and_head(first: str, pictures: Path, tmp_path: Path) -> None:
    """The classes come in another order, one is new and one is gone: rows follow the names."""
    other = write_shapes(tmp_path / "other", 20, seed=5, classes=("a-new-one", "square"))
    result = regraft.fit(str(other), init=first, out=str(tmp_path / "second"), lr=1e-9, ema=0.0, **QUICK)
    assert result.backbone == "regraft_tiny"
    assert torch.allclose(body_of(result.run), body_of(first), atol=1e-5), "the body was taken"
    assert not torch.allclose(body_of(first), next(iter(catalog.load("regraft_tiny").body.parameters())), atol=1e-4)
    said = [p["message"] for p in result.problems if p["kind"] == "init"]
    assert said == ["head rows kept: square; new: a-new-one; dropped: disc"]
    old, new = (artefact.load(run)[0] for run in (first, result.run))
    assert new.target.classes == ("a-new-one", "square") and old.target.classes == ("disc", "square")
    a, b = old.head.linear.weight[1], new.head.linear.weight[1]
    assert torch.cosine_similarity(a, b, dim=0) > 0.99, "square's row is square's row"
    assert not new.head.linear.weight[0].abs().max() > 1e-3 * b.abs().max(), "the new class started from zero"


def test_init_with_a_probe_and_with_all_classes_the_same(first: str, pictures: Path, tmp_path: Path) -> None:
    result = regraft.fit(str(pictures), init=first, out=str(tmp_path / "p"), controls="none")
    assert result.metrics["val"]["accuracy"] > 0.8
    assert json.loads((tmp_path / "p/model/manifest.json").read_text())["network"]["provenance"]["init"] == first


def test_init_that_does_not_fit(first: str, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds the network regraft_tiny, and --backbone asks for"):
        regraft.fit(str(pictures), init=first, backbone="random:squeezenet1_0", out=str(tmp_path / "a"), **QUICK)
    with pytest.raises(InputError, match="brings its own weights"):
        regraft.fit(str(pictures), init=first, weights="x.pth", out=str(tmp_path / "a"), **QUICK)
    with pytest.raises(ValueError, match="There is no model at nowhere"):
        regraft.fit(str(pictures), init="nowhere", out=str(tmp_path / "a"), **QUICK)
    assert not (tmp_path / "a").exists()


def test_auto_tries_both_and_takes_the_better(pictures: Path, tmp_path: Path) -> None:
    options = {"method": "auto", "controls": "none", "epochs": 2, "batch": 16}
    result = regraft.fit(str(pictures), out=str(tmp_path / "r"), budget="5m", **options)
    steps = result.choice["auto"]
    assert [s["method"] for s in steps] == ["linear-probe", "lp-ft"]
    trained = steps[1]["inner_log_loss"] < steps[0]["inner_log_loss"]
    manifest = json.loads((tmp_path / "r/model/manifest.json").read_text())
    assert ("adapted_by" in manifest["network"]["provenance"]) == trained
    assert (result.gain_over_probe is not None) == trained


def test_auto_without_time_or_items_is_the_probe(pictures: Path, tmp_path: Path, monkeypatch) -> None:
    result = regraft.fit(str(pictures), method="auto", budget="0.1s", controls="none", out=str(tmp_path / "r"))
    assert "too little" in result.choice["auto"][1]["skipped"] and result.choice["strength"]
    few = write_shapes(tmp_path / "few", 20)
    result = regraft.fit(str(few), method="auto", controls="none", out=str(tmp_path / "f"))
    assert "100 items at least" in result.choice["auto"][0]["skipped"]
    assert result.metrics["val"]["accuracy"] == 1.0
    for budget in ("10", "ten minutes", "0s"):
        with pytest.raises(InputError, match="such as 90s, 10m or 2h"):
            regraft.fit(str(pictures), method="auto", budget=budget)
    with pytest.raises(InputError, match="--budget is for --method auto"):
        regraft.fit(str(pictures), budget="5m")


def test_several_labels_are_trained_for_too(tmp_path: Path) -> None:
    table = two_marks(tmp_path / "p", 200)
    result = regraft.fit(str(table), out=str(tmp_path / "r"), **QUICK | {"epochs": 4})
    assert result.task == "multilabel" and result.metrics["val"]["map"] > 0.9
    assert result.gain_over_probe["metric"] == "map" and len(result.decision["thresholds"]) == 2
    row = regraft.predict(result.run, [str(table.parent / "000.png")]).predictions[0]
    assert set(row["probabilities"]) == {"blue", "red"}


def test_rare_classes_can_weigh_as_much(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "d", 60)
    for i in range(10, 60):
        (data / "disc" / f"{i:03d}.png").unlink()
    plain, fair = (
        regraft.fit(str(data), out=str(tmp_path / str(w)), class_weight=w, **QUICK | {"method": "mlp-probe"})
        for w in (None, "balanced")
    )
    assert plain.choice["loop"]["class_weight"] is None
    weights = fair.choice["loop"]["class_weight"]
    assert weights[0] > 3 > 1 > weights[1]


def test_a_range_test_sets_the_rate_and_is_remembered(pictures: Path, tmp_path: Path, monkeypatch) -> None:
    options = QUICK | {"lr": "auto", "out": str(tmp_path / "r")}
    with killed_at(3):
        regraft.fit(str(pictures), **options)
    kept = json.loads((tmp_path / "r.partial/checkpoints/rate.json").read_text())["rate"]
    monkeypatch.setattr("regraft.training.network.suggest", None)
    result = regraft.fit(str(pictures), resume=True, **options)
    assert 1e-6 < kept == result.choice["phases"][0]["rate"] < 0.1 and len(result.choice["range_test"]) > 10


def test_pictures_of_another_size(pictures: Path, tmp_path: Path) -> None:
    result = regraft.fit(str(pictures), size=40, out=str(tmp_path / "r"), controls="raw,random")
    model, manifest = artefact.load(result.run)
    assert manifest["network"]["spec"]["height"] == 40 and model.network.spec.width == 40
    assert set(result.metrics["controls"]) == {"raw", "random:regraft_tiny"}
    again = regraft.predict(result.run, [str(pictures / "disc")]).predictions
    assert len(again) == 70
    with pytest.raises(InputError, match="--size is 4; it must lie between 8 and 10000"):
        regraft.fit(str(pictures), size=4)
    with pytest.raises(InputError, match="takes the data as it is"):
        regraft.fit(str(pictures), size=32, backbone="raw", out=str(tmp_path / "x"))


def test_scratch_has_seen_nothing(pictures: Path, tmp_path: Path) -> None:
    result = regraft.fit(str(pictures), out=str(tmp_path / "s"), **QUICK | {"method": "scratch"})
    assert artefact.load(result.run)[1]["network"]["provenance"]["weights"] == "random"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": "fast"}, "--lr is 'fast'; wanted is a number such as 5e-4, or auto"),
        ({"lr": -1.0}, "--lr is -1.0; it must be above 0"),
        ({"accumulate": 99}, "more pieces than the batch"),
        ({"ema": 2.0}, "--ema is 2.0"),
        ({"smoothing": 0.9}, "--smoothing is 0.9"),
        ({"focal": -1.0}, "--focal is -1.0"),
        ({"focal": 2.0, "smoothing": 0.1}, "leave one out"),
        ({"patience": 0}, "--patience is 0; it must be 1 or more"),
        ({"processes": 0}, "--processes is 0"),
    ],
)
def test_settings_that_cannot_be_meant(options, message, pictures: Path) -> None:
    with pytest.raises(InputError, match=message):
        regraft.fit(str(pictures), **QUICK | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothing": 0.1}, "--smoothing: contrastive compares the items"),
        ({"focal": 2.0}, "--focal: contrastive compares the items"),
        ({"mix": "mixup"}, "--mix: contrastive compares the items"),
        ({"patience": 2}, "--patience needs items held out"),
        ({"processes": 2}, "compares the items of a batch; it takes one"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        regraft.fit(str(pictures), out=str(tmp_path / "r"), **QUICK | {"method": "contrastive"} | options)


def test_unknown_schedules_and_mixes_are_named(pictures: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'cosine'"):
        regraft.fit(str(pictures), schedule="cosin", **QUICK)
    with pytest.raises(UnknownName, match="did you mean 'mosaic'"):
        regraft.fit(str(pictures), mix="mosaik", **QUICK)


def test_training_options_reach_the_loop(pictures: Path, tmp_path: Path) -> None:
    asked = {"schedule": "one-cycle", "ema": 0.5, "smoothing": 0.1, "patience": 3, "accumulate": 2, "mix": "mosaic"}
    result = regraft.fit(str(pictures), out=str(tmp_path / "r"), **QUICK, **asked)
    assert {k: result.choice["loop"][k] for k in asked} == asked
    assert (tmp_path / "r/training.csv").read_text().startswith("phase,epoch,step,rate,loss,inner")
    assert not (tmp_path / "r/checkpoints").exists(), "which only an interrupted run needs"
    focal = regraft.fit(str(pictures), out=str(tmp_path / "f"), focal=2.0, **QUICK)
    assert (focal.choice["loop"]["focal"], focal.choice["loop"]["smoothing"]) == (2.0, 0.0)
    assert focal.choice["history"][0]["loss"] < 0.6 * result.choice["history"][0]["loss"]


def test_a_resume_with_changed_pictures_is_refused(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "d", 30)
    with killed_at(3):
        regraft.fit(str(data), out=str(tmp_path / "r"), **QUICK)
    from PIL import Image

    for picture in (data / "disc").iterdir():
        Image.fromarray(np.full((40, 40, 3), 99, np.uint8)).save(picture)
    with pytest.raises(InputError, match="data has changed"):
        regraft.fit(str(data), out=str(tmp_path / "r"), resume=True, **QUICK)
    assert (tmp_path / "r.partial/checkpoints").is_dir(), "the checkpoint is still there"


def test_negative_transfer_says_what_to_try() -> None:
    result = {"gain": {"against": "linear-probe", "ci95": [-0.2, -0.05], "value": -0.1}, "seen": None,
              "seen_in_training": None, "metrics": {"val": {}}}  # fmt: skip
    said = warnings(result)[0]
    assert "negative transfer" in said and "last-k" in said and "--lr auto" in said
    result["gain"]["ci95"] = [-0.2, 0.05]
    assert "nothing that the data can tell" in warnings(result)[0]
