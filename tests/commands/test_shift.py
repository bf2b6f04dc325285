"""How far two domains lie apart, in figures and in a plain word."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.cli.printing import print_shift
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.data.audit.measure import facts
from regraft.data.open import open_data
from regraft.features.network import network_for
from regraft.methods.base import Fitted
from regraft.models.heads import LinearHead
from regraft.pipelines.shift import in_words, left_out
from tests.commands.test_target import darker, digits


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> tuple[str, str, str]:
    folder = tmp_path_factory.mktemp("d")
    return (str(digits(folder / "a.npz", 200, 0)), str(digits(folder / "b.npz", 200, 1)),
            str(digits(folder / "c.npz", 150, 1, change=darker)))  # fmt: skip


def test_alike_and_apart(three, tmp_path: Path) -> None:
    a, b, c = three
    alike = regraft.shift(a, b, backbone="raw")
    apart = regraft.shift(a, c, backbone="raw", out=str(tmp_path / "s.html"))
    assert alike.a_distance["value"] < 0.5 < 1.5 < apart.a_distance["value"] and alike.mmd < apart.mmd
    assert alike.worth == "no" and set(apart.classes) == {"0", "1", "2"}
    assert apart.worth == "no" and "99.3 % of the target" in apart.word, "the labels say so, however far apart"
    moved = digits(tmp_path / "moved.npz", 150, 1, change=lambda x: np.roll(x, 2, 2))
    assert regraft.shift(a, str(moved), backbone="raw").worth != "no"
    assert apart.as_it_is["items"] == 150 and 0 <= apart.as_it_is["accuracy"] <= 1
    assert {p["domain"] for p in apart.map} == {"source", "target"} and len(apart.map) == 350
    page = (tmp_path / "s.html").read_text()
    assert apart.word in page and not re.search(r"(src|href)=.http", page)
    again = regraft.shift(a, c, backbone="raw")
    assert again.map == apart.map and again.a_distance == apart.a_distance


def test_counted_words_are_compared(tmp_path: Path) -> None:
    for name, word in (("a", "good"), ("b", "fine")):
        rows = [f"{word if i % 2 else 'bad'} film {i} of {i * 7},{i % 2}" for i in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    found = regraft.shift(str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), backbone="tfidf")
    assert found.items == {"source": 60, "target": 60} and found.worth in ("yes", "no", "doubtful")


def test_label_shift(three, tmp_path: Path) -> None:
    """Class shares of the target by the probe's guesses: none for a second draw, much where a class is nearly gone."""
    with np.load(three[1]) as z:
        kept = dict(z.items())
    images, labels = next(v for v in kept.values() if v.ndim > 1), next(v for v in kept.values() if v.ndim == 1)
    some = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels != 0)[:6]])
    np.savez(tmp_path / "mostly.npz", images=images[some], labels=labels[some])
    same, mostly = (
        regraft.shift(three[0], d, backbone="raw").label_shift for d in (three[1], str(tmp_path / "mostly.npz"))
    )
    assert 0 <= same < 0.05 < 0.4 < mostly


def test_from_the_shell(three) -> None:
    done = CliRunner().invoke(app, ["shift", three[0], three[2], "--backbone", "raw", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and {"a_distance", "mmd", "classes", "worth", "word"} <= set(found)
    assert "proxy A-distance" in CliRunner().invoke(app, ["shift", three[0], three[2], "--backbone", "raw"]).stdout


def test_the_word() -> None:
    assert in_words(1.9, [0.4, 0.6, 3.0], 500)[0] == "yes"
    assert in_words(1.9, [2.0, 3.0], 500)[0] == "doubtful"
    assert in_words(0.1, [2.0], 500)[0] == "no"
    assert in_words(0.1, [0.1], 20)[0] == "doubtful"


def known(accuracy: float, loss: float, low: float, high: float, least: float = 0.95) -> dict:
    return {"accuracy": accuracy, "accuracy_ci95": [least, 1.0], "loss": {"value": loss, "ci95": [low, high]}}


def test_what_is_known_of_the_target_comes_before_distances() -> None:
    """Two domains far apart with classes near: adapting would be advised, did the labels not tell of the loss."""
    far = (1.9, [0.4, 0.6], 500)
    assert in_words(*far, known(0.80, 0.10, 0.05, 0.15))[0] == "yes"
    assert in_words(*far, {**known(0.8, 0, 0, 0), "loss": None})[0] == "yes", "of too few source items nothing is known"
    worth, word = in_words(*far, known(0.992, 0.005, 0.001, 0.01))
    assert worth == "no" and "right on 99.2 % of the target" in word
    worth, word = in_words(*far, known(0.90, 0.01, -0.02, 0.04))
    assert worth == "no" and "may be nothing, 1.0 points (95 % interval -2.0 to 4.0)" in word
    assert in_words(*far, known(1.0, -0.02, -0.2, 0.1, least=0.4))[0] == "doubtful", "three of three are no 99 %"
    worth, word = in_words(0.1, [0.1], 500, known(0.70, 0.20, 0.15, 0.25))
    assert worth == "doubtful" and "loses 20.0 points" in word


def test_the_loss_is_against_source_items_left_out(three, tmp_path: Path) -> None:
    moved = digits(tmp_path / "moved.npz", 150, 1, change=lambda x: np.roll(x, 2, 2))
    alike, apart = (regraft.shift(three[0], str(d), backbone="raw").as_it_is for d in (three[1], moved))
    for found in (alike, apart):
        assert found["on_source"]["items"] == 200 and found["on_source"]["accuracy"] > 0.9
        assert found["loss"]["value"] == pytest.approx(found["on_source"]["accuracy"] - found["accuracy"])
        low, high = found["loss"]["ci95"]
        assert low < found["loss"]["value"] < high and found["seen"] is None
    assert alike["loss"]["ci95"][0] <= 0 < apart["loss"]["ci95"][0]
    logits, head = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), LinearHead.zero(1, 2)
    told = Fitted(head, {}, np.array([3, 0, 1]), logits)
    assert left_out(told, np.array([1, 0, 1, 0])).tolist() == [True, True, False]
    assert len(left_out(Fitted(head, {}), np.array([0, 1]))) == 0


def test_what_the_pretraining_saw_is_told(three, tmp_path: Path, monkeypatch, capsys) -> None:
    """A network that has seen the target's pictures and none of the source's."""
    load = network_for

    def network(items, name, **how):
        found = load(items, name, **how)
        found.seen = np.sort(facts(open_data(three[2]).items, RowStore())[0].pixels)
        return found

    monkeypatch.setattr("regraft.commands.shift.network_for", network)
    found = regraft.shift(three[0], three[2], backbone="raw", out=str(tmp_path / "s.html"))
    assert found.seen == {"source": 0.0, "target": 1.0} and found.as_it_is["seen"] == 1.0
    print_shift(found)
    said, page = capsys.readouterr().out, (tmp_path / "s.html").read_text()
    assert re.search(r"% of the target as it is \(.*\), but the pretraining of raw saw 100 % of these pictures", said)
    assert "saw 100 % of what was looked at of the target with" in said and "at of the source" not in said
    assert (
        re.search(r"cross-validation</span><em>but the pretraining of raw saw 100 %", page)
        and "The pretraining of raw" in page
    )


def test_what_shift_refuses(three, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must end in .html"):
        regraft.shift(three[0], three[1], out="x.pdf")
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 8, 8), np.uint8), labels=np.zeros(0, int))
    with pytest.raises(InputError, match="holds no items"):
        regraft.shift(three[0], str(tmp_path / "none.npz"))
