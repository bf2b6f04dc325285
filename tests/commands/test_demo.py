"""`regraft demo`, as a newcomer calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import regraft
from regraft.core.errors import ArtefactError


@pytest.mark.slow
@pytest.mark.parametrize("what", ["text", "digits"])
def test_a_demo_shows_curves_answers_and_where_its_time_went(what: str, tmp_path: Path) -> None:
    shown, page = regraft.demo(what, out=str(tmp_path / "d"), seeds=1)
    assert "With few labels" in Path(page).read_text()
    for curve in shown.few["curves"].values():
        assert [point["labels"] for point in curve] == shown.few["labels"]
        assert what == "text" or curve[-1]["mean"] > curve[0]["mean"], "more labels, fewer mistakes"
    assert len(shown.predictions) == 5
    kept = json.loads((tmp_path / "d/run.json").read_text())["result"]["seconds"]
    told = shown.fit.seconds
    assert told["few labels"] > 0 and "few labels" not in kept, "the run is the fit alone"
    assert told["total"] == pytest.approx(kept["total"] + told["few labels"] + told["startup"], abs=0.01)
    assert regraft.demo(what, out=str(tmp_path / "d"), seeds=1)[0].few == shown.few, "twice in a row"


def test_a_foreign_folder_is_refused_before_anything_is_computed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("regraft.commands.demo.few_label_curves", lambda *_: pytest.fail("computed first"))
    (tmp_path / "thesis.txt").write_text("years")
    regraft.fit("embedded:reviews", backbone="tfidf", controls="none", out=str(tmp_path / "mine"))
    for own in (tmp_path, tmp_path / "mine"):
        with pytest.raises(ArtefactError, match="is no run folder of a demo"):
            regraft.demo("text", out=str(own), seeds=1)
