"""Rates against the recorded ones of torch, timm and transformers."""

import json

import pytest

from regraft.training.schedule import cosine, layer_scales, one_cycle


@pytest.fixture
def recorded(shared):
    return json.loads((shared / "reference/training.json").read_text())


def test_one_cycle(recorded) -> None:
    rates = recorded["schedules"]["one_cycle_cos_total20_max0.1_0.01_pct0.3_div25_final1e4"]["lr"]
    for i, (first, second) in enumerate(rates):
        assert 0.1 * one_cycle(i, 20) == pytest.approx(first, rel=1e-9)
        assert 0.01 * one_cycle(i, 20) == pytest.approx(second, rel=1e-9)


def test_cosine_with_warm_up(recorded) -> None:
    rates = recorded["schedules"]["transformers_cosine_warmup4_total20"]["lr"]
    for i, (rate, *_) in enumerate(rates):
        assert 0.1 * cosine(i, 20, warmup=0.2) == pytest.approx(rate, rel=1e-9, abs=1e-12)


def test_layer_wise_decay(recorded) -> None:
    """timm counts the embeddings as layer 0 of L + 1: with 4 blocks and embeddings, five of our blocks."""
    scales = recorded["layer_decay"]["lr_scale_by_parameter"]
    ours = layer_scales(5, 0.75)
    assert ours[0] == pytest.approx(scales["cls_token"])
    assert ours[1:] == pytest.approx([scales[f"blocks.{i}.mlp.fc1.weight"] for i in range(4)])


def test_by_hand() -> None:
    assert cosine(0, 10, warmup=0) == 1 and cosine(5, 10, warmup=0) == pytest.approx(0.5)
    assert layer_scales(3, 0.5) == [0.125, 0.25, 0.5]
