"""A pretrained network that stays as it is beside a small one that learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import regraft
from regraft.backbones import catalog
from regraft.backbones.side_network import KEPT, beside
from regraft.core.errors import InputError
from tests.conftest import with_slow


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


@pytest.mark.parametrize("method", with_slow(("lp-ft", "last-k", "finetune"), ("last-k", "finetune")))
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
    drawn = beside(catalog.load("regraft_tiny")).body.state_dict()
    small = {k: v for k, v in state.items() if k.startswith("chain.small")}
    assert all(not torch.equal(v, drawn[k]) for k, v in small.items()), "the small one has learned"
    other = regraft.load("again").model.network.body.state_dict()
    assert small and all(torch.equal(v, other[k]) for k, v in small.items())


@pytest.mark.slow
def test_it_goes_on_from_a_run_and_adapts(stripes: str, fresh_cache) -> None:
    """--init takes the whole of it, a target too; the kept part stays as it is, and what it has seen is known."""
    told = {"epochs": 1, "batch": 8, "augment": "none", "controls": "none"}
    regraft.fit(stripes, backbone="regraft_tiny+small", method="finetune", out="r", **told)
    again = regraft.fit(stripes, init="r", method="lp-ft", out="again", **told)
    assert again.backbone == "regraft_tiny+small"
    with pytest.raises(InputError, match="the weights of one do not fit the other"):
        regraft.fit(stripes, init="r", backbone="random:mobilenet_v2+small", method="lp-ft", out="o", **told)
    regraft.fit(stripes, target=stripes, init="r", method="dann", out="d", **told)
    before, after = (regraft.load(r).model.network for r in ("r", "d"))
    mine, theirs = before.body.state_dict(), after.body.state_dict()
    changed = {k for k in mine if not torch.equal(mine[k], theirs[k])}
    assert changed and all(k.startswith("chain.small") for k in changed)
    assert np.array_equal(before.seen, catalog.load("regraft_tiny").seen)
    with pytest.raises(InputError, match="no batch normalisation"):
        regraft.fit(stripes, target=stripes, backbone="regraft_tiny+small", method="adabn", out="a", controls="none")
    with pytest.raises(InputError, match="batch normalisation"):
        regraft.predict("r", [stripes], adapt="tent")


def test_softly_shared_it_is_kept_too(stripes: str, fresh_cache) -> None:
    rows = [f"{p},{p.parent.name},{i % 2}" for i, p in enumerate(sorted(Path("s").rglob("*.png")))]
    Path("t.csv").write_text("file,kind,odd\n" + "\n".join(rows))
    regraft.fit("t.csv", label="kind,odd", share="parameters", soft=0.1, backbone="regraft_tiny+small", epochs=1,
                batch=8, augment="none", controls="none", out="soft")  # fmt: skip
    bodies = [regraft.load(f"soft#{task}").model.network.body.state_dict() for task in ("kind", "odd")]
    differ = {k for k in bodies[0] if not torch.equal(bodies[0][k], bodies[1][k])}
    assert differ and all(k.startswith("chain.small") for k in differ)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "scratch"}, "from scratch there would be none"), ({"method": "linear-probe"}, "trains no network"),
     ({"backbone": "regraft_tiny+raw+small"}, "stands beside one network"),
     ({"backbone": "small+small"}, "stands beside one network"), ({"backbone": "raw+small"}, "takes coloured pictures"),
     ({"method": "mlp-probe"}, "leaves the small part"), ({"method": "last-k", "blocks": 1}, "leaves the small part")],
)  # fmt: skip
def test_what_it_is_not_for(options, message, stripes: str, fresh_cache) -> None:
    told = {"backbone": "regraft_tiny+small", "method": "lp-ft", "controls": "none", "out": "x"} | options
    with pytest.raises(InputError, match=message):
        regraft.fit(stripes, **told)


def test_where_nothing_is_trained_it_is_refused(stripes: str) -> None:
    with pytest.raises(InputError, match="drawn at random"):
        regraft.Classifier("regraft_tiny+small").fit([str(p) for p in Path("s").rglob("*.png")], ["a", "b"] * 30)
