"""Texts from data to a judged, saved model: probes, fusion, training, prediction."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft import Classifier
from regraft.core.errors import DataError, InputError
from regraft.features.encoders.tfidf import TfIdf
from regraft.features.fusion import fuse, parts_of, tfidf
from regraft.methods.finetuning.contrastive import MOST_PAIRS, pair_losses, pairs
from regraft.models import artefact
from regraft.options.network import parts_in
from regraft.pipelines.result import FitResult
from tests.conftest import with_slow

GOOD = [
    "a good film",
    "great, a joy",
    "lovely and good",
    "good fun",
    "a great joy to see",
    "很好看",
    "真好, 喜欢",
    "好吃",
]
BAD = [
    "a bad film",
    "dull and bad",
    "awful, a waste",
    "bad acting",
    "an awful waste of time",
    "很难看",
    "太差, 讨厌",
    "难吃",
]


def sentences(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(n):
        words = GOOD if i % 2 else BAD
        texts.append(" ".join([*rng.permutation(words)[:2], f"no {i}"]))
        labels.append("pos" if i % 2 else "neg")
    return texts, labels


def table(path: Path, n: int = 60, seed: int = 0) -> Path:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([["review", "sentiment"], *zip(*sentences(n, seed), strict=True)])
    return path


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    return table(tmp_path_factory.mktemp("d") / "reviews.csv.gz", 60)


@pytest.fixture(scope="module")
def fused(reviews: Path) -> FitResult:
    return regraft.fit(str(reviews), backbone="regraft_tiny_text+tfidf", out=str(reviews.parent / "fused"))


@pytest.mark.slow
def test_a_fusion_is_judged_beside_its_parts(fused: FitResult) -> None:
    parts = fused.metrics["parts"]
    assert list(parts["alone"]) == ["regraft_tiny_text", "tfidf"] and set(parts["adds"]) == set(parts["alone"])
    assert fused.metrics["val"]["accuracy"] > 0.9 and parts["late"]["accuracy"] > 0.9
    assert set(fused.metrics["controls"]) == {"majority", "tfidf"}
    page = Path(fused.run, "report.html").read_text()
    assert "What each part is worth" in page and "late fusion" in page.lower()


def test_the_saved_fusion_is_the_judged_one(fused: FitResult, reviews: Path, tmp_path: Path) -> None:
    """Held out items get the same answers from the artefact as in the run, where nothing was refitted."""
    again = regraft.fit(str(reviews), backbone="regraft_tiny_text+tfidf", out=str(tmp_path / "r"), refit=False)
    assert fused.cross_validation and again.metrics["val"]["accuracy"] > 0.9
    loaded = regraft.load(again.run)
    texts = {f"row {i + 2}": t for i, t in enumerate(sentences(60)[0])}
    rows = list(csv.DictReader(open(tmp_path / "r/predictions.csv", encoding="utf-8")))
    given = [[float(r["p:neg"]), float(r["p:pos"])] for r in rows]
    assert np.allclose(loaded.predict_proba([texts[r["input"]] for r in rows]), given, atol=1e-7)
    model = artefact.load(again.run)[0]
    assert [p.name for p in parts_of(model.network)] == ["regraft_tiny_text", "tfidf"]
    assert regraft.verify(again.run)["ok"]


def test_texts_are_predicted_as_they_are_typed(fused: FitResult, tmp_path: Path) -> None:
    found = regraft.predict(fused.run, ["a great joy", "awful, bad"])
    assert [p["label"] for p in found.predictions] == ["pos", "neg"] and found.predictions[0]["input"] == "a great joy"
    (tmp_path / "lines.txt").write_text("good fun\n很难看\n", encoding="utf-8")
    assert [p["label"] for p in regraft.predict(fused.run, [str(tmp_path / "lines.txt")]).predictions] == ["pos", "neg"]
    with pytest.raises(DataError, match="There is nothing at 'reviews/nowhere.csv'"):
        regraft.predict(fused.run, ["reviews/nowhere.csv"])


def test_odd_texts_are_answered_or_set_aside(fused: FitResult) -> None:
    odd = ["", "x", "😀😀", "good " * 20_000, "\u200b"]
    answers = regraft.load(fused.run).answer(odd)
    assert sorted(answers.failed) == [0, 4] and len(answers.probabilities) == 3
    assert np.isfinite(answers.probabilities).all()


def test_a_model_of_texts_is_evaluated_on_other_texts(fused: FitResult, tmp_path: Path) -> None:
    found = regraft.evaluate(fused.run, str(table(tmp_path / "other.csv.gz", 40, seed=9)))
    assert found.items == 40 and found.metrics["accuracy"] > 0.9


def test_unreadable_and_short_texts_in_training(tmp_path: Path) -> None:
    texts, labels = sentences(40)
    texts[3], texts[4], texts[5] = "", "x", "😀"
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([["text", "label"], *zip(texts, labels, strict=True)])
    result = regraft.fit(str(tmp_path / "t.csv"), backbone="tfidf", out=str(tmp_path / "r"), controls="none")
    assert result.items == {"train": 39, "val": 39}
    kinds = {p["kind"] for p in result.problems}
    assert "empty" in kinds or "unreadable" in kinds


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    pytest.importorskip("transformers", reason="transformers is in the extra text")
    from tests.backbones.tiny_text import write_model

    return str(write_model(tmp_path_factory.mktemp("bert") / "tiny"))


METHODS = ("lp-ft", "gradual", "lora", "contrastive", "mlp-probe", "last-k", "scratch")


@pytest.mark.parametrize("method", with_slow(METHODS, ("gradual", "last-k", "scratch")))
def test_a_transformer_is_trained(method: str, bert: str, tmp_path: Path) -> None:
    data = table(tmp_path / "t.csv.gz", 130)
    result = regraft.fit(str(data), backbone=bert, method=method, epochs=3, lr=1e-3, out=str(tmp_path / "r"),
                         controls="majority")  # fmt: skip
    assert result.metrics["val"]["accuracy"] > (0.6 if method in ("lp-ft", "contrastive", "gradual") else 0.3)
    rows = list(csv.DictReader(open(tmp_path / "r/predictions.csv", encoding="utf-8")))
    texts = {f"row {i + 2}": t for i, t in enumerate(sentences(130)[0])}
    given = [float(r["p:pos"]) for r in rows]
    found = regraft.load(result.run).predict_proba([texts[r["input"]] for r in rows])[:, 1]
    assert np.allclose(found, given, atol=1e-6), "the saved model is the judged one"
    manifest = json.loads((tmp_path / "r/model/manifest.json").read_text())
    assert "tokenizer/tokenizer.json" in manifest["files"]


def test_what_is_for_pictures_only_is_refused(bert: str, reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--augment strong is for pictures"):
        regraft.fit(str(reviews), backbone=bert, method="lp-ft", augment="strong", out=str(tmp_path / "r"))
    with pytest.raises(InputError, match="none is held out to find"):
        regraft.fit(str(reviews), backbone="regraft_tiny_text+tfidf", method="lp-ft", out=str(tmp_path / "r"))
    with pytest.raises(InputError, match="takes an image an item"):
        regraft.fit(str(reviews), backbone="regraft_tiny", out=str(tmp_path / "r"))
    with pytest.raises(InputError, match="names a network twice"):
        regraft.fit(str(reviews), backbone="tfidf+tfidf", out=str(tmp_path / "r"))


def test_fusion_of_picture_networks(shapes: Path, tmp_path: Path) -> None:
    result = regraft.fit(str(shapes), backbone="regraft_tiny+random:squeezenet1_0", out=str(tmp_path / "r"))
    assert result.backbone == "regraft_tiny+random:squeezenet1_0"
    assert set(result.metrics["parts"]["adds"]) == {"regraft_tiny", "random:squeezenet1_0"}
    whole = regraft.load(result.run).predict_proba(str(shapes))
    assert whole.shape == (40, 2) and np.isfinite(whole).all()


def test_parts_of_a_name() -> None:
    assert parts_in("minilm[segment+lemma]+tfidf") == ["minilm[segment+lemma]", "tfidf"]
    assert parts_in("mobilenet_v2@features.12") == ["mobilenet_v2@features.12"]
    assert fuse([tfidf()]).name == "tfidf"


def test_tfidf_comes_back_from_its_bytes() -> None:
    texts = sentences(50)[0]
    made = TfIdf.fitted(texts)
    again = TfIdf.from_bytes(made.to_bytes())
    assert (made(texts) != again(texts)).nnz == 0 and made.width == again.width > 100
    words = made(texts)[:, : len(made.terms["word"])]
    assert np.allclose(np.sqrt(words.multiply(words).sum(1)), 1, atol=1e-6)


@pytest.mark.parametrize(("n", "most"), [(2, 1), (5, 10), (6, 10), (7, 14), (20, 60), (101, 500), (30, 10)])
def test_pairs_are_bounded_and_none_is_twice(n: int, most: int) -> None:
    first, second = (side.tolist() for side in pairs(n, torch.device("cpu"), most))
    kinds = {frozenset(pair) for pair in zip(first, second, strict=True)}
    assert len(kinds) == len(first) and all(len(kind) == 2 for kind in kinds)
    assert len(kinds) == (n * (n - 1) // 2 if n * (n - 1) // 2 <= most else max(1, most // n) * n)
    assert set(np.bincount(first + second, minlength=n)) == {2 * len(first) // n}, "each as often as any other"


def test_a_large_batch_takes_memory_by_its_size_and_not_by_its_square() -> None:
    features = torch.randn(4096, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = torch.eye(2)[torch.arange(4096) % 2]
    kept = list[int]()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        losses = pair_losses(features, targets)
    assert max(kept) <= MOST_PAIRS * 64 and losses.keys() == {"same_class", "other_class"}
    exact = features[:256].detach()
    few, many = (sum(pair_losses(x, targets[: len(x)]).values()) for x in (exact, features.detach()))
    assert float(many) == pytest.approx(float(few), abs=0.02), "a sample of the pairs has the loss of them all"


def test_pair_losses_by_hand() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # the pair of one class is at right angles: (0 - 1)^2; the others are 1 and 0 where 0 is wanted: (1 + 0) / 2
    losses = pair_losses(features, targets)
    assert {k: v.item() for k, v in losses.items()} == pytest.approx({"same_class": 1.0 / 2, "other_class": 0.5 / 2})
    assert pair_losses(features[1:], targets[1:]).keys() == {"other_class"}, "there is no pair of one class"
    sum(losses.values()).backward()
    assert torch.isfinite(features.grad).all()


def test_a_classifier_of_texts() -> None:
    texts, labels = sentences(60)
    for backbone in ("tfidf", "regraft_tiny_text", "regraft_tiny_text+tfidf"):
        model = Classifier(backbone).fit(texts, labels)
        assert model.score(*sentences(40, seed=3)) > 0.9
