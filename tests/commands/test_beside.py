"""A pretrained network that stays as it is beside a small one that learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import regraft
from regraft.backbones import catalog
from regraft.backbones.beside import KEPT
from regraft.errors import InputError


@pytest.fixture
def stripes(tmp_path: Path, monkeypatch) -> str:
    """Pictures whose class is a texture at any colour."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i in range(60):
        kind = ("along", "across")[i % 2]
        wave = np.where(np.arange(32) // 2 % 2, 60, 190)[:, None] + rng.integers(-20, 20, (32, 32))
        picture = np.stack([wave + rng.integers(-50, 50)] * 3, 2).clip(0, 255).astype(np.uint8)
        (tmp_path / "s" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture if kind == "along" else picture.transpose(1, 0, 2)).save(tmp_path / f"s/{kind}/{i}.png")
    return "s"


@pytest.mark.parametrize("method", ["lp-ft", "last-k", "finetune"])
def test_only_the_small_one_learns(stripes: str, method: str, fresh_cache) -> None:
    told = {"backbone": "regraft_tiny+small", "method": method, "epochs": 6, "batch": 8, "augment": "none"}
    found = regraft.fit(stripes, controls="none", out="r", **told)
    assert found.backbone == "regraft_tiny+small" and found.metrics["val"]["accuracy"] > 0.8
    after = regraft.load("r")
    kept = catalog.load("regraft_tiny")
    state = after.model.network.body.state_dict()
    for name, tensor in kept.body.state_dict().items():
        assert torch.equal(state[KEPT + name], tensor), name
    fresh = catalog.load("regraft_tiny").width
    assert after.model.network.width == fresh + 128
    again = regraft.fit(stripes, controls="none", out="again", **told)
    assert again.metrics == found.metrics
    small = {k: v for k, v in state.items() if k.startswith("chain.small")}
    other = regraft.load("again").model.network.body.state_dict()
    assert small and all(torch.equal(v, other[k]) for k, v in small.items())


def test_as_it_is_and_what_it_is_not_for(stripes: str, fresh_cache) -> None:
    probe = regraft.fit(stripes, backbone="regraft_tiny+small", controls="none", out="p")
    assert probe.method == "linear-probe"
    pictures = [str(p) for p in sorted(Path("s/along").glob("*.png"))[:3]]
    assert np.isfinite(regraft.load("p").predict_proba(pictures)).all()
    with pytest.raises(InputError, match="from scratch there would be none"):
        regraft.fit(stripes, backbone="regraft_tiny+small", method="scratch", out="s1")
    with pytest.raises(InputError, match="stands beside one network"):
        regraft.fit(stripes, backbone="regraft_tiny+raw+small", out="s2")
    with pytest.raises(InputError, match="takes coloured pictures"):
        regraft.fit(stripes, backbone="raw+small", out="s3")
