"""Batch normalisation: the statistics of the pretraining are kept, or learned anew."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import regraft
from regraft.backbones import catalog
from regraft.core.errors import UnknownName
from regraft.training.loop import Learner


def statistics(network: nn.Module) -> list[torch.Tensor]:
    return [m.running_mean.clone() for m in network.modules() if isinstance(m, nn.BatchNorm2d)]


def test_a_body_that_keeps_statistics_learns_scale_and_shift() -> None:
    body = catalog.load("random:regraft_tiny").body.freeze(0).keep_statistics()
    learner, before = Learner(body, nn.Linear(320, 2)).train(), statistics(body)
    learner(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, statistics(body), strict=True))
    norms = [m for m in body.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(m.weight.grad is not None for m in norms)
    learner.body.keep_statistics(False).train()
    learner(torch.randn(4, 3, 32, 32))
    assert not torch.equal(before[0], statistics(body)[0])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("norm"), np.random.default_rng(0)
    for i in range(24):
        folder = root / ("bright" if i % 2 else "dark")
        folder.mkdir(exist_ok=True)
        picture = rng.integers(0, 120, (32, 32, 3)) + (100 if i % 2 else 0)
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{i}.png")
    return root


def trained(pictures: Path, out: Path, method: str, **more: str) -> tuple[str, list[torch.Tensor]]:
    result = regraft.fit(str(pictures), method=method, backbone="regraft_tiny", epochs=1, controls="none",
                         out=str(out), **more)  # fmt: skip
    with open(out / "training.csv", newline="") as f:
        assert len(list(csv.DictReader(f))) == 1
    return result.choice["loop"]["batch_norm"], statistics(regraft.load(str(out)).model.network.body)


def test_pretrained_statistics_stay_unless_told_otherwise(pictures: Path, tmp_path: Path) -> None:
    before = statistics(catalog.load("regraft_tiny").body)
    said, kept = trained(pictures, tmp_path / "a", "finetune")
    assert said == "keep" and all(torch.equal(a, b) for a, b in zip(before, kept, strict=True))
    said, learned = trained(pictures, tmp_path / "b", "finetune", batch_norm="learn")
    assert said == "learn" and not torch.equal(before[0], learned[0])
    said, _ = trained(pictures, tmp_path / "c", "scratch")
    assert said == "learn", "there is nothing to keep"
    with pytest.raises(UnknownName, match="keep"):
        trained(pictures, tmp_path / "d", "finetune", batch_norm="frozen")


def test_statistics_of_a_run_that_goes_on_are_those_it_has_learned(pictures: Path, tmp_path: Path) -> None:
    trained(pictures, tmp_path / "first", "scratch")
    result = regraft.fit(str(pictures), method="finetune", init=str(tmp_path / "first"), epochs=1, controls="none",
                         out=str(tmp_path / "second"))  # fmt: skip
    assert result.choice["loop"]["batch_norm"] == "keep"
