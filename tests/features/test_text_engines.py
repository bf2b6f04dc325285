"""Engines on texts: which one runs them, whatever the kind of the network."""

import json
from pathlib import Path

import numpy as np
import pytest

from regraft.backbones import catalog
from regraft.core.runtime import show_progress
from regraft.data.items import Texts as InMemory
from regraft.features.engines import auto
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.base import TEXT_ENGINES, make_engine, missing, plain_engine
from regraft.features.runner import Runner
from tests.backbones.tiny_text import TEXTS, Texts, array, write_model
from tests.conftest import with_slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    """What is said on stderr so far."""
    show_progress(True)
    yield lambda: capsys.readouterr().err
    show_progress(False)


KINDS = ("roberta", "electra", "distilbert", "mpnet", "albert", "modernbert", "deberta-v2")
ALIKE = ("electra", "distilbert", "albert", "mpnet")


@pytest.mark.parametrize("kind", with_slow(KINDS, ALIKE))
def test_other_kinds_of_networks(kind: str, tmp_path: Path, fresh_cache: Path) -> None:
    """One engine or the other: what OpenVINO cannot take, torch runs, and rows are those of torch."""
    if missing(TEXT_ENGINES.get("openvino")):
        pytest.skip("not on this machine")
    more = {"embedding_size": 16} if kind in ("electra", "albert") else {}
    more |= {"pad_token_id": 1} if kind == "roberta" else {}
    network = catalog.load(str(write_model(tmp_path / kind, kind, **more)))
    engine = make_engine(network, "openvino")
    rows, plain = engine.run(array(TEXTS))["pooled"], make_engine(network, "torch").run(array(TEXTS))["pooled"]
    assert least_cosine(rows, plain) > (0.999999 if engine.describe()["engine"] == "openvino" else 0.999)
    assert len(np.unique(rows, axis=0)) > 2


def test_many_texts_choose_among_engines_on_texts(
    tiny: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rule and the same record as for pictures; what only reads pictures is not tried."""
    network, items = catalog.load(str(tiny)), Texts([f"{t} {i}" for i in range(100) for t in TEXTS])
    assert auto.candidates(network, "cpu", len(items), 5.0) == [plain_engine(network, "cpu")]
    monkeypatch.setattr(auto, "CONVERT_TEXTS", 1e-9)
    monkeypatch.setattr(auto, "ALL_SECONDS", 1e-9)
    wanted = auto.candidates(network, "cpu", len(items), 5.0)
    assert wanted[0] == "torch" and "onnxruntime" not in wanted
    runner = Runner(network)
    assert sum(len(found.rows) for found in runner.stream(items, "x")) == len(items)
    record = json.loads(next(fresh_cache.glob("engines/*/choice-*.json")).read_text())
    assert set(record["tried"]) == set(wanted) and record["engine"] == runner.engine
    assert auto.chosen(network, "cpu", 1, lambda *_: [array(TEXTS[:1])]).describe()["engine"] == record["engine"], (
        "as remembered"
    )


def test_engines_that_take_no_texts_and_networks_that_gain_nothing(tiny: Path, tmp_path: Path, told) -> None:
    network = catalog.load(str(tiny))
    assert make_engine(network, "onnxruntime").describe()["engine"] == plain_engine(network, "cpu")
    assert "onnxruntime cannot run" in (said := told()) and "it reads texts" in said
    (tmp_path / "v.vec").write_text("2 2\ngood 1 2\nfilm 3 4\n", encoding="utf-8")
    vectors = catalog.load(f"vectors:{tmp_path / 'v.vec'}")
    assert make_engine(vectors, "openvino").describe()["engine"] == "torch" == plain_engine(vectors, "cpu")
    assert "it multiplies nothing" in told()


def test_one_text_that_cannot_be_read_does_not_hide_how_long_the_others_are(
    tiny: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, asked = catalog.load(str(tiny)), list[float]()
    monkeypatch.setattr(
        auto, "candidates", lambda network, device, count, longer=1.0: asked.append(longer) or ["torch"]
    )
    Runner(network).engines(InMemory(["a good film and a long one"] * 200, "x", faults={3: "torn"}))
    assert asked[0] > 0.5, "tokens of a text, in those that work is reckoned by"


def test_few_items_are_not_even_reckoned(tiny: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "nominal_seconds", lambda network: pytest.fail("a pass for nothing"))
    network = catalog.load(str(tiny))
    Runner(network).engines(InMemory(["a film"] * 9, "x"))
