"""How far two domains lie apart, in figures and in a plain word."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.commands.shift import in_words
from regraft.errors import InputError
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
    assert alike.worth == "no" and apart.worth != "no" and set(apart.classes) == {"0", "1", "2"}
    assert apart.as_it_is["items"] == 150 and 0 <= apart.as_it_is["accuracy"] <= 1
    assert {p["domain"] for p in apart.map} == {"source", "target"} and len(apart.map) == 350
    page = (tmp_path / "s.html").read_text()
    assert apart.word in page and not re.search(r"(src|href)=.http", page)
    again = regraft.shift(a, c, backbone="raw")
    assert again.map == apart.map and again.a_distance == apart.a_distance


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


def test_what_shift_refuses(three, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must end in .html"):
        regraft.shift(three[0], three[1], out="x.pdf")
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 8, 8), np.uint8), labels=np.zeros(0, int))
    with pytest.raises(InputError, match="holds no items"):
        regraft.shift(three[0], str(tmp_path / "none.npz"))
