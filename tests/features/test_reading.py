"""Long texts: windows up to a number of them, what is said of it, and scripts that a tokeniser lacks."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import MOST_WINDOWS, windows
from regraft.core.errors import DataWarning, UnreadableItem
from regraft.core.types import CHARACTERS, PreprocessSpec
from regraft.data.items import Texts
from regraft.features.engines.base import make_engine
from regraft.features.reading import reading_problems
from regraft.training.feeds.build import tokens_of
from tests.backbones.tiny_text import array, write_model

TOKENS = 40
CAP = MOST_WINDOWS * (TOKENS - 2)
"""Words of the tiny network are single tokens, two of a window are special."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("long") / "tiny")


@pytest.fixture(scope="module")
def network(folder: Path) -> Pretrained:
    return catalog.load(str(folder))


def words(n: int, seed: int = 0) -> str:
    return " ".join(np.random.default_rng(seed).choice(["good", "bad", "film", "the"], n))


def said(network: Pretrained, texts: list[str]) -> dict[str, str]:
    return {p.kind: p.message for p in reading_problems(network, [Texts(texts, "x")], "x.csv")}


def test_a_text_is_cut_behind_its_last_window(network: Pretrained) -> None:
    long, engine = words(CAP + 500), make_engine(network, "torch")
    cut = " ".join(long.split()[:CAP])
    rows = engine.run(array([long, cut, f"{cut} bad", cut.rpartition(" ")[0]]))["pooled"]
    assert (rows[0] == rows[1]).all() and (rows[2] == rows[1]).all() and not np.allclose(rows[3], rows[1], atol=1e-7)
    parts = windows(network.tokeniser.encode([long])[0], TOKENS, network.tokeniser, MOST_WINDOWS)
    assert len(parts) == MOST_WINDOWS and all(len(w) == TOKENS and n == TOKENS - 2 for w, n in parts)


def test_what_all_windows_hold_is_as_without_a_number_of_them(network: Pretrained) -> None:
    """A model that was saved before there was one answers as it did, to the bit."""
    old = replace(network, spec=PreprocessSpec.from_json({**network.spec.to_json(), "windows": 0}))
    texts = ["a", words(38), words(39), words(CAP), words(CAP + 1)]
    ours, theirs = (make_engine(n, "torch").run(array(texts))["pooled"] for n in (network, old))
    assert (ours[:4] == theirs[:4]).all() and not np.allclose(ours[4], theirs[4], atol=1e-7)


def test_a_spec_without_a_number_of_windows_is_as_it_was() -> None:
    spec = PreprocessSpec(modality="text", tokens=9, windows=3)
    assert PreprocessSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    plain = PreprocessSpec()
    assert "windows" not in plain.to_json() and "windows" not in repr(spec)
    assert (spec.characters, plain.characters) == (27 * CHARACTERS, 0)


def test_the_number_of_windows_is_in_the_digest(network: Pretrained) -> None:
    told = {k: v for k, v in network.provenance.items() if k != "digest"}
    numbers = {n: replace(network, spec=replace(network.spec, windows=n), provenance=dict(told)) for n in (0, 2, 16)}
    assert len({n.digest() for n in numbers.values()}) == 3


def test_long_texts_and_cut_ones_are_told_of(network: Pretrained) -> None:
    assert said(network, ["good film", words(TOKENS - 2), "", "好"]) == {}
    found = said(network, ["good", words(TOKENS - 1), words(CAP), words(CAP + 1)])
    assert found.keys() == {"long-texts", "cut-texts"}
    assert found["long-texts"].startswith(f"holds 3 texts (of 4) longer than the {TOKENS} tokens that ")
    assert found["cut-texts"].startswith(f"holds 1 text (of 4) longer than {MOST_WINDOWS} windows of {TOKENS} tokens")
    blanks = "good" + " " * network.spec.characters + "bad"
    assert said(network, [blanks]).keys() == {"cut-texts"}, "what is not looked at may be blank"
    vectors = catalog.load("regraft_tiny_text")
    assert said(vectors, [words(2000)]) == {}, "a mean of words is the same in windows"
    assert said(vectors, [words(200_000)]).keys() == {"cut-texts"}


def test_texts_that_cannot_be_read_are_left_to_their_reader(network: Pretrained) -> None:
    assert said(network, ["", "  "]) == {}
    items = Texts([words(99), "torn"], "x", faults={1: "torn"})
    assert "(of 1)" in reading_problems(network, [items], "x")[0].message


def test_a_script_that_the_tokeniser_lacks_is_told_of_with_its_share(network: Pretrained) -> None:
    found = said(network, ["good film", "კინოფილმ"])
    assert found.keys() == {"unknown-script"}
    assert found["unknown-script"].startswith("holds 50% characters that the tokeniser of ")
    assert said(network, [words(30), "good film ☃"]) == {}, "a single odd sign is no script"
    vectors = catalog.load("regraft_tiny_text")
    assert "unknown-script" in said(vectors, ["ภาพยนตร์ที่ดี", "ภาพ"]) and said(vectors, ["a lovely film", "很好看"]) == {}


