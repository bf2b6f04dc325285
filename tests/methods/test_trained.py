"""Trained methods: what their plans say, and that each trains, is judged beside the probe, and can be used after."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import regraft
from regraft.core.errors import InputError, UnknownName
from regraft.methods import METHODS
from regraft.methods.base import Options, gentle
from regraft.methods.finetuning.l2_sp import StartingPoint
from regraft.models.heads import LinearHead
from tests.conftest import killed_at, with_slow, write_shapes

TRAINED = [name for name in METHODS if hasattr(METHODS.get(name), "plan")]
ON_PICTURES = [name for name in TRAINED if name != "lora"]  # the small networks have no linear layers to update


def plan(name: str, blocks: int = 9, **more):
    return METHODS.get(name).plan(blocks, Options(**({"epochs": 6} | more)))


@pytest.mark.parametrize("name", TRAINED)
def test_plans(name: str) -> None:
    made = plan(name)
    assert METHODS.get(name).SUMMARY and made.phases
    assert all(0 <= p.frozen <= 9 and p.epochs > 0 and p.rate > 0 for p in made.phases)
    assert plan(name, rate=0.123).phases[0].rate == 0.123


def test_what_learns() -> None:
    assert [p.frozen for p in plan("gradual").phases] == [6, 3, 0] and sum(
        p.epochs for p in plan("gradual").phases
    ) == 6
    assert plan("last-k", last=2).phases[0].frozen == 7 and plan("last-k", last=99).phases[0].frozen == 0
    assert plan("mlp-probe").phases[0].frozen == 9
    assert plan("lp-ft").head == "probe" and plan("finetune").head == "zero" and not plan("scratch").pretrained
    assert gentle(9) ** 9 == pytest.approx(0.1), "the first block learns at a tenth of the head's rate"


def test_l2_sp_against_the_recorded_penalty(shared: Path) -> None:
    recorded = json.loads((shared / "reference/training.json").read_text())["l2_sp"]
    body, head = nn.ParameterDict(), nn.Linear(2, 2, bias=False)
    for key, value in recorded["start"].items():
        body[key] = nn.Parameter(torch.tensor(value, dtype=torch.float64))
    learner = nn.Module()
    learner.body, learner.head = body, head.double()
    penalty = StartingPoint(recorded["alpha"], recorded["beta"])
    with torch.no_grad():
        head.weight.copy_(torch.tensor(recorded["head"]["w"], dtype=torch.float64))
    penalty(learner)
    with torch.no_grad():
        for key, value in recorded["now"].items():
            body[key].copy_(torch.tensor(value, dtype=torch.float64))
    loss = penalty(learner)
    loss.backward()
    assert loss.item() == pytest.approx(recorded["penalty"], rel=1e-9)
    assert np.allclose(body["a"].grad, recorded["grad_shared_a"], rtol=1e-9)
    assert np.allclose(head.weight.grad, recorded["grad_head_w"], rtol=1e-9)


def test_cooling_a_head_divides_its_logits() -> None:
    torch.manual_seed(0)
    head, x = LinearHead(5, 3), torch.randn(4, 5)
    before = head(x).detach()
    head.apply_temperature(2.5)
    assert torch.allclose(head(x), before / 2.5, atol=1e-6)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("s") / "shapes", 70)


@pytest.mark.parametrize("name", with_slow(ON_PICTURES, ("gradual", "l2-sp", "scratch")))
def test_from_pictures_to_a_usable_model(name: str, pictures: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "r")
    result = regraft.fit(str(pictures), method=name, epochs=3, out=out, controls="majority", batch=16)
    assert result.method == name and "linear-probe" in result.metrics["controls"]
    assert result.metrics["val"]["accuracy"] > 0.7 or name == "scratch"
    assert len(result.choice["history"]) == sum(p["epochs"] for p in result.choice["phases"])
    assert not (Path(out) / "model/backbone.safetensors").exists(), "a changed network lies in model.safetensors"
    whole = regraft.load(out).predict_proba(str(pictures))
    rows = {r["input"]: r for r in regraft.predict(out, [str(pictures)]).predictions}
    assert [list(r["probabilities"].values()) for r in rows.values()] == whole.tolist()
    import csv

    for row in csv.DictReader(open(Path(out) / "predictions.csv")):
        found = rows[str(pictures / row["input"])]["probabilities"]["disc"]
        assert found == pytest.approx(float(row["p:disc"]), abs=1e-6), "the saved model is the judged one"
    assert regraft.verify(out)["ok"]


def test_a_killed_training_is_resumed_to_the_bit(pictures: Path, tmp_path: Path) -> None:
    options = {"method": "lp-ft", "epochs": 2, "controls": "none", "batch": 16}
    regraft.fit(str(pictures), out=str(tmp_path / "w"), **options)
    with killed_at(5):
        regraft.fit(str(pictures), out=str(tmp_path / "r"), **options)
    regraft.fit(str(pictures), out=str(tmp_path / "r"), resume=True, **options)
    assert (tmp_path / "r/model/model.safetensors").read_bytes() == (
        tmp_path / "w/model/model.safetensors"
    ).read_bytes()
    with pytest.raises(ValueError, match="other settings"):
        regraft.fit(str(pictures), out=str(tmp_path / "r"), resume=True, **{**options, "epochs": 3})


@pytest.mark.slow
def test_frozen_blocks_are_computed_once(pictures: Path, tmp_path: Path, fresh_cache: Path, monkeypatch) -> None:
    options = {"method": "last-k", "blocks": 2, "epochs": 2, "controls": "none"}
    first = regraft.fit(str(pictures), out=str(tmp_path / "a"), **options)
    from regraft.features.engines.torch import TorchEngine

    calls, run = [], TorchEngine.run
    monkeypatch.setattr(TorchEngine, "run", lambda self, data: calls.append(self.body) or run(self, data))
    again = regraft.fit(str(pictures), out=str(tmp_path / "b"), **options)
    assert again.metrics == first.metrics
    assert len({id(b) for b in calls}) == 1, "only the trained network runs, to be judged"


def test_what_a_trained_method_refuses(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--epochs is for methods that train"):
        regraft.fit(str(pictures), epochs=3)
    with pytest.raises(InputError, match="--batch is 0"):
        regraft.fit(str(pictures), method="lp-ft", batch=0)
    with pytest.raises(UnknownName, match="did you mean 'cutmix'"):
        regraft.fit(str(pictures), method="lp-ft", mix="cutmixx")
    with pytest.raises(UnknownName, match="did you mean 'strong'"):
        regraft.fit(str(pictures), method="lp-ft", augment="stron")
    with pytest.raises(InputError, match="joins pictures, and mlp-probe learns from stored"):
        regraft.fit(str(pictures), method="mlp-probe", mix="cutmix", out=str(tmp_path / "c"))
    with pytest.raises(InputError, match="the backbone is raw"):
        regraft.fit(str(pictures), method="lp-ft", backbone="raw", out=str(tmp_path / "r"))
