"""One model from several labelled domains: whose classes are one, statistics of each, figures beside each alone."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import regraft
from regraft.backbones import catalog
from regraft.cli import app
from regraft.core.errors import InputError
from regraft.methods.multi_domain import DomainNorm, divided, heads, turn_to, undivided
from regraft.training.feeds.features import RowBatches
from regraft.training.feeds.many_domains import ManyDomains
from tests.commands.test_target import darker, digits

QUICK = {"method": "joint", "backbone": "random:lenet", "batch": 32, "augment": "none"}


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("d")
    return (str(digits(folder / "plain.npz", 150, 0)), str(digits(folder / "dark.npz", 150, 1, change=darker)))


def test_whose_classes_are_one() -> None:
    assert heads([["a", "b"], ["c"], ["b", "d"]]) == [["a", "b", "d"], ["c"], ["a", "b", "d"]]
    assert heads([["a"], ["b"], ["a", "b"]]) == [["a", "b"]] * 3


def test_statistics_of_each_domain() -> None:
    plain = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    body = divided(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), 2).train()
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    for domain, shift in ((0, 0.0), (1, 9.0)):
        turn_to(body, domain)
        for _ in range(60):
            body(x + shift)
    assert isinstance(body[1], DomainNorm)
    body.eval()
    for domain in (0, 1):
        turn_to(body, domain)
        alone = undivided(body, plain, domain).eval()
        assert type(alone[1]) is nn.BatchNorm1d and torch.allclose(alone(x), body(x))
        assert body(x + 9.0 * domain).mean(0).abs().max() < 0.05
    mixed = undivided(body, plain, None)[1]
    assert torch.allclose(mixed.running_mean, body[1].mean.mean(0))
    assert (mixed.running_var >= body[1].var.mean(0)).all()


def test_turns_by_temperature_and_the_same_after_a_stop() -> None:
    rows = lambda n: RowBatches([np.arange(n, dtype=np.float32)[:, None]], 0)
    by_size, alike = (ManyDomains([rows(900), rows(100)], 0, t) for t in (1.0, 100.0))
    shares = [np.mean(np.concatenate([m.turns(e, 10) for e in range(20)])) for m in (by_size, alike)]
    assert shares[0] == pytest.approx(0.1, abs=0.03) and shares[1] == pytest.approx(0.5, abs=0.05)
    steps = list(alike.epoch(1, 10, 0))
    assert len(steps) == 100 and all((x.x[:, 0].numpy() + 900 * x.domain == p).all() for x, p in steps)
    for (x, p), (y, q) in zip(steps[37:], alike.epoch(1, 10, 37), strict=True):
        assert x.domain == y.domain and (p == q).all()


def test_from_two_domains_to_one_model(two, tmp_path: Path) -> None:
    out = tmp_path / "r"
    result = regraft.fit(list(two), out=str(out), epochs=6, **QUICK)
    assert set(result.metrics["domains"]) == {"plain", "dark"} and result.items == {"train": 240, "val": 60}
    for name, path in zip(("plain", "dark"), two, strict=True):
        figures = result.metrics["domains"][name]
        assert figures["joint"]["accuracy"] > 0.8 and "accuracy" in figures["alone"]
        won = figures["joint"]["accuracy"] - figures["alone"]["accuracy"]
        assert figures["gain"]["value"] == pytest.approx(won)
        assert regraft.evaluate(str(out / "domains" / name), path).metrics["accuracy"] > 0.8
    assert regraft.load(out).predict(two[0]).shape == (150,)
    assert (out / "report.html").is_file()


def test_domains_abstain_and_flag_what_is_unlike_them(tmp_path: Path) -> None:
    """What one data set can be asked for, each of several domains can: both were refused for joint before."""
    data = [str(digits(tmp_path / "plain.npz", 480, 0)), str(digits(tmp_path / "dark.npz", 480, 1, change=darker))]
    options = {**QUICK, "epochs": 6, "controls": "none", "accuracy": 0.8}
    result = regraft.fit(data, out=str(tmp_path / "r"), **options)
    for name in ("plain", "dark"):
        figures = result.metrics["domains"][name]
        asked = figures["abstaining"]
        assert asked["accuracy"] > 0.8 and 0 <= asked["left"] < 1 and figures["unlike"]["items"] == 96
        loaded = regraft.load(tmp_path / "r" / "domains" / name)
        assert loaded.model.decision["abstain_below"] == asked["abstain_below"]
        noise = np.random.default_rng(0).integers(0, 255, (20, 8, 8)).astype(np.uint8)
        items = loaded.items(noise)
        answers = [row for _, row in loaded.describe(items, loaded.answer(items))]
        assert all("abstain" in a for a in answers) and sum(a["unlike"] for a in answers) > 10
    none = regraft.fit(data, out=str(tmp_path / "n"), **{**options, "epochs": 1, "outliers": False})
    assert "unlike" not in none.metrics["domains"]["plain"]
    assert regraft.load(tmp_path / "n" / "domains" / "plain").model.familiar is None


def test_two_heads_where_no_name_agrees(two, tmp_path: Path) -> None:
    words = str(digits(tmp_path / "words.npz", 90, 2, names=["nought", "one", "two"]))
    result = regraft.fit([two[0], words], out=str(tmp_path / "r"), epochs=1, controls="none", **QUICK)
    assert result.choice["heads"] == {"plain": ["0", "1", "2"], "words": ["nought", "one", "two"]}
    assert list(regraft.load(tmp_path / "r/domains/words").classes_) == ["nought", "one", "two"]
    assert len(result.classes) == 6 and "alone" not in result.metrics["domains"]["plain"]


def test_what_joint_refuses(two, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several DATA at once"):
        regraft.fit(two[0], **QUICK)
    with pytest.raises(InputError, match="domains of one task, --method joint"):
        regraft.fit(list(two))
    with pytest.raises(InputError, match="takes one kind"):
        regraft.fit([two[0], "embedded:reviews"], **QUICK)
    with pytest.raises(InputError, match="the backbone is raw"):
        regraft.fit(list(two), **{**QUICK, "backbone": "raw"})
    for name, value in (("lr", "auto"), ("batch_norm", "keep"), ("mix", "mixup")):
        with pytest.raises(InputError, match="joint has no use for it"):
            regraft.fit(list(two), **QUICK, **{name: value})
    done = CliRunner().invoke(app, ["fit", *two, "--method", "lp-ft"])
    assert done.exit_code != 0 and "--method joint learns from all" in str(done.exception)


def test_what_no_domain_judges_and_what_one_does(two, tmp_path: Path) -> None:
    """Evidence is that of all judged items, and the first domain need not have any."""
    arrays = dict(np.load(two[0]))
    first = np.array([int(np.flatnonzero(arrays["labels"] == c)[0]) for c in range(3)])
    few = tmp_path / "few.npz"
    np.savez(few, images=arrays["images"][first], labels=arrays["labels"][first])
    out = tmp_path / "r"
    result = regraft.fit([str(few), two[1]], out=str(out), epochs=1, controls="none", **QUICK)
    assert result.metrics["domains"]["few"] == {"items": 0, "joint": None} and result.items["val"] == 30
    rows = list(csv.DictReader(open(out / "predictions.csv")))
    assert len(rows) == 30 and all(r["input"].startswith("dark: ") for r in rows)
    assert np.mean([r["label"] == r["predicted"] for r in rows]) == result.metrics["val"]["accuracy"]
    both = regraft.fit(list(two), out=str(tmp_path / "b"), epochs=1, controls="none", **QUICK)
    rows = list(csv.DictReader(open(tmp_path / "b" / "predictions.csv")))
    assert [r["input"].split(":")[0] for r in rows] == ["plain"] * 30 + ["dark"] * 30
    assert len({r["input"] for r in rows}) == 60
    assert np.mean([r["label"] == r["predicted"] for r in rows]) == both.metrics["val"]["accuracy"]
    shown = json.loads((tmp_path / "b" / "mistakes" / "mistakes.json").read_text())
    assert {m["input"] for m in shown} <= {r["input"] for r in rows if r["label"] != r["predicted"]}


def test_a_network_is_not_taken_in_silence(two, tmp_path: Path) -> None:
    network = catalog.load("random:lenet")
    with pytest.raises(InputError, match="network= is for one data set"):
        regraft.fit(list(two), network=network, **QUICK)


def test_joint_is_calibrated_weighs_classes_and_judges_on_what_was_named(two, tmp_path: Path) -> None:
    result = regraft.fit(list(two), out=str(tmp_path / "r"), epochs=2, controls="none", **QUICK)
    temperatures = result.choice["temperatures"]
    assert set(temperatures) == {"plain", "dark"} and all(t > 0 and t != 1 for t in temperatures.values())
    heads = [regraft.load(tmp_path / "r/domains" / name).model.head for name in temperatures]
    shared = heads[0].linear.weight * temperatures["plain"]
    assert torch.allclose(shared, heads[1].linear.weight * temperatures["dark"], atol=1e-6), (
        "one head, two temperatures"
    )
    weighed = regraft.fit(
        list(two), out=str(tmp_path / "w"), epochs=2, controls="none", class_weight="balanced", **QUICK
    )
    assert weighed.choice["loop"]["class_weight"] is not None
    own = regraft.load(tmp_path / "w/domains/plain").model.head.linear.weight
    assert not torch.allclose(own, heads[0].linear.weight, atol=1e-3)
    judged = [str(digits(tmp_path / "v1.npz", 40, 5)), str(digits(tmp_path / "v2.npz", 30, 6, change=darker))]
    named = regraft.fit(list(two), val=",".join(judged), out=str(tmp_path / "v"), epochs=1, controls="none", **QUICK)
    assert named.items == {"train": 300, "val": 70} and "named" in named.split
    assert named.metrics["domains"]["dark"]["items"] == 30
    with pytest.raises(InputError, match="one for each, with commas"):
        regraft.fit(list(two), val=judged[0], **QUICK)
