"""Tables of word vectors as networks: a text is the mean of the vectors of its words.

word2vec (binary and text), fastText ``.vec``, GloVe, and ``.npz`` with ``words`` and ``vectors``.
"""

from __future__ import annotations

import gzip
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from regraft.backbones.base import Body, Pretrained, SpatialMean
from regraft.backbones.rows import TINY_TEXT
from regraft.backbones.text.tokeniser import TERMS, WORDS
from regraft.core.errors import WeightsError
from regraft.core.files import sha256
from regraft.core.types import PreprocessSpec

WINDOW, MOST_WINDOWS = 512, 256
"""A mean over words costs little: more of a text is read than by a transformer."""
TINY, TINY_SOURCES = TINY_TEXT.name, TINY_TEXT.pretrained_on
Table = tuple[list[str], NDArray[np.float32]]


class WordVectors(nn.Module):
    """(N, 2, L), word numbers and mask -> pair of vectors (N, L, D) and mask (N, L)."""

    def __init__(self, words: int, dimensions: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, dimensions, device="meta")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.table(x[:, 0]), x[:, 1].bool()


def body(words: int, dimensions: int) -> Body:
    """The body for a table of ``words`` rows, without storage."""
    return Body([("vectors", WordVectors(words, dimensions))], SpatialMean())


def load(path: Path, name: str, *, trained: bool = True) -> Pretrained:
    """The table in ``path`` as a network; random vectors for the same words where not ``trained``.

    Raises ``WeightsError`` where the file is not there or is broken, with the number of the first broken line.
    """
    if not path.is_file():
        raise WeightsError(f"There is no file of word vectors {path}.")
    words, table = read(path)
    if not trained:
        table = np.random.default_rng(0).normal(0, 1, table.shape).astype(np.float32)
    made = body(*table.shape)
    made.load_state_dict({k: torch.from_numpy(table) for k in made.state_dict()}, assign=True)
    recipe = {"library": "vectors", "architecture": "word_vectors", "words": len(words),
              "dimensions": table.shape[1]}  # fmt: skip
    provenance: dict[str, Any] = {"weights": "random", "pretrained_on": "nothing", "licence": "not known"}
    if trained:
        provenance |= {"weights": "a file of the user's", "file": path.name, "sha256": sha256(path),
                       "pretrained_on": "not known"}  # fmt: skip
    files = {WORDS: json.dumps(words, ensure_ascii=False).encode()}
    spec = PreprocessSpec(modality="text", tokens=WINDOW, windows=MOST_WINDOWS)
    return Pretrained(name, made.freeze().eval(), None, spec, recipe, (), provenance, files=files)


def embedded(folder: Path, name: str, *, trained: bool = True) -> Pretrained:
    """`regraft_tiny_text`, or random vectors for its terms."""
    table = load_file(folder / f"{TINY}.safetensors")["table"].float()
    if not trained:
        table = torch.from_numpy(np.random.default_rng(0).normal(0, 1, tuple(table.shape)).astype(np.float32))
    made = body(*table.shape)
    made.load_state_dict(dict.fromkeys(made.state_dict(), table), assign=True)
    recipe = {"library": "vectors", "architecture": "word_vectors", "words": len(table), "dimensions": table.shape[1]}
    provenance: dict[str, Any] = {"weights": "random", "pretrained_on": "nothing", "licence": "Apache-2.0"}
    if trained:
        provenance |= {"weights": "v1", "file": f"{TINY}.safetensors", "pretrained_on": TINY_SOURCES}
    spec = PreprocessSpec(modality="text", tokens=WINDOW, windows=MOST_WINDOWS)
    files = {TERMS: (folder / f"{TINY}.terms.json").read_bytes()}
    return Pretrained(name, made.freeze().eval(), None, spec, recipe, (), provenance, files=files)


