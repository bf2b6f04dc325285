"""The page stands alone, shows what was measured, and warns where it must."""

import re
from pathlib import Path

import pytest

import regraft
from regraft.reports.content import beside, in_words, overlap, warnings


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("r") / "r"
    regraft.fit("embedded:digits", out=str(out), controls="majority,raw")
    return out


def test_nothing_is_fetched(run: Path) -> None:
    page = (run / "report.html").read_text()
    text = re.sub(
        r'xmlns(:\w+)?="[^"]*"|href="#[^"]*"|<!DOCTYPE[^>]*>|<rdf:.*?</rdf:RDF>|<metadata>.*?</metadata>',
        "",
        page,
        flags=re.S,
    )
    assert not re.findall(r"https?://|<script|<link|@import|url\((?!#)", text)


def test_figures_charts_and_their_tables(run: Path) -> None:
    page = (run / "report.html").read_text()
    for heading in ("What was found in the data", "Beside its controls", "Confusion matrix", "most confident mistakes",
                    "Can its confidence be trusted", "A map of the features", "How it was made"):  # fmt: skip
        assert heading in page
    assert page.count("<svg") == 4 and page.count("<summary>values</summary>") == 3
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page
    assert page.count("data:image/jpeg;base64,") == 2 * page.count("<figure>") > 0, "each beside its map"
    assert "Right on " in page


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    before = (run / "report.html").read_bytes()
    regraft.report(str(run))
    assert (run / "report.html").read_bytes() == before


def result(**more):
    figures = {"val": {"accuracy": 0.9}, "controls": {"raw": {"accuracy": 0.8}}}
    gain = {"value": 0.1, "ci95": [0.05, 0.15], "against": "raw", "metric": "accuracy"}
    base = {
        "gain": gain,
        "backbone": "b",
        "seen": 0.0,
        "seen_in_training": 0.0,
        "metrics": figures,
        "items": {"val": 50},
    }
    return base | more


def test_warnings() -> None:
    assert warnings(result()) == []
    worse = {"value": -0.02, "ci95": [-0.05, 0.01], "against": "raw", "metric": "accuracy"}
    assert "does not clearly beat its control raw" in warnings(result(gain=worse))[0]
    copies = {"val": {}, "controls": {}, "val_without_copies": {"items": 8, "accuracy": 0.75}}
    assert "accuracy 0.7500 on 8 items" in warnings(result(metrics=copies))[0]


def test_what_the_pretraining_saw_stands_beside_the_figure() -> None:
    assert overlap(result()) == overlap(result(seen=None, seen_in_training=None)) == ""
    assert overlap(result(seen=0.25)).startswith(
        "but the pretraining of b saw 25 % of these pictures with their labels"
    )
    said = overlap(result(seen_in_training=0.6))
    assert "60 % of the training pictures" in said and "more than it is given here" in said
    target = {"val": {}, "target": {"accuracy": 0.9}}
    assert "saw 50 % of these" in overlap(result(seen=1.0, seen_in_target=0.5, metrics=target))
    assert overlap(result(seen=1.0, seen_in_target=0.0, metrics=target)) == "", "the figure is that of the target"
    assert beside({"accuracy": 0.9, "accuracy_ci95": [0.8, 0.95]}, "x") == "accuracy 0.9000 (0.8000 to 0.9500), x"


def test_the_gain_in_words() -> None:
    assert in_words(result()) == (
        "Right on 45 of 50 judged items, where its best control, raw, is right on 40: +10.0 points, "
        "95 % interval +5.0 to +15.0."
    )


def test_names_are_escaped(tmp_path: Path) -> None:
    from tests.conftest import write_shapes

    folder = write_shapes(tmp_path / "d", 6, classes=("<b>bold", "square"))
    found = regraft.fit(str(folder), out=str(tmp_path / "r"), controls="none")
    page = (tmp_path / "r/report.html").read_text()
    assert found.classes[0] == "<b>bold" and "<b>bold" not in page and "&lt;b&gt;bold" in page


def test_the_training_curve_shows_the_parts_of_the_loss() -> None:
    from regraft.reports import charts

    plain = [{"phase": "a", "loss": 2.0}, {"phase": "a", "loss": 1.0}]
    parts = [{**plain[0], "parts": {"classification": 1.5, "class_confusion": 0.5}},
             {**plain[1], "parts": {"classification": 1.0, "$x_loss": -0.5}}]  # fmt: skip
    assert charts.training(plain).count("var(--c") == 0
    shown = charts.training(parts)
    assert all(name in shown for name in ("classification", "class confusion", "$x loss"))
    assert all(f"var(--c{i})" in shown for i in range(3))
