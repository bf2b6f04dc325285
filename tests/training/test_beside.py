"""One network trained or all that can learn, counted words beside them: the share of each, one head on all."""

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
from regraft.tasks import Link
from regraft.training.beside import Learned, found_shares, mixed
from regraft.training.calibration import inner_loss
from tests.conftest import killed_at

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


def noisy_sides(*precisions: float, n: int = 20_000) -> tuple[list[np.ndarray], np.ndarray]:
    """Log-odds (n, 2) of sides that see a class through independent normal noise, and the classes (n, 2)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    sides = []
    for precision in precisions:
        seen = (2 * y - 1) + rng.normal(size=n) / np.sqrt(precision)
        half = precision * seen  # the log-odds are 2 * precision * what is seen
        sides.append(np.stack([-half, half], 1))
    return sides, np.eye(2)[y]


def shares_of(sides: list[np.ndarray], targets: np.ndarray, link: Link | None = "softmax"):
    return found_shares(sides, lambda outputs: inner_loss(outputs, targets, link))


@pytest.mark.parametrize("precisions", [(1.0, 0.4), (0.3, 0.9, 0.5), (0.2, 0.2, 0.6, 0.4)])
def test_those_that_know_different_things_share_the_answer_alike(precisions) -> None:
    """Of independent evidence the log-odds add up, so the shares are equal however precise each side is."""
    sides, targets = noisy_sides(*precisions)
    shares, alone, together = shares_of(sides, targets)
    assert np.allclose(shares, 1 / len(sides), atol=0.04) and shares.sum() == pytest.approx(1)
    assert together < min(alone) and np.argmin(alone) == np.argmax(precisions)


def test_a_side_that_says_nothing_gets_no_share() -> None:
    (ours, theirs), targets = noisy_sides(1.0, 1.0, n=2000)
    noise = np.random.default_rng(1).normal(size=ours.shape)
    noise -= noise.mean(1, keepdims=True)
    shares, *_ = shares_of([noise, ours, theirs], targets)
    assert shares[0] < 0.1 and abs(shares[1] - shares[2]) < 0.15
    for sides, best in (([ours, -ours], 0), ([-ours, ours], 1), ([-ours, -theirs, ours], 2)):
        shares, alone, together = shares_of(sides, targets)
        assert shares[best] > 0.99 and together == pytest.approx(alone[best], abs=1e-6)


def test_of_numbers_the_more_exact_side_has_the_larger_share() -> None:
    """The best weights of unbiased values are as their precisions: here 4, 1 and 1."""
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(20_000, 1))
    sides = [wanted + rng.normal(size=wanted.shape) / np.sqrt(p) for p in (1, 4, 1)]
    assert np.allclose(shares_of(sides, wanted, None)[0], [1 / 6, 4 / 6, 1 / 6], atol=0.02)


def test_one_head_says_what_all_say_in_their_shares() -> None:
    """Also where the columns of one side lie between those of others."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 14)).astype(np.float32)
    sides = []
    for columns in ([3, 4, 5], [0, 1, 2, 10, 11, 12, 13], [6, 7, 8, 9]):
        d = len(columns)
        head = LinearHead.of(rng.normal(size=d), rng.uniform(0.5, 2, d), rng.normal(size=(d, 3)), rng.normal(size=3),
                             np.dtype(np.float32))  # fmt: skip
        sides.append(Learned("", (), np.array(columns), head, logits_of(head, x[:, columns])))
    wanted = sum(share * side.outputs for share, side in zip((0.5, 0.3, 0.2), sides, strict=True)) / 2
    assert np.allclose(logits_of(mixed(sides, np.array([0.5, 0.3, 0.2]), 2.0), x), wanted, atol=1e-5)


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
    assert [*beside["shares"]] == run.backbone.split("+") and beside["shares"]["tfidf"] > 0.3
    assert beside["inner_loss"].pop("together") <= min(beside["inner_loss"].values())
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
    assert found.metrics["val"]["r2"] > 0.8 and found.choice["beside"]["shares"]["tfidf"] > 0.3


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
    first: bool, method: str, why: str, bert: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is computed."""
    monkeypatch.setattr("regraft.pipelines.scenarios.single.rows_of", lambda *_: pytest.fail("computed first"))
    names = (bert, "tfidf") if first else ("tfidf", bert)
    with pytest.raises(InputError, match=why):
        regraft.fit(str(data), backbone="+".join(names), out=str(tmp_path / "r"), **OPTIONS | {"method": method})


def test_nor_are_pictures_looked_at_first(own_shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.pipelines.scenarios.single.one_pass", lambda *_: pytest.fail("computed first"))
    with pytest.raises(InputError, match="ends in a head of its own"):
        regraft.fit(str(own_shapes), backbone="regraft_tiny+raw", method="mlp-probe", out=str(tmp_path / "r"))
    assert not [*tmp_path.glob("r*")]


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> str:
    pytest.importorskip("transformers", reason="transformers is in the extra text")
    from tests.backbones.tiny_text import write_model

    return str(write_model(tmp_path_factory.mktemp("second") / "other", seed=1))


def test_all_that_can_learn_do_and_each_as_alone(
    bert: str, second: str, data: Path, alone: FitResult, tmp_path: Path
) -> None:
    """Counted words stand between the two: columns are told apart by what they belong to."""
    run = regraft.fit(str(data), backbone=f"{bert}+tfidf+{second}", train_all=True, out=str(tmp_path / "r"), **OPTIONS)
    of_second = regraft.fit(str(data), backbone=second, out=str(tmp_path / "s"), **OPTIONS)
    model = artefact.load(run.run)[0]
    for part, one in zip(parts_of(model.network)[::2], (alone, of_second), strict=True):
        state, theirs = part.body.state_dict(), parts_of(artefact.load(one.run)[0].network)[0].body.state_dict()
        assert all(torch.equal(v, theirs[k]) for k, v in state.items()), "trained as it is alone, to the bit"
        assert run.metrics["parts"]["alone"][one.backbone]["accuracy"] == one.metrics["val"]["accuracy"]
    names = [alone.backbone, of_second.backbone, "tfidf"]
    beside = run.choice["beside"]
    assert [*beside["shares"]] == names == [p["name"] for p in run.metrics["parts"]["parts"]]
    assert sum(beside["shares"].values()) == pytest.approx(1) and [*beside["trained"]] == names[1:2]
    assert beside["trained"][names[1]]["history"] == of_second.choice["history"]
    assert beside["inner_loss"].pop("together") <= min(beside["inner_loss"].values())
    page = Path(run.run, "report.html").read_text()
    assert page.count("log loss by epoch") == 2 and "training-2/training.csv" in page
    assert Path(run.run, "training-2/training.csv").is_file()
    assert not [*Path(run.run).rglob("checkpoints")], "what only an interrupted run needs is gone"
    rows = list(csv.DictReader(open(Path(run.run, "predictions.csv"), encoding="utf-8")))
    texts = {f"row {i + 2}": row["text"] for i, row in enumerate(csv.DictReader(open(data, encoding="utf-8")))}
    found = regraft.load(run.run).predict_proba([texts[r["input"]] for r in rows])[:, 1]
    assert np.allclose(found, [float(r["p:pos"]) for r in rows], atol=1e-6), "the saved model is the judged one"
    told = {"backbone": run.backbone, "train_all": True, "out": str(tmp_path / "again"), **OPTIONS}
    with killed_at(of_second.choice["steps"] + 3):  # in the second training
        regraft.fit(str(data), **told)
    assert Path(tmp_path / "again.partial/training-2").is_dir()
    again = regraft.fit(str(data), resume=True, **told)
    assert again.metrics == run.metrics, "resumed to the bit"


@pytest.mark.parametrize(
    ("backbone", "more", "why"),
    [
        ("tfidf", {}, "several networks"),
        (None, {}, "several networks"),
        ("{bert}+tfidf", {}, "1 can be trained"),
        ("{bert}+tfidf", {"method": "linear-probe"}, "such as lp-ft; linear-probe has no use for it"),
        ("{bert}+tfidf", {"target": "{data}"}, "one network is adapted"),
    ],
)
def test_train_all_is_for_several(backbone, more: dict, why: str, bert: str, data: Path, tmp_path: Path) -> None:
    given = {k: v.format(data=data) for k, v in more.items()} | {"backbone": backbone and backbone.format(bert=bert)}
    with pytest.raises(InputError, match=why):
        regraft.fit(str(data), train_all=True, out=str(tmp_path / "r"), **OPTIONS | given)