def read(path: Path) -> Table:
    """Words and their vectors (n, D); of a word that is there twice the first is kept. Raises ``WeightsError``."""
    if path.suffix == ".npz":
        words, table = _npz(path)
    else:
        try:
            with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
                start = file.read(1 << 16)
                file.seek(0)
                words, table = _binary(path, file) if _is_binary(start) else _text(path, file)
        except (OSError, EOFError) as error:
            raise WeightsError(f"{path} cannot be read: {error}.") from error
    first: dict[str, int] = {}
    for i, word in enumerate(words):
        first.setdefault(word, i)
    return list(first), np.ascontiguousarray(table[list(first.values())] if len(first) < len(words) else table)


def _is_binary(start: bytes) -> bool:
    """Whether there are bytes that no text has."""
    return any(c < 32 and c not in b"\t\n\r" for c in start)


def _npz(path: Path) -> Table:
    try:
        with np.load(path, allow_pickle=False) as found:
            words, table = found["words"], found["vectors"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} holds no arrays 'words' (text) and 'vectors': {error}.") from error
    if words.dtype.kind != "U" or table.ndim != 2 or table.shape != (len(words), table.shape[1]) or not table.size:
        raise WeightsError(
            f"{path} has words of the shape {words.shape} and type {words.dtype}, vectors {table.shape}; wanted are "
            "texts (n,) and vectors (n, D)."
        )
    table = table.astype(np.float32)
    if not np.isfinite(table).all():
        raise WeightsError(f"{path}: the vector of {words[~np.isfinite(table).all(1)][0]!r} is not finite.")
    return words.tolist(), table


def _header(line: bytes) -> tuple[int, int] | None:
    parts = line.split()
    if len(parts) == 2 and all(p.isdigit() for p in parts) and int(parts[1]):
        return int(parts[0]), int(parts[1])
    return None


def _binary(path: Path, file: BinaryIO | gzip.GzipFile) -> Table:
    header = _header(file.readline(200))
    if header is None:
        raise WeightsError(
            f"{path} is no file of word vectors: wanted are word2vec (binary or text), fastText .vec, GloVe or .npz."
        )
    count, width = header
    data = file.read()
    words, rows, at = [], [], 0
    for number in range(1, count + 1):
        end = data.find(b" ", at)
        if end < 0 or end + 1 + 4 * width > len(data):
            raise WeightsError(f"{path} ends within the vector of word {number}; its first line promises {count}.")
        words.append(data[at:end].lstrip(b"\n").decode("utf-8", "replace"))
        row = np.frombuffer(data, "<f4", width, end + 1)
        if not np.isfinite(row).all():
            raise WeightsError(f"{path}: the vector of word {number}, {words[-1]!r}, is not finite.")
        rows.append(row)
        at = end + 1 + 4 * width
    if not rows:
        raise WeightsError(f"{path} holds no word vectors.")
    return words, np.stack(rows)


def _text(path: Path, file: BinaryIO | gzip.GzipFile) -> Table:
    first = file.readline()
    header = _header(first)
    if header is None:
        file.seek(0)
    width = header[1] if header else 0
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    for number, line in enumerate(file, 2 if header else 1):
        text = line.decode("utf-8", "replace").rstrip()
        if not text:
            continue
        parts = text.split(" ") if " " in text else text.split("\t")
        width = width or len(parts) - 1
        row = _numbers(" ".join(parts[-width:])) if len(parts) > width > 0 else None
        if row is None or len(row) != width or not np.isfinite(row).all():
            raise WeightsError(
                f"{path}: line {number} is no word with {width or 'its'} numbers behind it: {text[:40]!r}."
            )
        words.append(" ".join(parts[:-width]))
        rows.append(row)
    if not rows or (header and len(rows) != header[0]):
        promised = f"its first line promises {header[0]}" if header else "at least one is wanted"
        raise WeightsError(f"{path} holds {len(rows)} word vectors; {promised}.")
    return words, np.stack(rows)


def _numbers(text: str) -> NDArray[np.float32] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text, np.float32, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
