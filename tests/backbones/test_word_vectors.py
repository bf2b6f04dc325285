"""Tables of word vectors: the formats, the means, and lines that are broken."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from regraft.backbones import catalog
from regraft.backbones.text.vectors import read
from regraft.core.errors import WeightsError
from regraft.features.engines.base import make_engine
from tests.backbones.tiny_text import array

WORDS = ["good", "film", "好吃", ". . ."]
TABLE = np.array([[1, 2, 3], [-1, 0.5, 4], [0, 0, 1], [9, 9, 9]], np.float32)
LINES = [f"{w} {' '.join(map(str, row))}" for w, row in zip(WORDS, TABLE.tolist(), strict=True)]


def write(path: Path) -> Path:
    """The table in the format that the file's name tells."""
    if path.name == "v.npz":
        np.savez(path, words=np.array(WORDS), vectors=TABLE.astype(np.float16))
    elif path.name == "word2vec.bin":
        rows = [w.replace(" ", "").encode() + b" " + v.tobytes() + b"\n" for w, v in zip(WORDS, TABLE, strict=True)]
        path.write_bytes(b"4 3\n" + b"".join(rows))
    elif path.name == "glove.txt":
        path.write_text("\n".join(LINES), encoding="utf-8")
    else:
        data = ("4 3\n" + " \n".join(LINES) + " \n").encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["v.npz", "word2vec.bin", "glove.txt", "fasttext.vec", "fasttext.vec.gz"])
def test_formats(tmp_path: Path, name: str) -> None:
    words, table = read(write(tmp_path / name))
    assert words == [*WORDS[:3], "..." if name == "word2vec.bin" else WORDS[3]]
    assert table.dtype == np.float32 and (table == TABLE).all()


def test_a_text_is_the_mean_of_its_words(tmp_path: Path) -> None:
    network = catalog.load(f"vectors:{write(tmp_path / 'v.vec')}")
    assert network.width == 3 and [n for n, _ in network.body.blocks] == ["vectors"]
    texts = ["A Good film, good!", "好吃", "nothing known", "", "film " * 700 + "good " * 350]
    rows = make_engine(network).run(array(texts))["pooled"]
    assert np.allclose(rows[0], (2 * TABLE[0] + TABLE[1]) / 3) and (rows[1] == TABLE[2]).all()
    assert (rows[2:4] == 0).all() and np.allclose(rows[4], (2 * TABLE[1] + TABLE[0]) / 3, atol=1e-5)
    assert network.tokeniser.unknown(texts[:1]) == 0.25
    assert network.tokeniser.unknown(["nothing known"]) == 1 and network.tokeniser.unknown([""]) == 0
    other = catalog.load(f"random:vectors:{tmp_path / 'v.vec'}")
    assert other.files == network.files and other.digest() != network.digest()


def test_the_first_of_two_equal_words_counts(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("a 1 2\nb 3 4\na 5 6\n")
    words, table = read(tmp_path / "v.txt")
    assert words == ["a", "b"] and table.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("name", "data", "message"), [
    ("v.txt", b"a 1 2\nb 3 x\n", "line 2 .*2 numbers"), ("v.txt", b"a 1 2\nb 3\n", "line 2"),
    ("v.txt", b"a 1 2\nb 3 nan\n", "line 2"), ("v.vec", b"2 3\na 1 2 3\nb 1 2\n", "line 3"),
    ("v.vec", b"3 2\na 1 2\nb 1 2\n", "holds 2 word vectors; its first line promises 3"), ("v.vec", b"", "holds 0"),
    ("v.txt", b"hello\n", "line 1"), ("v.bin", b"2 2\na " + bytes(8) + b"b " + bytes(4), "within the vector of word 2"),
    ("v.bin", b"\x00\x01\x02", "no file of word vectors"), ("v.npz", b"PK", "no arrays 'words'"),
    ("v.bin", b"1 1\na " + np.float32("nan").tobytes(), "not finite"), ("v.vec.gz", b"\x1f\x8bxx", "cannot be read"),
])  # fmt: skip
def test_broken_files(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=message) as error:
        catalog.load(f"vectors:{tmp_path / name}")
    assert name in str(error.value)


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", words=np.array(["a"]), vectors=np.ones((2, 3)))
    with pytest.raises(WeightsError, match=r"words of the shape \(1,\)"):
        read(tmp_path / "v.npz")
    np.savez(tmp_path / "o.npz", words=np.array(["a"], dtype=object), vectors=np.ones((1, 3)))
    with pytest.raises(WeightsError, match="no arrays"):
        read(tmp_path / "o.npz")
    with pytest.raises(WeightsError, match="There is no file"):
        catalog.load(f"vectors:{tmp_path}/none")
