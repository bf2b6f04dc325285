"""Models of texts leave the tool: windows, counts and terms are made outside as they are made inside."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.core.errors import InputError
from regraft.export import table_inputs, text_inputs
from regraft.export.predict import table_texts
from regraft.export.text_inputs import Counts, Terms, TextInputs, plain
from regraft.export.texts import Counted, exportable
from regraft.features.encoders.tfidf import TfIdf
from regraft.text import ngrams, views
from tests.backbones.tiny_text import TEXTS, write_model
from tests.conftest import with_slow
from tests.export.test_pictures import alone

SAID = ["good film", "bad film", "好吃的店", "味道不好", "the film", "a good good film"]
ODD = [
    *TEXTS[:5],
    "好吃的店 good, " * 30,
    "ＦＵＬＬ-width\u200b  and\ttabs",
    "x_y don’t 12,345",
    "\ud800 half",
    "ﬁ é e\u0301 İ",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny transformer, counts and the embedded vectors side by side."""
    folder = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(0)
    rows = [f"{SAID[k]} {' '.join(rng.choice(list('abcdefgh'), 4))},{k % 2}" for k in rng.integers(0, 6, 60)]
    (folder / "t.csv").write_text("\n".join(["said,label", *rows]) + "\n", encoding="utf-8")
    network = f"{write_model(folder / 'bert')}+tfidf+regraft_tiny_text"
    return str(regraft.fit(str(folder / "t.csv"), backbone=network, controls="none", out=str(folder / "run")).run)


@pytest.mark.parametrize("to", with_slow(("onnx", "openvino"), ("openvino",)))
def test_texts_are_answered_alike_outside(run: str, to: str, tmp_path: Path) -> None:
    found = regraft.export_model(run, to, out=str(tmp_path / "out"))
    assert found.proof.labels_equal == found.proof.items == 60 and found.proof.largest_difference < 1e-5
    asked = [t for t in ODD if t.isprintable()]
    cells = [*asked, "good film " * 15_000]  # of more letters than Python's reader takes by itself
    (tmp_path / "t.csv").write_text("\n".join(["n,said", *(f'{i},"{t}"' for i, t in enumerate(cells)), "9, "]) + "\n")
    (tmp_path / "one.txt").write_text(f"{TEXTS[-1]}\n\n good film\n")
    inputs = [str(tmp_path / "t.csv"), str(tmp_path / "one.txt"), "the bad film"]
    theirs = regraft.predict(run, inputs, engine="torch").predictions
    wrong = ["nothere.txt", "no/", str(tmp_path), str(tmp_path / "bert.bin")]
    (tmp_path / "bert.bin").write_bytes(b"\0")
    *ours, a, b, c, d = alone(tmp_path / "out", *inputs, *wrong)
    assert a["error"] == b["error"] == "there is nothing at this path"
    assert c["error"] == "it is a folder; .txt files and tables are read" == d["error"].replace("file;", "folder;")
    assert len(ours) == len(theirs) == len(cells) + 5 and ours[len(cells)]["error"] == "it is empty"
    assert [r["input"] for r in ours[-4:]] == [r["input"] for r in theirs[-4:]]
    for a, b in zip(ours, theirs, strict=True):
        assert a.get("label") == b.get("label") and ("error" in a) == ("error" in b)
        if "label" in a:
            assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-5)
    assert [r["input"] for r in ours[:2]] == ["row 2", "row 3"]
    assert len({r["probabilities"]["0"] for r in ours if "label" in r}) > 3, "answers hang on what is said"


def test_the_column_of_texts_can_be_named_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "table_inputs", table_inputs)  # which lies beside an exported model
    (tmp_path / "t.csv").write_text("n,text,said\n1,one,two\n")
    read = {"": ["one"], "said": ["two"]}
    for item, wanted in read.items():
        found = table_texts({"item": item}, str(tmp_path / "t.csv"))
        assert [text for _, text, _ in found] == wanted
    (tmp_path / "t.csv").write_text("n,said\n1,two\n")
    with pytest.raises(ValueError, match="has the columns n, said: --text names that of the texts"):
        [*table_texts({"item": ""}, str(tmp_path / "t.csv"))]


