"""What many texts say and why one got its class: planted words, topics and trends must come out."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import DataError, InputError
from regraft.metrics.intervals import share_change
from regraft.reports.insights import colours
from regraft.text_mining.topics import clusters, compact, number_of_topics
from regraft.text_mining.trends import between, periods

FILLERS = ["we came on monday", "there were four of us", "the place is by the river", "it was my birthday",
           "my sister chose it", "the street is quiet", "a table by the window", "near the old station"]  # fmt: skip
FOOD = ["the soup", "the fish soup", "the bread and soup"]
ROOM = ["the hotel room", "the bed in the room", "the room upstairs"]


def reviews(n: int, seed: int = 0, bad: float = 0.5) -> tuple[list[str], list[str]]:
    """Texts about food or a room, excellent or dreadful; what else is said has nothing to do with either."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(n):
        worse = rng.random() < bad
        about = rng.choice(FOOD if rng.random() < 0.5 else ROOM)
        said = rng.choice(
            ["dreadful, awful", "dreadful and bad"] if worse else ["excellent, lovely", "excellent, good"]
        )
        texts.append(f"{about} was {said}. {rng.choice(FILLERS)}")
        labels.append("neg" if worse else "pos")
    return texts, labels


def table(path: Path, head: list[str], *columns) -> str:
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([head, *zip(*columns, strict=True)])
    return str(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("m")
    data = table(folder / "t.csv", ["text", "label"], *reviews(120))
    return regraft.fit(data, backbone="regraft_tiny_text", controls="none", out=str(folder / "r")).run


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> str:
    """A model of two classes that may both be true: soup, dreadful."""
    folder = tmp_path_factory.mktemp("several")
    texts, labels = reviews(160)
    both = ["|".join(["soup"] * ("soup" in t) + ["bad"] * (label == "neg")) or "good"
            for t, label in zip(texts, labels, strict=True)]  # fmt: skip
    data = table(folder / "t.csv", ["text", "label"], texts, both)
    return regraft.fit(data, backbone="regraft_tiny_text", controls="none", out=str(folder / "r")).run


def test_shares_and_planted_words(model: str) -> None:
    texts, labels = reviews(200, seed=5, bad=0.3)
    found = regraft.insights(model, texts)
    shares = {s.label: s for s in found.classes}
    assert found.items == 200 and shares["neg"].items == labels.count("neg")
    low, high = shares["neg"].ci95
    assert low < 0.3 < high and shares["neg"].share == shares["neg"].items / 200
    assert 0.5 < found.confidence <= 1
    assert "dreadful" in found.words["neg"][0].term and "excellent" in found.words["pos"][0].term
    first = found.words["neg"][0]
    assert first.z > 5 and first.others == 0 and first.examples and "dreadful" in first.examples[0]
    assert not {t.term for t in found.words["neg"]} & {"soup", "room", "monday"}


def test_topics_are_what_texts_are_about(model: str) -> None:
    texts, _ = reviews(200, seed=6)
    found = regraft.insights(model, texts, topics=4)
    assert len(found.topics) == 4 and sum(t.items for t in found.topics) == 200
    for topic in found.topics:
        assert sum(c.items for c in topic.classes) == topic.items and 1 <= len(topic.typical) <= 3
        assert topic.terms and topic.name.startswith(topic.terms[0].term)
    assert found.topics == regraft.insights(model, texts, topics=4).topics, "the seed is fixed"


def test_planted_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = 10 * rng.normal(size=(3, 20))
    place = np.repeat([0, 1, 2], [50, 30, 20])
    rows = centres[place] + rng.normal(size=(100, 20))
    found, distance = clusters(compact(rows, [20]), 3)
    assert (found == place).all() and (distance < 1).all()
    one = clusters(compact(np.ones((30, 4)), [4]), 3)[0]
    assert (one == 0).all(), "points that do not differ are one cluster"
    assert [number_of_topics(n) for n in (20, 500, 1000, 10_000)] == [2, 5, 7, 12]


def test_a_planted_trend_is_seen(model: str, tmp_path: Path) -> None:
    early, late = reviews(150, seed=7, bad=0.2)[0], reviews(150, seed=8, bad=0.7)[0]
    days = [str(np.datetime64("2024-01-01") + i // 10) for i in range(300)]
    days[3], days[4] = "soon", ""
    data = table(tmp_path / "t.csv", ["when", "opinion", "date"], ["x"] * 300, early + late, days)
    found = regraft.insights(model, data, text="opinion")
    trend = found.trend
    assert trend is not None and trend.column == "date" and trend.period == "day" and len(trend.points) == 30
    assert trend.unread == 2 and any("2 of 300 dates cannot be read" in n for n in found.notes)
    assert trend.changes["neg"]["value"] > 0.3 and trend.changes["neg"]["ci95"][0] > 0.2
    assert trend.points[0].start == "2024-01-01" and trend.points[0].items == 8
    for point in trend.points:
        assert all(c.ci95[0] - 1e-9 <= c.share <= c.ci95[1] + 1e-9 for c in point.classes)


def test_periods() -> None:
    first = np.datetime64("2024-02-28")
    for span, name in ((39, "day"), (40, "week"), (260, "week"), (300, "month"), (1170, "month"), (1500, "quarter"),
                       (9000, "year")):  # fmt: skip
        found, starts = periods(np.array([first, first + span]))
        assert found == name and starts[0] <= first and len(between(starts[0], starts[1], name)) <= 40
    weeks = periods(np.array(["2024-03-03", "2024-03-04", "2024-09-01"], "datetime64[D]"))[1]
    assert weeks[:2].astype(str).tolist() == ["2024-02-26", "2024-03-04"], "weeks begin on Monday"
    quarter = periods(np.array(["2020-02-29", "2024-05-31"], "datetime64[D]"))[1]
    assert quarter.astype(str).tolist() == ["2020-01-01", "2024-04-01"]


def test_change_of_a_share_as_newcombe_has_it() -> None:
    """Newcombe 1998, table II, contrast a: 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    found = share_change((48, 80), (56, 70))
    assert found["value"] == pytest.approx(0.2) and found["ci95"] == pytest.approx([0.0524, 0.3339], abs=5e-5)


def test_input_that_will_not_do(model: str, tmp_path: Path) -> None:
    texts, _ = reviews(30, seed=9)
    data = table(tmp_path / "t.csv", ["text", "day", "colour"], texts, ["2024-01-01"] * 30, ["red"] * 30)
    for options, words in (
        ({"date": "dya"}, "--date dya: There is no column 'dya': did you mean 'day'"),
        ({"date": "colour"}, "--date colour: none of its cells is a date, such as 'red'"),
        ({"text": "review"}, "--text review: There is no column"),
        ({"text": "text", "date": "text"}, "both name text"),
        ({"topics": 1}, "--topics is 1; it must be 2 or more"), ({"topics": 7}, "6 is the most"),
        ({"out": "page.txt"}, "must end in .html"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            regraft.insights(model, data, **options)
    (tmp_path / "lines.txt").write_text("\n".join(texts))
    with pytest.raises(DataError, match="is no table, so it has no columns"):
        regraft.insights(model, str(tmp_path / "lines.txt"), date="day")
    with pytest.raises(DataError, match="nothing at 'nowhere.csv'"):
        regraft.insights(model, "nowhere.csv")
    with pytest.raises(DataError, match="Not one text can be read"):
        regraft.insights(model, ["", " "])
    found = regraft.insights(model, data)
    assert found.trend is None and any("do not name two days" in n for n in found.notes)
    assert regraft.insights(model, str(tmp_path / "lines.txt")).items == 30


def test_few_texts_one_class_and_empty_ones(model: str) -> None:
    found = regraft.insights(model, ["the soup was excellent, lovely", "an excellent room", "", "excellent, good"])
    assert found.items == 3 and found.failed == 1 and found.problems[0].item == "X[2]"
    assert not found.topics and any("3 texts are too few" in n for n in found.notes)
    assert any("every text the class pos" in n for n in found.notes) and not any(found.words.values())
    same = regraft.insights(model, ["excellent, good"] * 30)
    assert not same.topics and any("all texts are the same" in n for n in same.notes)


def test_a_model_of_pictures_is_refused(shapes: Path, tmp_path: Path) -> None:
    run = regraft.fit(str(shapes), controls="none", out=str(tmp_path / "r")).run
    with pytest.raises(InputError, match="is a model of pictures, and insights reads texts"):
        regraft.insights(run, ["a text"])
    with pytest.raises(InputError, match="There is nothing at 'a text'"):
        regraft.explain(run, "a text")


@pytest.mark.slow
def test_several_classes_and_a_fusion(several: str, tmp_path: Path) -> None:
    texts, _ = reviews(120, seed=4)
    found = regraft.insights(several, texts)
    items = {s.label: s.items for s in found.classes}
    assert abs(items["soup"] - sum("soup" in t for t in texts)) < 12 and "soup" in found.words["soup"][0].term
    data = table(tmp_path / "t.csv", ["text", "label"], *reviews(120))
    run = regraft.fit(data, backbone="regraft_tiny_text+tfidf", controls="none", out=str(tmp_path / "r")).run
    assert sum(t.items for t in regraft.insights(run, texts).topics) == 120
    why = regraft.explain(several, "the soup was dreadful and bad on monday")
    strongest = {c.label: max(c.words, key=lambda w: w.effect).word for c in why.classes}
    assert strongest["soup"] == "soup" and strongest["bad"] in ("dreadful", "bad")


def outside(page: str) -> list[str]:
    text = re.sub(r'xmlns(:\w+)?="[^"]*"|href="#[^"]*"|<metadata>.*?</metadata>', "", page, flags=re.S)
    return re.findall(r"https?://|<script|<link|@import|url\((?!#)", text)


def test_the_page_stands_alone(model: str, tmp_path: Path) -> None:
    texts, _ = reviews(60, seed=3)
    texts[1] = ""
    days = [f"{1 + i % 28}.{1 + i // 28}.2024" for i in range(60)]
    data = table(tmp_path / "t.csv", ["text", "<em>day"], texts, days)
    found = regraft.insights(model, data, out=str(tmp_path / "sub/i.html"))
    page = (tmp_path / "sub/i.html").read_text()
    assert found.out == str(tmp_path / "sub/i.html") and not outside(page)
    for heading in ("What people are talking about", "Share of each class", "Over time", "Words and phrases that carry",
                    "Topics", "What could not be used"):  # fmt: skip
        assert heading in page
    assert page.count("<svg") == 1 and "row 3: it is empty" in page and "<em>" not in page and "&lt;em&gt;day" in page
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page
    regraft.insights(model, data, out=str(tmp_path / "j.html"))
    assert (tmp_path / "j.html").read_text() == page, "the same texts give the same page"


def test_colours_of_classes() -> None:
    assert colours(["neg", "pos"]) == [1, 0] and colours(["a", "b", "c"]) == [0, 1, 2]
    assert colours(["neg", "neutral", "pos"]) == [1, 2, 0] and len(colours([str(i) for i in range(25)])) == 25


def test_the_planted_word_is_the_strongest(model: str, tmp_path: Path) -> None:
    text = "on Monday the place by the river was dreadful <i>for</i> us"
    found = regraft.explain(model, text, out=str(tmp_path / "e.html"))
    words = found.classes[0].words
    assert found.label == "neg" and [text[w.start : w.end] for w in words] == [w.word for w in words]
    best = max(words, key=lambda w: abs(w.effect))
    assert best.word == "dreadful" and best.effect > 0
    full, less = (regraft.load(model).predict_proba([t])[0, 0] for t in (text, text.replace("dreadful ", "")))
    odds = [np.log(p / (1 - p)) for p in (full, less)]
    assert best.effect == pytest.approx(odds[0] - odds[1], abs=1e-4), "the log-odds with the word less those without"
    page = (tmp_path / "e.html").read_text()
    assert not outside(page) and "<i>" not in page and re.search(r"--for\), 0\.55\)[^>]*>dreadful</mark>", page)


def test_a_model_no_better_than_its_controls_is_said_to_be_so(tmp_path: Path, capsys) -> None:
    """Labels by coin teach nothing; what words do to such a model tells nothing either."""
    from regraft.cli.printing import print_explanation

    coins = np.random.default_rng(1).choice(["neg", "pos"], 120).tolist()
    texts, labels = reviews(120)
    text, said = "the soup was dreadful on Monday", "The model is not shown to beat its control"
    for name, column in (("coins", coins), ("true", labels)):
        data = table(tmp_path / f"{name}.csv", ["text", "label"], texts, column)
        run = regraft.fit(data, backbone="regraft_tiny_text", controls="majority", out=str(tmp_path / name)).run
        found = regraft.explain(run, text, out=str(tmp_path / "e.html"))
        print_explanation(found, colour=False)
        shown = capsys.readouterr().out, (tmp_path / "e.html").read_text(), Path(run, "model/README.md").read_text()
        assert [said in place for place in shown] == [name == "coins"] * 3
        assert (
            found.warning is None if name == "true" else "majority: " in found.warning and "120 judged" in found.warning
        )


def test_long_and_short_texts_to_explain(model: str) -> None:
    found = regraft.explain(model, "excellent soup. " * 300)
    assert found.words_at_once == 3 and len(found.classes[0].words) == 200
    for text, words in (("soup", "has 1 word;"), ("...", "has no words")):
        with pytest.raises(InputError, match=words):
            regraft.explain(model, text)


def shown(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "regraft", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_command_line(model: str, several: str, tmp_path: Path) -> None:
    texts, _ = reviews(60, seed=3)
    days = [str(np.datetime64("2024-01-01") + i) for i in range(60)]
    data = table(tmp_path / "t.csv", ["text", "day"], texts, days)
    found = json.loads(shown("insights", model, data, "--out", str(tmp_path / "i.html"), "--json"))
    assert {"classes", "words", "topics", "trend", "notes", "problems"} <= set(found) and found["trend"][
        "period"
    ] == "week"
    plain = shown("insights", model, data)
    assert "60 texts of" in plain and "95 % interval" in plain and "by week from 2024-01-01" in plain
    text = "the soup was excellent but the room was dreadful"
    assert json.loads(shown("explain", model, text, "--json"))["text"] == text
    plain = shown("explain", model, text)
    assert re.search(r"\[-+excellent-+\]|\[\++excellent\++\]", plain) and "\033" not in plain
    assert "(not given)" in shown("explain", several, "the soup was lovely, excellent")


def test_colours_on_a_terminal(model: str, capsys) -> None:
    from regraft.cli.printing import print_explanation

    print_explanation(regraft.explain(model, "the place was dreadful and there is a table"), colour=True)
    assert "\033[1;36mdreadful\033[0m" in capsys.readouterr().out
