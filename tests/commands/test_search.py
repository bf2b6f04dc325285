"""``--backbone auto``: rounds, budget, record, repetition."""

import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import ArtefactError, InputError
from regraft.core.row_store import RowStore
from regraft.data.splits import make_split
from regraft.selection import halving as search


@pytest.fixture
def at(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def digits(at: Path) -> str:
    """400 of scikit-learn's digits, learned from and judged on."""
    from regraft.data.open import open_data

    data = open_data("embedded:digits").take(np.arange(400))
    np.savez("digits.npz", images=np.stack([data.items.load(i) for i in range(400)]), labels=data.y)
    return "digits.npz"


DIGITS = "auto:raw,regraft_tiny,random:regraft_tiny,regraft_tiny@0"


def test_the_best_is_found_and_the_way_is_recorded(digits: str) -> None:
    result = regraft.fit(digits, backbone=DIGITS, controls="none", out="r")
    found = result.choice["search"]
    assert result.backbone == found["chosen"] == "regraft_tiny"
    first = found["rounds"][0]
    assert set(first["candidates"]) == set(DIGITS.removeprefix("auto:").split(",")) and first["items"] < 300
    assert {"probe", "logme", "seconds"} <= set(first["candidates"]["raw"])
    assert len(found["rounds"]) == 1 or len(found["rounds"][1]["candidates"]) == 2
    record = json.loads(Path("r/run.json").read_text())
    assert record["settings"]["backbone"] == "regraft_tiny" and record["settings"]["budget"] is None
    again = regraft.fit(**{**record["settings"], "out": "s"})
    assert again.metrics == result.metrics and "search" not in again.choice
    assert Path("r/model/model.safetensors").read_bytes() == Path("s/model/model.safetensors").read_bytes()
    assert regraft.fit(digits, backbone=DIGITS, controls="none", out="r", resume=True).choice == result.choice


def test_an_interrupted_run_keeps_its_choice(shapes: Path, at: Path, monkeypatch) -> None:
    wanted = {"backbone": "auto:raw,regraft_tiny", "controls": "none", "out": "r", "budget": "60s", "refit": False}

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("regraft.pipelines.scenarios.single.artefact.save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            regraft.fit(str(shapes), **wanted)
    monkeypatch.setattr("regraft.selection.halving.choose", lambda *_, **__: pytest.fail("it searched again"))
    result = regraft.fit(str(shapes), **wanted, resume=True)
    assert result.choice["search"]["chosen"] == result.backbone
    with pytest.raises(ArtefactError, match="seed was 0 and is 1"):
        regraft.fit(str(shapes), **wanted, seed=1, resume=True)


def test_rounds_are_nested_and_drawn_by_class() -> None:
    data = make_split("embedded:digits").train
    order = search._nested(data, 0)
    assert sorted(order) == list(range(len(data)))
    counts = np.bincount(data.y[order[: len(data) // 8]])
    assert counts.min() >= 10 and counts.max() <= 25


def test_what_there_is_no_time_for_is_left_out(digits: str, at: Path) -> None:
    split = make_split(digits)
    name, found = search.choose(
        split, "auto:raw,regraft_tiny", seed=0, left=0.0, store=RowStore(at / "rows"), device="cpu"
    )
    assert name == "raw" and "are left of the budget" in found["left_out"][0]["why"]


def test_candidates_that_fail_do_not_stop_it(shapes: Path, at: Path, monkeypatch) -> None:
    def no_net(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_net)
    result = regraft.fit(str(shapes), backbone="auto:resnet18,regraft_tiny", controls="none")
    assert result.backbone == "regraft_tiny" and result.choice["search"]["left_out"][0]["backbone"] == "resnet18"
    with pytest.raises(InputError, match="no network that can be used: resnet18"):
        regraft.fit(str(shapes), backbone="auto:resnet18", controls="none")


def test_where_auto_means_nothing(shapes: Path, at: Path) -> None:
    with pytest.raises(InputError, match="leave out --weights"):
        regraft.fit(str(shapes), backbone="auto", weights="w.safetensors")
    with pytest.raises(InputError, match="--budget is for --method auto"):
        regraft.fit(str(shapes), budget="5s")
    with pytest.raises(InputError, match="no pretrained networks"):
        np.savez("d.npz", x=np.eye(6))
        from regraft.selection.candidates import names

        names("table", None)