def test_terms_and_views_are_those_of_the_tool() -> None:
    terms = Terms({"inputs": ["a", "b"], "pad": 0}, b"{}")
    for text in ODD:
        assert [*terms.terms(text)] == ngrams.terms(text)
        assert plain(text) == views.plain(text)


def test_counts_weighed_in_the_graph_are_those_of_the_encoder() -> None:
    model = TfIdf.fitted([*SAID, *ODD[:4], "a b", "c"])
    counts = Counts({"view": [], "inputs": ["counts"]}, json.dumps(model.terms).encode())
    for text in [*ODD, "a", "zzz unknown", ""]:
        ours = Counted(model)(torch.from_numpy(counts(text)["counts"]))
        assert np.allclose(ours.numpy(), model([text]).toarray(), atol=1e-6), text


def test_long_texts_are_averaged_over_their_windows(run: str) -> None:
    predictor = regraft.load(run, engine="torch")
    made = exportable(predictor, run)
    [(given, said)] = made.feeds(predictor.items(["bad film, " * 80]))
    assert given["tokens"].shape[0] > 2 and given["weights"].sum() == pytest.approx(1)
    [found] = made.module(*(torch.from_numpy(given[p.name]) for p in made.inputs))
    assert np.allclose(found.detach().numpy(), said["probabilities"], atol=1e-6)
    first = {**given, "weights": np.eye(1, given["tokens"].shape[0], dtype=np.float32)}
    [other] = made.module(*(torch.from_numpy(first[p.name]) for p in made.inputs))
    assert not np.allclose(other.detach().numpy(), said["probabilities"], atol=1e-6)


def test_texts_longer_than_all_windows_are_cut_alike(run: str, tmp_path: Path) -> None:
    """Tokens beyond the last window, and characters beyond those that are looked at."""
    predictor = regraft.load(run, engine="torch")
    made = exportable(predictor, run)
    read = TextInputs(made.about, made.files.__getitem__)
    spec = predictor.model.network.parts[0].spec
    long = "bad film good, " * 400, "good film" + " " * spec.characters + "bad " * 9
    for text in long:
        given = read(text)
        [found] = made.module(*(torch.from_numpy(given[p.name]) for p in made.inputs))
        assert np.allclose(found.detach().numpy(), predictor.predict_proba([text]), atol=1e-6)
    assert len(read(long[0])["tokens"]) == spec.windows == 16 and len(read(long[1])["tokens"]) == 1
    for part in made.about["parts"]:
        part.pop("windows", None), part.pop("characters", None)
    older = TextInputs(made.about, made.files.__getitem__)
    assert len(older(long[0])["tokens"]) > 16, "files from before there was a number of windows are read as they were"


def test_white_space_around_a_text_is_not_read_outside_either(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = exportable(regraft.load(run, engine="torch"), run)
    read, shown = TextInputs(made.about, made.files.__getitem__), list[str]()
    monkeypatch.setattr(read.parts[0], "numbers", lambda text: shown.append(text) or [1, 2])
    read(" good film \u3000\n")
    assert shown == ["good film"]


def test_views_that_need_no_library_leave_with_the_model() -> None:
    texts = [*ODD, "这 部 电影 ， 很 好 看 。 a b", "好 \u3000好"]
    assert {*text_inputs.VIEWS} == {"plain", "halfwidth", "join", "query", "passage"}
    for name, view in text_inputs.VIEWS.items():
        assert [view(t) for t in texts] == [views.VIEWS.get(name)(t) for t in texts], name
    assert text_inputs.seen("好 看", ["join", "query"]) == "query: 好看"


def test_what_reads_texts_by_a_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["said,label", *(f"{SAID[i % 6]} {i},{i % 2}" for i in range(40))]))
    run = regraft.fit(str(tmp_path / "t.csv"), backbone="tfidf[segment]", controls="none", out=str(tmp_path / "r")).run
    with pytest.raises(InputError, match=r"the view segment of tfidf\[segment\] needs a library"):
        regraft.export_model(str(run), "onnx", out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_one_file_lacks_the_tokeniser(run: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs tokenizer.json and counted_2.json and terms_3.json beside its graph"):
        regraft.export_model(run, "onnx", out=str(tmp_path / "m.onnx"))
