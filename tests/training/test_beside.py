"""One network trained, another or counted words beside it: the share of each, one head on both."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.core.errors import InputError
from regraft.features.fusion import parts_of
from regraft.models import artefact
from regraft.models.heads import LinearHead, logits_of
from regraft.pipelines.result import FitResult
from regraft.training.beside import found_share, mixed

WORDS = {"neg": ["bad", "dull", "awful", "waste"], "pos": ["good", "great", "joy", "lovely"]}
FILLER = ["film", "plot", "scene", "actor", "music", "camera"]


def write_table(path: Path, n: int, *, numbers: bool = False) -> Path:
    """Texts that one word tells apart, among words that say nothing."""
    rng = np.random.default_rng(0)
    rows = [["text", "label"]]
    for i in range(n):
        label = ("neg", "pos")[i % 2]
        words = [*rng.choice(FILLER, 5), rng.choice(WORDS[label])]
        value = f"{i % 2 + rng.normal() / 10:.3f}" if numbers else label
        rows.append([" ".join(rng.permutation(words)) + f" {i}", value])
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)
    return path


def noisy_sides(precisions: tuple[float, float], n: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds (n, 2) of two sides that see a class through independent normal noise, and the classes (n, 2)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    sides = []
    for precision in precisions:
        seen = (2 * y - 1) + rng.normal(size=n) / np.sqrt(precision)
        half = precision * seen  # the log-odds are 2 * precision * what is seen
        sides.append(np.stack([-half, half], 1))
    return sides[0], sides[1], np.eye(2)[y]


def test_two_that_know_different_things_share_the_answer_alike() -> None:
    """Of independent evidence the log-odds add up, so the shares are equal however precise each side is."""
    ours, theirs, targets = noisy_sides((1.0, 0.4))
    share, losses = found_share(ours, theirs, targets, "softmax")
    assert abs(share - 0.5) < 0.03
    assert losses["together"] < losses["trained"] < losses["beside"]


def test_a_side_that_says_nothing_gets_no_share() -> None:
    ours, _, targets = noisy_sides((1.0, 1.0), 2000)
    noise = np.random.default_rng(1).normal(size=ours.shape)
    share, losses = found_share(ours, noise - noise.mean(1, keepdims=True), targets, "softmax")
    assert share < 0.15
    share, losses = found_share(ours, -ours, targets, "softmax")
    assert share < 0.01 and losses["together"] == pytest.approx(losses["trained"], abs=1e-6)
    assert found_share(-ours, ours, targets, "softmax")[0] > 0.99


def test_of_numbers_the_more_exact_side_has_the_larger_share() -> None:
    """The best weights of two unbiased values are as their precisions: 4 and 1."""
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(20_000, 1))
    ours, theirs = wanted + rng.normal(size=wanted.shape) / 2, wanted + rng.normal(size=wanted.shape)
    assert abs(found_share(ours, theirs, wanted, None)[0] - 0.2) < 0.02


def test_one_head_says_what_both_say_in_their_shares() -> None:
    rng = np.random.default_rng(0)
    heads = [LinearHead.of(rng.normal(size=d), rng.uniform(0.5, 2, d), rng.normal(size=(d, 3)), rng.normal(size=3),
                           np.dtype(np.float32)) for d in (5, 7)]  # fmt: skip
    x = rng.normal(size=(20, 12)).astype(np.float32)
    ours, theirs = logits_of(heads[0], x[:, :5]), logits_of(heads[1], x[:, 5:])
    found = logits_of(mixed(*heads, 0.3, 2.0), x)
    assert np.allclose(found, (0.7 * ours + 0.3 * theirs) / 2, atol=1e-5)


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    pytest.importorskip("transformers", reason="transformers is in the extra text")
    from tests.backbones.tiny_text import write_model

    return str(write_model(tmp_path_factory.mktemp("bert") / "tiny"))


OPTIONS = {"method": "lp-ft", "epochs": 2, "controls": "none", "outliers": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_table(tmp_path_factory.mktemp("d") / "reviews.csv", 240)


@pytest.fixture(scope="module")
def run(bert: str, data: Path) -> FitResult:
    return regraft.fit(str(data), backbone=f"{bert}+tfidf", out=str(data.parent / "r"), **OPTIONS)


@pytest.fixture(scope="module")
def alone(bert: str, data: Path) -> FitResult:
    return regraft.fit(str(data), backbone=bert, out=str(data.parent / "alone"), **OPTIONS)


def test_counted_words_help_a_network_that_knows_few(run: FitResult, data: Path) -> None:
    beside = run.choice["beside"]
    assert beside["networks"] == "tfidf" and 0.3 < beside["share"] <= 1
    assert beside["inner_loss"]["together"] <= min(beside["inner_loss"]["trained"], beside["inner_loss"]["beside"])
    assert run.metrics["val"]["accuracy"] > 0.9 and "linear-probe" in run.metrics["controls"]
    parts = run.metrics["parts"]
    assert list(parts["alone"]) == [p["name"] for p in parts["parts"]] and parts["parts"][1]["name"] == "tfidf"
    own = parts["alone"][parts["parts"][0]["name"]]["accuracy"]
    assert parts["adds"]["tfidf"]["value"] == pytest.approx(run.metrics["val"]["accuracy"] - own)
    assert "What each part is worth" in Path(run.run, "report.html").read_text()
    texts = {f"row {i + 2}": row["text"] for i, row in enumerate(csv.DictReader(open(data, encoding="utf-8")))}
    rows = list(csv.DictReader(open(Path(run.run, "predictions.csv"), encoding="utf-8")))
    found = regraft.load(run.run).predict_proba([texts[r["input"]] for r in rows])[:, 1]
    assert np.allclose(found, [float(r["p:pos"]) for r in rows], atol=1e-6), "the saved model is the judged one"
    assert regraft.verify(run.run)["ok"]


def test_only_the_first_network_was_trained(run: FitResult, alone: FitResult) -> None:
    assert run.metrics["parts"]["alone"][alone.backbone]["accuracy"] == alone.metrics["val"]["accuracy"]
    manifest = json.loads(Path(run.run, "model/manifest.json").read_text())
    first, second = manifest["network"]["parts"]
    assert first["provenance"]["adapted_by"] == "lp-ft" and "adapted_by" not in second["provenance"]
    ours, theirs = (parts_of(artefact.load(r.run)[0].network)[0].body.state_dict() for r in (run, alone))
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items()), "trained as it is alone, to the bit"


def test_numbers_are_shared_too(bert: str, tmp_path: Path) -> None:
    data = write_table(tmp_path / "n.csv", 240, numbers=True)
    found = regraft.fit(str(data), backbone=f"{bert}+tfidf", task="regression", out=str(tmp_path / "r"), **OPTIONS)
    assert found.metrics["val"]["r2"] > 0.8 and found.choice["beside"]["share"] > 0.3


def test_a_run_goes_on_with_counted_words_beside_it(
    bert: str, data: Path, run: FitResult, alone: FitResult, tmp_path: Path
) -> None:
    found = regraft.fit(str(data), backbone=f"{bert}+tfidf", init=alone.run, out=str(tmp_path / "b"), **OPTIONS)
    assert any("one of the networks" in p["message"] for p in found.problems if p["kind"] == "init")
    assert found.backbone == run.backbone and found.metrics["val"]["accuracy"] > 0.9
    with pytest.raises(InputError, match="the weights of one do not fit the other"):
        regraft.fit(str(data), backbone="regraft_tiny_text+tfidf", init=run.run, out=str(tmp_path / "d"), **OPTIONS)


@pytest.mark.parametrize(
    ("first", "method", "why"),
    [
        (False, "lp-ft", "tfidf has nothing to train"),
        (True, "contrastive", "ends in a head of its own"),
        (True, "mlp-probe", "ends in a head of its own"),
    ],
)
def test_what_cannot_be_mixed_is_refused(
    first: bool, method: str, why: str, bert: str, data: Path, tmp_path: Path
) -> None:
    names = (bert, "tfidf") if first else ("tfidf", bert)
    with pytest.raises(InputError, match=why):
        regraft.fit(str(data), backbone="+".join(names), out=str(tmp_path / "r"), **OPTIONS | {"method": method})
