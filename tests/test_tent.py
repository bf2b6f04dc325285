"""A model that adapts while it answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.errors import InputError, UnknownName
from regraft.tent import adapting
from tests.commands.test_target import darker, digits

OPTIONS = {"backbone": "random:lenet", "method": "scratch", "controls": "none", "batch": 32, "epochs": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("d")
    source = str(digits(folder / "source.npz", 300, 0))
    target = str(digits(folder / "target.npz", 200, 1, change=darker))
    return regraft.fit(source, out=str(folder / "run"), **OPTIONS).run, target


def test_it_adapts_and_leaves_the_model_as_it_is(run: tuple[str, str]) -> None:
    model, target = run
    one = adapting(model, "tent")
    before = {k: v.clone() for k, v in one.model.network.body.state_dict().items()}
    items = regraft.load(model).items(target)
    first, again = one.answer(items), one.answer(items)
    assert np.array_equal(first.probabilities, again.probabilities)
    assert all((v == before[k]).all() for k, v in one.model.network.body.state_dict().items())
    plain = regraft.load(model).answer(items)
    entropy = [-(p * np.log(p + 1e-12)).sum(1).mean() for p in (plain.probabilities, first.probabilities)]
    assert entropy[1] < entropy[0]
    accuracies = [regraft.evaluate(model, target, adapt=adapt).metrics["accuracy"] for adapt in (None, "tent")]
    assert accuracies[1] > accuracies[0]


def test_an_item_alone_is_answered_by_the_statistics_that_are_kept(run: tuple[str, str]) -> None:
    x = np.zeros((1, 28, 28), np.uint8)
    plain, one = regraft.load(run[0]), adapting(run[0], "tent")
    assert np.allclose(plain.predict_proba(x), one.predict_proba(x), atol=1e-6)


def test_by_the_command_line(run: tuple[str, str]) -> None:
    done = CliRunner().invoke(app, ["predict", *run, "--adapt", "tent", "--json"], catch_exceptions=False)
    assert done.exit_code == 0 and len(json.loads(done.stdout)["predictions"]) > 0


def test_what_cannot_be_meant(run: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no way to adapt"):
        adapting(run[0], "tant")
    with pytest.raises(InputError, match="--resume"):
        regraft.predict(run[0], [run[1]], adapt="tent", out=str(tmp_path / "o.csv"), resume=True)
    raw = regraft.fit("embedded:digits", backbone="raw", controls="none", out=str(tmp_path / "raw")).run
    with pytest.raises(InputError, match="batch normalisation"):
        adapting(raw, "tent")
