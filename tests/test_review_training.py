"""Faults that a review of training, fusion and texts found; each failed before it was mended."""

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft import Classifier
from regraft.core.errors import InputError
from regraft.features.encoders.tfidf import TfIdf
from regraft.features.fusion import tfidf
from regraft.models import artefact
from regraft.text.views import view
from regraft.training.calibration import judged_at_best
from regraft.training.feeds.base import count, order
from regraft.training.losses import LOSSES
from tests.commands.test_text import sentences, table
from tests.conftest import write_shapes

QUICK = {"method": "finetune", "epochs": 2, "batch": 16, "controls": "none"}


@pytest.mark.parametrize("share", [0.9, 0.98])
def test_class_weights_do_not_turn_smoothing_against_the_larger_class(share: float) -> None:
    """What is best to say of an item of the larger class is that it is one."""
    weight = torch.tensor([0.5 / share, 0.5 / (1 - share)])
    logit = torch.linspace(-6, 6, 1201)
    losses = [LOSSES["softmax"](torch.tensor([[z, 0.0]]), torch.tensor([[1.0, 0.0]]), 0.05, weight) for z in logit]
    best = torch.sigmoid(logit[int(torch.stack(losses).argmin())])
    assert best == pytest.approx(0.975, abs=0.003)


def test_few_items_held_out_do_not_make_a_model_modest() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 30)
    targets = np.eye(10)[y]
    logits = 5.0 * targets + rng.normal(0, 1, (30, 10))
    assert judged_at_best(logits, targets, "softmax")[1] < 1.2


def test_auto_with_copies_and_with_tfidf(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "d", 70)
    (data / "disc" / "copy.png").write_bytes((data / "disc" / "000.png").read_bytes())
    result = regraft.fit(str(data), method="auto", epochs=2, batch=16, controls="none", out=str(tmp_path / "r"))
    assert [s["method"] for s in result.choice["auto"]] == ["linear-probe", "lp-ft"]
    texts = table(tmp_path / "t.csv.gz", 140)
    result = regraft.fit(str(texts), backbone="tfidf", method="auto", controls="none", out=str(tmp_path / "t"))
    assert "trains one network" in result.choice["auto"][0]["skipped"]
    assert "not tried" in Path(result.run, "report.html").read_text()


def test_the_head_that_training_starts_from_has_not_seen_the_inner_part(tmp_path: Path, monkeypatch) -> None:
    from regraft.training import network as module

    data, seen = write_shapes(tmp_path / "d", 70), []
    plain = module.fit_features
    monkeypatch.setattr(module, "fit_features", lambda rows, *a, **k: seen.append(len(rows)) or plain(rows, *a, **k))
    result = regraft.fit(str(data), out=str(tmp_path / "r"), **QUICK | {"method": "lp-ft"})
    assert seen == [result.items["train"] - result.choice["inner_items"]]


def test_scratch_takes_nothing_from_another_run(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "d", 30)
    first = regraft.fit(str(data), out=str(tmp_path / "a"), **QUICK)
    again = regraft.fit(str(data), init=first.run, out=str(tmp_path / "b"), lr=1e-9, ema=0.0,
                        **QUICK | {"method": "scratch"})  # fmt: skip
    assert artefact.load(again.run)[0].head.linear.weight.abs().max() < 1e-6


def test_a_head_that_was_refitted_on_the_judged_items_is_not_taken(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "d", 30)
    probe = regraft.fit(str(data), controls="none", out=str(tmp_path / "a"))
    result = regraft.fit(str(data), init=probe.run, out=str(tmp_path / "b"), **QUICK)
    said = [p["message"] for p in result.problems if p["kind"] == "init"]
    assert said == ["the body is taken; its head has learned from items judged here"]


@pytest.mark.slow
def test_a_fused_run_can_be_started_from_by_its_name(tmp_path: Path) -> None:
    texts = table(tmp_path / "t.csv.gz", 60)
    name = "regraft_tiny_text+tfidf"
    first = regraft.fit(str(texts), backbone=name, controls="none", out=str(tmp_path / "a"))
    again = regraft.fit(str(texts), backbone=name, init=first.run, controls="none", out=str(tmp_path / "b"))
    assert again.backbone == name and again.metrics["val"]["accuracy"] > 0.9


def test_batches_are_counted_as_they_are_made() -> None:
    for n in range(1, 40):
        for size in range(1, 12):
            for processes in (1, 2, 3):
                made = order(n, 0, 0, size, (0, processes))
                assert len(made) == count(n, size, processes), (n, size, processes)


def test_a_chunk_without_a_readable_text() -> None:
    texts, labels = sentences(40)
    model = Classifier("tfidf").fit(texts, labels).model_
    assert model.network.model([]).shape == (0, model.network.width)


def test_texts_with_lone_surrogates_are_kept() -> None:
    made = TfIdf.fitted(["a \ud800 b", "a \ud800 c"])
    assert TfIdf.from_bytes(made.to_bytes()).terms == made.terms


def test_a_series_that_does_not_start_at_zero() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is in the extra dev")
    texts, labels = sentences(40)
    model = Classifier("tfidf").fit(pandas.Series(texts, index=range(7, 47)), labels)
    assert model.predict(pandas.Series(["a great joy"], index=[9])).tolist() == ["pos"]


def test_views_travel_to_other_processes_and_a_gloss_into_the_artefact(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(view(("plain", "halfwidth"))))("Ａ  b") == "A b"  # noqa: S301
    dictionary = tmp_path / "d.u8"
    dictionary.write_text("好看 好看 [hao3 kan4] /good-looking/\n难看 难看 [nan2 kan4] /ugly/\n", encoding="utf-8")
    pytest.importorskip("jieba", reason="jieba is in the extra text")
    network = tfidf(f"tfidf[gloss:{dictionary}]")
    kept = dict(network.files)
    dictionary.unlink()
    again = tfidf(network.name, None, kept["gloss.txt"])
    assert "good-looking" in again.viewed(["很好看"])[0]


def test_sentences_are_no_paths(tmp_path: Path) -> None:
    texts, labels = sentences(40)
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([["text", "label"], *zip(texts, labels, strict=True)])
    run = regraft.fit(str(tmp_path / "t.csv"), backbone="tfidf", controls="none", out=str(tmp_path / "r")).run
    assert len(regraft.predict(run, ["Awful."]).predictions) == 1


def test_pooled_features_are_stored_where_no_block_learns() -> None:
    from regraft.backbones import catalog
    from regraft.features.activations import prefix_of

    network = catalog.load("regraft_tiny")
    blocks = len(network.body.blocks)
    assert prefix_of(network, blocks).body.features(network.example()).ndim == 2
    assert prefix_of(network, blocks - 1).body.features(network.example()).ndim == 4


def test_what_several_processes_cannot_do(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "d", 30)
    with pytest.raises(InputError, match="compares the items of a batch"):
        regraft.fit(str(data), processes=2, out=str(tmp_path / "a"), **QUICK | {"method": "contrastive"})
    with pytest.raises(InputError, match="two items each in every step"):
        regraft.fit(str(data), processes=2, out=str(tmp_path / "a"), **QUICK | {"batch": 3})
