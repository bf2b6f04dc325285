"""Word vectors of a pretrained network stay as they are whatever trains it; ``--train-embeddings`` lets them learn."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.backbones import catalog
from regraft.backbones.base import word_vectors
from regraft.core.errors import InputError
from regraft.models import artefact
from tests.commands.test_text import table
from tests.conftest import killed_at, with_slow

pytest.importorskip("transformers", reason="transformers is in the extra text")
from tests.backbones.tiny_text import write_model

QUICK = {"epochs": 1, "lr": 1e-3, "controls": "none"}


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    return str(write_model(tmp_path_factory.mktemp("bert") / "tiny", vocab_size=400))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> str:
    return str(table(tmp_path_factory.mktemp("d") / "reviews.csv.gz", 40))


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> str:
    return str(table(tmp_path_factory.mktemp("d") / "others.csv.gz", 40, seed=1))


def moved(run: str | Path, network: str) -> tuple[bool, bool]:
    """Whether the word vectors have changed, and whether anything else has."""
    before, after = catalog.load(network).body, artefact.load(run)[0].network.body
    (old,), (new,) = word_vectors(before), word_vectors(after)
    rest = [torch.equal(a, b) for (n, a), b in zip(before.named_parameters(), after.parameters(), strict=True)
            if "word_embeddings" not in n]  # fmt: skip
    return not torch.equal(old, new), not all(rest)


METHODS = ("lp-ft", "finetune", "gradual", "last-k", "l2-sp", "contrastive", "lora")


@pytest.mark.parametrize("method", with_slow(METHODS, ("finetune", "gradual", "l2-sp")))
def test_they_stay_whatever_the_method(method: str, bert: str, reviews: str, tmp_path: Path) -> None:
    result = regraft.fit(reviews, backbone=bert, method=method, out=str(tmp_path / "r"), **QUICK)
    assert moved(result.run, bert) == (False, True)
    kept = result.choice["left_alone"]
    assert kept["word_vectors"] == 400 * 32 <= kept["weights"] and result.choice["loop"]["train_embeddings"] is False


@pytest.mark.parametrize("method", ["lp-ft", "contrastive"])
def test_they_learn_where_somebody_asks_for_it(method: str, bert: str, reviews: str, tmp_path: Path) -> None:
    result = regraft.fit(reviews, backbone=bert, method=method, train_embeddings=True, out=str(tmp_path / "r"), **QUICK)
    assert moved(result.run, bert) == (True, True)
    assert result.choice["left_alone"] == {"weights": 0, "word_vectors": 0}
    assert json.loads((tmp_path / "r/run.json").read_text())["result"]["choice"]["loop"]["train_embeddings"] is True


def test_nobody_has_trained_those_of_a_random_network(bert: str, reviews: str, tmp_path: Path) -> None:
    for method, network in (("scratch", bert), ("finetune", f"random:{bert}")):
        run = regraft.fit(reviews, backbone=network, method=method, out=str(tmp_path / method), **QUICK).run
        assert moved(run, f"random:{bert}") == (True, True)


def test_a_network_that_is_word_vectors_learns(reviews: str, tmp_path: Path) -> None:
    run = regraft.fit(reviews, backbone="regraft_tiny_text", method="finetune", out=str(tmp_path / "r"), **QUICK).run
    before, after = catalog.load("regraft_tiny_text").body, artefact.load(run)[0].network.body
    assert not torch.equal(next(before.parameters()), next(after.parameters()))


def test_they_stay_for_another_domain_and_for_several(bert: str, reviews: str, others: str, tmp_path: Path) -> None:
    for name, options in (("dann", {"target": others}), ("pseudo-label", {"target": others})):
        run = regraft.fit(reviews, backbone=bert, method=name, out=str(tmp_path / name), **QUICK, **options).run
        assert moved(run, bert) == (False, True), name
    joint = regraft.fit([reviews, others], backbone=bert, method="joint", out=str(tmp_path / "joint"), **QUICK)
    assert joint.choice["left_alone"]["word_vectors"] == 400 * 32 and moved(joint.run, bert) == (False, True)


@pytest.mark.parametrize("soft", [None, 0.1])
def test_they_stay_for_several_tasks(soft: float | None, bert: str, tmp_path: Path) -> None:
    words = [f"{'good' if i % 2 else 'bad'} {'film' if i % 3 else 'food'} {i}" for i in range(40)]
    rows = [f"{text},{i % 2},{int(i % 3 > 0)}" for i, text in enumerate(words)]
    (tmp_path / "t.csv").write_text("text,good,film\n" + "\n".join(rows))
    result = regraft.fit(str(tmp_path / "t.csv"), label="good,film", text="text", share="parameters", backbone=bert,
                         soft=soft, out=str(tmp_path / "r"), epochs=1, controls="none")  # fmt: skip
    for name in ("good", "film"):
        assert moved(Path(result.run) / "tasks" / name / "model", bert) == (False, True)


@pytest.mark.parametrize(("options", "message"), [
    ({"method": "last-k", "blocks": 1}, "last-k leaves the word vectors as they are"),
    ({"method": "lora"}, "lora leaves the word vectors as they are"),
    ({"method": "mlp-probe"}, "mlp-probe leaves the word vectors as they are"),
    ({"method": "scratch"}, "nobody trained before are trained anyway"),
    ({"method": "linear-probe"}, "is for methods that train a network; linear-probe has no use for it"),
    ({"method": "lp-ft", "backbone": "regraft_tiny_text"}, "regraft_tiny_text has no word vectors beside layers"),
])  # fmt: skip
def test_it_is_refused_where_it_does_nothing(options, message, bert: str, reviews: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--train-embeddings.*{message}"):
        regraft.fit(reviews, train_embeddings=True, out=str(tmp_path / "r"), **{"backbone": bert} | options)


def test_it_is_refused_for_pictures(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only networks on texts have word vectors; these are images"):
        regraft.fit(str(shapes), method="finetune", train_embeddings=True, out=str(tmp_path / "r"))


def test_a_killed_fit_goes_on_to_the_bit(bert: str, reviews: str, tmp_path: Path) -> None:
    options = {**QUICK, "epochs": 3, "batch": 8, "backbone": bert, "method": "lp-ft"}
    whole = regraft.fit(reviews, out=str(tmp_path / "a"), **options)
    with killed_at(3):
        regraft.fit(reviews, out=str(tmp_path / "b"), **options)
    again = regraft.fit(reviews, out=str(tmp_path / "b"), resume=True, **options)
    one, two = (artefact.load(r.run)[0] for r in (whole, again))
    assert all(torch.equal(a, b) for a, b in zip(one.network.body.parameters(), two.network.body.parameters(), strict=True))  # noqa: E501 # fmt: skip
    assert np.array_equal(one.head.linear.weight.numpy(), two.head.linear.weight.numpy())