@pytest.mark.parametrize("name", ["minilm", "e5-small"])
def test_published_tokenisers_know_their_languages(name: str) -> None:
    if not catalog.is_here(name):
        pytest.skip(f"the package of {name} is not installed")
    network = catalog.load(name)
    english = [
        "A fine film, and a long one.",
        "Not for me 🙂; the plot is thin and the actors bored: a naïve café tale.",
    ]
    others = ["这部电影非常好看，演员演技很棒。", "ภาพยนตร์เรื่องนี้สนุกมาก", "😀😂😍"]
    assert said(network, english) == {}
    assert [bool(said(network, [text])) for text in others] == [name == "minilm"] * 3


@pytest.mark.parametrize(
    "text", ["good film " * 110_000, "x" * 1_100_000, "好" * 1_100_000, " " * 1_100_000 + "a", "🙂 " * 550_000]
)
def test_a_megabyte_takes_no_minutes(network: Pretrained, text: str) -> None:
    begun = time.perf_counter()
    rows = make_engine(network, "torch").run(array([text]))["pooled"]
    assert time.perf_counter() - begun < 10 and np.isfinite(rows).all()
    assert len(network.tokeniser.encode([text])[0]) <= network.spec.characters + 2


def test_training_reads_the_beginning(network: Pretrained) -> None:
    class Data:
        items = Texts([words(CAP * 2), "good film"], "x")

        def __len__(self) -> int:
            return 2

    long, short = tokens_of(network, Data())  # type: ignore[arg-type]
    whole = network.tokeniser.encode([words(CAP * 2)])[0]
    assert long == [*whole[: TOKENS - 1], whole[-1]] and len(short) == 4


def table(path: Path, more: list[str]) -> Path:
    rows = [f"{('good' if i % 2 else 'bad')} film {'the ' * (i % 7)}{i},{i % 2}" for i in range(40)]
    path.write_text("\n".join(["said,label", *rows, *(f"{t},{i % 2}" for i, t in enumerate(more))]) + "\n")
    return path


def test_a_fit_lists_it_and_a_prediction_too(folder: Path, tmp_path: Path, fresh_cache: Path) -> None:
    data = table(tmp_path / "t.csv", [words(60, 1), "good " * 250_000, words(70, 2), "bad " * 250_000])
    found = regraft.fit(str(data), backbone=str(folder), controls="none", out=str(tmp_path / "run"))
    problems = {p["kind"]: p for p in found.problems}
    assert problems["long-texts"]["message"].startswith("holds 4 texts (of 44)") and problems["long-texts"]["item"]
    assert problems["cut-texts"]["message"].startswith("holds 2 texts (of 44)")
    assert [p["kind"] for p in found.problems].count("long-texts") == 1
    answered = regraft.predict(found.run, ["good film", words(50)])
    assert [p.kind for p in answered.problems] == ["long-texts"] and len(answered.predictions) == 2
    judged = regraft.evaluate(found.run, str(data)).problems
    assert [p.kind for p in judged].count("cut-texts") == 1
    with pytest.warns(DataWarning, match="X holds 1 text"):
        regraft.Classifier(str(folder)).fit([words(50), "good", "bad", "film"], [0, 1, 0, 1])


def test_the_page_tells_what_is_read() -> None:
    page = Path(__file__).parents[2] / "docs/texts.md"
    if not page.is_file():
        pytest.skip("the documentation is not beside the tests")
    text = page.read_text(encoding="utf-8")
    for name, ends in (("e5-small", 2), ("minilm", 2)):
        tokens = catalog.rows(name)[0].spec.tokens
        most = f"{MOST_WINDOWS * (tokens - ends):,} | {CHARACTERS * MOST_WINDOWS * tokens:,} |"
        assert f"| `{name}` | {tokens} | {MOST_WINDOWS} | {most}" in text
    spec = catalog.load("regraft_tiny_text").spec
    assert f"| {spec.tokens} | {spec.windows} | {spec.tokens * spec.windows:,} | {spec.characters:,} |" in text


def test_an_empty_text_is_told_of_and_the_others_are_answered(folder: Path, tmp_path: Path, fresh_cache: Path) -> None:
    from regraft.serve.inputs import Given
    from regraft.serve.lanes import TextLane

    data = table(tmp_path / "t.csv", ["", '"  "', "good film"])
    found = regraft.fit(str(data), backbone=str(folder), controls="none", out=str(tmp_path / "run"))
    assert [p["message"] for p in found.problems if p["kind"] == "empty"] == ["it is empty; it is set aside"] * 2
    answers = regraft.predict(found.run, ["good film", "", "bad film"]).predictions
    assert [a.get("error") for a in answers] == [None, "it is empty", None]
    lane = TextLane(regraft.load(found.run))  # type: ignore[arg-type]
    with pytest.raises(UnreadableItem, match="it is empty"):
        lane.prepare(Given("texts[0]", "\u200b "))
    ready = lane.prepare(Given("texts[1]", words(CAP + 9)))
    [served] = lane.answer(["texts[1]"], [ready])
    assert served["label"] == regraft.predict(found.run, [words(CAP + 9)]).predictions[0]["label"]
