"""Transformers whose weights follow are made without drawing any; what no file holds is there all the same."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from regraft.backbones import catalog
from regraft.backbones.base import word_vectors
from regraft.backbones.shapes import weights_without_storage
from regraft.backbones.text import transformer

pytest.importorskip("transformers", reason="transformers is in the extra text")
from tests.backbones.tiny_text import VOCABULARY, config_for, write_model

KINDS = ["bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet", "albert", "modernbert",
         "deberta-v2"]  # fmt: skip
MORE = {"electra": {"embedding_size": 16}, "albert": {"embedding_size": 16},
        "distilbert": {"sinusoidal_pos_embds": True},
        "roberta": {"pad_token_id": 1}, "xlm-roberta": {"pad_token_id": 1}, "camembert": {"pad_token_id": 1},
        }  # fmt: skip


def recipe_of(kind: str) -> dict:
    return transformer.recipe_of(config_for(kind, **MORE.get(kind, {})), "mean", "here")


@pytest.mark.parametrize("kind", KINDS)
def test_filled_it_gives_what_a_drawn_one_gives(kind: str, tmp_path: Path, monkeypatch) -> None:
    folder = write_model(tmp_path / kind, kind, **MORE.get(kind, {}))
    recipe = recipe_of(kind)
    drawn = transformer.build(recipe, initialise=True)
    state = transformer.weights_for(drawn, load_file(folder / "model.safetensors"))
    drawn.load_state_dict(state)
    monkeypatch.setattr(torch.Tensor, "normal_", None)  # any draw would fail
    monkeypatch.setattr(torch.Tensor, "uniform_", None)
    before = torch.get_rng_state()
    plain = transformer.build(recipe)
    assert all(p.is_meta for p in plain.parameters()) and torch.equal(torch.get_rng_state(), before)
    network = catalog.load(str(folder))
    body = transformer.body_of(drawn, recipe).eval()
    assert not any(t.is_meta for t in (*network.body.parameters(), *network.body.buffers()))
    for (name, own), theirs in zip(network.body.named_buffers(), body.buffers(), strict=True):
        assert torch.equal(own, theirs), name
    x = torch.stack([torch.randint(2, len(VOCABULARY), (3, 24)), torch.ones(3, 24, dtype=torch.int64)], 1)
    x[1, 1, 15:], x[1, 0, 15:] = 0, recipe["config"].get("pad_token_id", 0)
    with torch.inference_mode():
        assert torch.equal(network.body.features(x), body.features(x))
    again = catalog.rebuild("again", network.recipe, network.spec, network.body.state_dict(), network.files)
    assert again.digest() == network.digest()
    with torch.inference_mode():
        assert torch.equal(again.body.features(x), body.features(x))


@pytest.mark.parametrize("kind", KINDS)
def test_the_word_vectors_of_every_kind(kind: str) -> None:
    recipe = recipe_of(kind)
    (table,) = word_vectors(transformer.body_of(transformer.build(recipe), recipe))
    assert table.shape == (len(VOCABULARY), 16 if "embedding_size" in MORE.get(kind, {}) else 32)


def test_a_random_network_is_the_draw_it_was(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    folder = write_model(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    torch.manual_seed(0)
    wanted = AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config))
    network = catalog.load(f"random:{folder}")
    theirs = transformer.body_of(wanted, network.recipe).state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in network.body.state_dict().items())


def test_what_is_made_of_something_without_storage_is_drawn(monkeypatch) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)
            self.register_buffer("odd", torch.empty(4).fill_(2.0), persistent=False)

    monkeypatch.setattr(transformer, "_maker", lambda *_: Odd)
    made = transformer.build(recipe_of("bert"))
    assert made.odd.tolist() == [2.0] * 4 and not made.linear.weight.is_meta


def test_what_has_storage_all_the_same_is_no_rubbish() -> None:
    """``trunc_normal_`` draws until all lies between its bounds: where nothing is drawn, memory decided when."""
    with weights_without_storage(), torch.no_grad():
        found = [torch.full((4,), 5.0).normal_(), torch.full((4,), 5.0).normal_(1.0, 0.1),
                 nn.init.kaiming_uniform_(torch.full((4, 4), 5.0), a=2.0)]  # fmt: skip
        assert torch.empty(3).is_meta
    assert [float(one.mean()) for one in found] == [0.0, 1.0, 0.0]
    with weights_without_storage():
        assert not nn.init.trunc_normal_(torch.full((4,), 5.0)).any()
