"""`regraft align`: what is learned in one language serves in the other."""

from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.api import align
from regraft.core.errors import DataError, InputError

GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "poor", "awful", "dull")
GUT, SCHLECHT = ("gut", "toll", "fein", "lieblich"), ("schlecht", "arm", "furchtbar", "stumpf")


def vectors_file(path: Path, words: list[str], table: np.ndarray) -> str:
    lines = [
        f"{len(words)} {table.shape[1]}",
        *(f"{w} {' '.join(map(str, v))}" for w, v in zip(words, table, strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str, str]:
    """English, and a turned German with twenty more words that mean nothing, and a dictionary of most words."""
    rng = np.random.default_rng(0)
    english = [*GOOD, *BAD, *(f"thing{i}" for i in range(20))]
    german = [*GUT, *SCHLECHT, *(f"ding{i}" for i in range(20))]
    table = rng.normal(size=(28, 6)) * 0.3
    table[:4, 0] += 2
    table[4:8, 0] -= 2
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "\n".join(f"{a},{b}" for a, b in zip(german, english, strict=True)) + "\nunbekannt,unknown\n", encoding="utf-8"
    )
    return (vectors_file(tmp_path / "de.vec", german, table @ turn), vectors_file(tmp_path / "en.vec", english, table),
            str(pairs))  # fmt: skip


def test_a_model_of_one_language_reads_the_other(two: tuple[str, str, str], tmp_path: Path) -> None:
    source, target, pairs = two
    found = align(source, target, pairs, out=str(tmp_path / "both.npz"))
    assert (found.words, found.pairs, found.pairs_without_vectors, found.held_out) == (56, 28, 1, 5)
    assert found.precision_at_1 == 1.0 and found.by_chance == pytest.approx(1 / 28)
    rows = [f"{a} {b},{label}" for words, label in ((GOOD, "pos"), (BAD, "neg")) for a in words for b in words]
    (tmp_path / "train.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    result = regraft.fit(str(tmp_path / "train.csv"), backbone=f"vectors:{tmp_path / 'both.npz'}", controls="none",
                         out=str(tmp_path / "run"))  # fmt: skip
    model = regraft.load(result.run)
    assert list(model.predict([f"{a} {a}" for a in (*GUT, *SCHLECHT)])) == ["pos"] * 4 + ["neg"] * 4
    apart = regraft.fit(str(tmp_path / "train.csv"), backbone=f"vectors:{target}", controls="none",
                        out=str(tmp_path / "apart"))  # fmt: skip
    assert len(set(regraft.load(apart.run).predict([f"{a} {a}" for a in (*GUT, *SCHLECHT)]))) == 1, "not without it"


def test_chance_counts_targets_that_are_named_twice(two: tuple[str, str, str], tmp_path: Path) -> None:
    """Half of 40 pairs lead to one word: who guesses among them hits it in half of these, not in one of 40."""
    source, target, _ = two
    german = [*GUT, *SCHLECHT, *(f"ding{i}" for i in range(20))]
    english = [*GOOD, *BAD, *(f"thing{i}" for i in range(20))]
    rows = [f"{w},good" for w in german[:20]] + [f"{a},{b}" for a, b in zip(german[:20], english[:20], strict=True)]
    (tmp_path / "p.csv").write_text("\n".join(rows) + "\n")
    found = align(source, target, str(tmp_path / "p.csv"), out=str(tmp_path / "x.npz"))
    order = np.random.default_rng(0).permutation(40)[:8]
    targets = [r.split(",")[1] for r in rows]
    assert found.held_out == 8 and found.by_chance == pytest.approx(
        np.mean([targets.count(targets[i]) / 40 for i in order])
    )
    assert found.by_chance > 4 / 40


def test_a_dictionary_and_texts_are_pairs_too(two: tuple[str, str, str], tmp_path: Path) -> None:
    source, target, _ = two
    cedict = tmp_path / "dict.u8"
    cedict.write_text(
        "\n".join(f"{a} {a} [x] /{b}/" for a, b in zip((*GUT, *SCHLECHT), (*GOOD, *BAD), strict=True)) + "\n"
    )
    assert align(source, target, str(cedict), out=str(tmp_path / "a.npz")).pairs == 8
    texts = tmp_path / "texts.csv"
    texts.write_text("gut und toll,good great\nschlecht,bad\n")
    assert align(source, target, str(texts), out=str(tmp_path / "b.npz")).pairs == 2


def test_what_cannot_be_aligned_is_said(two: tuple[str, str, str], tmp_path: Path) -> None:
    source, target, pairs = two
    out = str(tmp_path / "x.npz")
    narrow = vectors_file(tmp_path / "narrow.vec", ["good"], np.ones((1, 3)))
    with pytest.raises(InputError, match="vectors of 6 numbers"):
        align(source, narrow, pairs, out=out)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("gut,good\nschlecht,bad,worse\n")
    with pytest.raises(DataError, match="line 2 has 3 columns"):
        align(source, target, str(wrong), out=out)
    wrong.write_text("nichts,nothing\n")
    with pytest.raises(InputError, match="None of the 1 pairs"):
        align(source, target, str(wrong), out=out)
    with pytest.raises(DataError, match="There is no file"):
        align(source, "nowhere.vec", pairs, out=out)
    with pytest.raises(InputError, match=r"\.npz"):
        align(source, target, pairs, out="x.vec")
    assert not Path(out).exists()
    Path(out).touch()
    with pytest.raises(InputError, match="--overwrite"):
        align(source, target, pairs, out=out)
