"""Texts that are there twice, empty, damaged or odd are named, and copies stay on one side of a split."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.cli.printing import print_inspection
from regraft.commands.inspect import inspect
from regraft.core.errors import DataError
from regraft.data.items import Texts
from regraft.data.splits import make_split
from regraft.data.text import texts as texts_module
from regraft.data.text.languages import language_of
from regraft.data.text.shortening import normalised
from regraft.data.text.texts import NEAR, text_facts

WORDS = [a + b for a in ("ba", "lo", "mi", "tu", "re", "sa") for b in ("n", "st", "ck", "ra", "lle", "x", "my")]


def sentence(seed: int, words: int = 14) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def write(path: Path, rows: list[tuple[str, ...]], head: str = "text,label") -> str:
    import csv
    import io

    buffer = io.StringIO()
    csv.writer(buffer).writerows([head.split(","), *rows])
    path.write_text(buffer.getvalue())
    return str(path)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("很快，好吃，味道足，量大", "zh"), ("iPhone很好用 screen is nice 但是太贵了不值得买", "zh"),
        ("この映画はとても面白かった", "ja"), ("정말 재미있는 영화였어요", "ko"), ("Очень хороший фильм", "ru"),
        ("Дуже гарний фільм, їхав додому", "cyrillic"), ("فيلم رائع جدا", "ar"), ("Πολύ καλή ταινία", "el"),
        ("หนังเรื่องนี้ดีมาก", "th"), ("यह फिल्म बहुत अच्छी है", "hi"), ("סרט מצוין", "he"),
        ("the plot is thin and the cast is wasted", "en"), ("Der Film ist nicht so gut wie das Buch", "de"),
        ("le film est trop long et je ne le conseille pas", "fr"), ("la película es muy larga y no me gusta", "es"),
        ("il film è troppo lungo e non mi piace", "it"), ("o filme é muito longo e não vale a pena", "pt"),
        ("de film is te lang en niet de moeite waard", "nl"), ("çok güzel bir filmdi", "latin"), ("ԲԱՐԵՎ", "other"),
        ("😀👍", "emoji"), ("!!! ...", "none"), ("12345", "none"), ("", "none"), ("." * 9000 + "这个真的很好", "zh"),
    ],
)  # fmt: skip
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_language_of_a_text_without_an_end() -> None:
    assert language_of("7 " * 3_000_000) == "none" and language_of("😀 " * 9_000 + "这个真的很好") == "zh"


def test_normalised_texts_are_equal_where_readers_see_no_difference() -> None:
    forms = ["Caf\u00e9  au\nlait", "cafe\u0301 AU lait ", "\ufeffcaf\u00e9 au\u200b lait", "ｃａｆé au lait"]
    assert {normalised(f) for f in forms} == {"café au lait"}
    assert normalised("not good") != normalised("good") and normalised("好。") != normalised("好")


def test_everything_planted_is_found_and_nothing_else(tmp_path: Path, capsys) -> None:
    rows = [(sentence(i), "ab"[i % 2]) for i in range(40)]
    assert inspect(write(tmp_path / "t.csv", rows)).problems == []
    longer = sentence(3, 60)
    rows[3] = (longer, "b")
    planted = [
        (sentence(0).upper().replace(" ", "  "), "a"), (sentence(1), "a"), (longer + " indeed", "b"), ("  ", "a"),
        ("\u200b", "b"), ("好", "a"), ("😀👍🏽", "a"), ("word " * 20_000, "b"), ("broken \ufffd thing of old", "a"),
        ("NaN", "a"),
    ]  # fmt: skip
    found = inspect(write(tmp_path / "t.csv", rows + planted))
    assert [(p.kind, p.item) for p in found.problems] == [
        ("empty", "row 45"), ("empty", "row 46"), ("short", "row 47"), ("no-words", "row 48"), ("long", "row 49"),
        ("damaged-text", "row 50"), ("looks-missing", "row 51"), ("duplicate", "row 42"),
        ("duplicate-two-labels", "row 43"), ("near-duplicate", "row 44"),
    ]  # fmt: skip
    assert found.items == 48 and found.lengths["max"] == 99_999 and found.languages["zh"] == 1 and not found.sizes
    print_inspection(found)
    text = capsys.readouterr().out
    assert "99,999 at most" in text and "zh 1" in text and "sizes" not in text and "row 43: is the same text" in text


def test_copies_stay_on_one_side(tmp_path: Path) -> None:
    rows = []
    for i in range(60):
        text = sentence(i % 20, 40)
        rows.append(((text, text.upper(), text + " indeed")[i // 20], "ab"[i % 2]))
    data = write(tmp_path / "t.csv", rows)
    for seed in range(5):
        split = make_split(data, seed=seed)
        assert split.val is not None and len(split.val) and split.pixels is not None and split.train_pixels is not None
        begin = lambda part: {normalised(part.items.load(i))[:80] for i in range(len(part))}
        assert not begin(split.train) & begin(split.val)
        assert not np.isin(split.pixels, split.train_pixels).any()
        assert split.copied is not None and not split.copied.any()


def test_copies_across_parts_and_files_are_named_and_marked(tmp_path: Path) -> None:
    rows = [(sentence(i), "ab"[i % 2], "train" if i < 20 else "val") for i in range(30)]
    rows[25] = (rows[5][0] + " ", "b", "val")
    split = make_split(write(tmp_path / "t.csv", rows, "text,label,part"))
    assert [(p.kind, p.item) for p in split.problems] == [("duplicate-across-parts", "row 27")]
    assert split.copied is not None and np.flatnonzero(split.copied).tolist() == [5]
    train = write(tmp_path / "train.csv", [r[:2] for r in rows[:20]])
    other = make_split(train, write(tmp_path / "val.csv", [r[:2] for r in rows[20:]]))
    assert other.copied is not None and np.flatnonzero(other.copied).tolist() == [5]


def test_empty_texts_are_left_out_of_both_sides(tmp_path: Path) -> None:
    data = write(tmp_path / "t.csv", [(sentence(i) if i % 5 else "", "ab"[i % 2]) for i in range(50)])
    split = make_split(data)
    assert split.val is not None and len(split.train) + len(split.val) == 40
    assert sum(p.kind == "empty" for p in split.problems) == 10
    with pytest.raises(DataError, match="None of the items of e can be read: row 2: it is empty"):
        inspect(write(tmp_path / "e.csv", [("", "a"), (" ", "b")]), text="text")


def similarity(a: str, b: str) -> float:
    one, other = ({t[i : i + 5] for i in range(len(t) - 4)} for t in (a, b))
    return len(one & other) / len(one | other)


def test_near_duplicates_agree_with_comparing_all_pairs() -> None:
    rng = np.random.default_rng(0)
    texts = [sentence(i, 50) for i in range(60)]
    for i in range(60):
        words = texts[i].split()
        for place in rng.choice(50, i % 7, replace=False):
            words[place] = "other"
        texts.append(" ".join(words))
    found = {tuple(sorted(p)) for p in text_facts(Texts(texts, "X"))[0].near.tolist()}
    plain = [normalised(t) for t in texts]
    wanted = {(i, j) for j in range(120) for i in range(j) if plain[i] != plain[j]
              and similarity(plain[i], plain[j]) >= NEAR}  # fmt: skip
    assert len(wanted) > 15 and found == wanted


@pytest.fixture
def one_band(monkeypatch) -> None:
    """All texts fall into one band of their sketches, and into no other."""
    plain = texts_module._sketches

    def sketches(texts):
        found = plain(texts)
        found[:, :4] = 0
        for band in range(1, 16):
            found[:, 4 * band] = np.arange(len(texts))
        return found

    monkeypatch.setattr(texts_module, "_sketches", sketches)


@pytest.mark.parametrize("many", [3, 60])
def test_near_duplicates_beside_a_stranger_in_the_same_band(one_band, many: int) -> None:
    """The first text of the band is near to none; few are compared each with each, of a crowd as many as join it."""
    rows = [f"{sentence(i // 2 + 1, 80)}{' more' if i % 2 else ''}" for i in range(many)]
    near = text_facts(Texts([sentence(0, 80), *rows], "X"))[0].near.tolist()
    assert near == [[i, i + 1] for i in range(1, many, 2)]


def test_a_copy_of_two_texts_joins_both_in_a_crowd(one_band) -> None:
    words = sentence(7, 60).split()
    middle, one, other = " ".join(words), " ".join(["here", *words[8:]]), " ".join([*words[:-8], "there"])
    assert similarity(one, other) < NEAR <= min(similarity(middle, one), similarity(middle, other))
    crowd = [sentence(100 + i, 80) for i in range(60)]
    assert text_facts(Texts([*crowd, one, other, middle], "X"))[0].near.tolist() == [[60, 62], [61, 62]]


def test_short_texts_are_no_near_duplicates_and_crowds_are_quick() -> None:
    short = Texts(["味道很好吃", "味道很好吃！", "味道很好吃。。"], "X")
    assert not len(text_facts(short)[0].near)
    crowd = [f"{sentence(1, 60)} item {i}" for i in range(4000)]
    start = time.perf_counter()
    near = text_facts(Texts(crowd, "X"))[0].near
    assert time.perf_counter() - start < 10
    assert set(near.reshape(-1).tolist()) == set(range(4000))


@pytest.mark.parametrize(
    ("name", "items", "language", "kinds"),
    [
        ("reviews_en", 10_662, "en", {"near-duplicate": 1}),
        ("reviews_zh_takeaway", 11_987, "zh", {"duplicate-two-labels": 7, "duplicate": 4}),
        ("reviews_zh_train", 4504, "zh", {}), ("reviews_zh_test", 369, "zh", {}),
    ],
)  # fmt: skip
def test_real_reviews(shared: Path, name: str, items: int, language: str, kinds: dict[str, int]) -> None:
    start = time.perf_counter()
    found = regraft.inspect(str(shared / "data" / f"{name}.csv.gz"))
    assert time.perf_counter() - start < 20
    assert found.items == items and list(found.classes) == ["neg", "pos"] and found.modality == "text"
    assert found.languages[language] > 0.97 * items
    assert Counter(p.kind for p in found.problems) == kinds
