"""Texts -> what an exported graph takes: views, tokenisers, windows, counts. It needs NumPy, and tokenizers where a
network has subwords; nothing of regraft, beside whose files it is laid.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff]")
PIECES = re.compile(r"[\u3400-\u9fff]+|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[^\w\s]")
HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af\uff0c\u3002\uff01\uff1f\u3001\uff1b\uff1a"
BETWEEN = re.compile(f"(?<=[{HAN}])[ \u3000]+(?=[{HAN}])")
WORDS, BLANKS = re.compile(r"(?u)\w+|[^\w\s]"), re.compile(r"\s\s+")


class TextInputs:
    """``about["parts"]`` tells how each network of a model reads a text; ``read`` gives a file's bytes by its name."""

    def __init__(self, about: dict[str, Any], read: Callable[[str], bytes]) -> None:
        made: dict[str, Any] = {"subwords": Subwords, "terms": Terms, "counts": Counts}
        self.parts = [made[part["reads"]](part, read(part["file"])) for part in about["parts"]]

    def __call__(self, text: str) -> dict[str, Any]:
        """What the graph takes of one text; raises ``ValueError`` where there is nothing to read."""
        if not INVISIBLE.sub("", text).strip():
            raise ValueError("it is empty")
        text, found = text.strip(), dict[str, Any]()
        for part in self.parts:
            found.update(part(text))
        return found


class Windowed:
    """A text as windows of at most ``longest`` token numbers, and the share of its tokens that each holds."""

    def __init__(self, part: dict[str, Any]) -> None:
        self.part, self.pad = part, part["pad"]

    def numbers(self, text: str) -> list[int]:
        raise TypeError("a tokeniser gives the numbers")

    def __call__(self, text: str) -> dict[str, Any]:
        shown = seen(text[: self.part.get("characters") or None], self.part["view"])
        windows, weights = self.windows(self.numbers(shown))
        tokens = np.zeros((len(windows), 2, max(1, *map(len, windows), 1)), np.int64)
        tokens[:, 0] = self.pad
        for i, window in enumerate(windows):
            tokens[i, 0, : len(window)] = window
            tokens[i, 1, : len(window)] = 1
        shares = np.array([weights], np.float32)
        return dict(zip(self.part["inputs"], (tokens, shares / shares.sum()), strict=True))

    def windows(self, row: list[int]) -> tuple[list[list[int]], list[int]]:
        """Windows of nearly equal length, with the special tokens at their ends, and how many others each holds; what
        is longer than the ``windows`` that are read is cut there.
        """
        longest, (before, behind) = self.part["longest"], self.part["ends"]
        if not longest or len(row) <= longest:
            return [row], [1]
        most = self.part.get("windows", 0) * (longest - before - behind)
        inside = row[before : len(row) - behind][: most or None]
        cuts = np.array_split(np.arange(len(inside)), -(-len(inside) // (longest - before - behind)))
        return [[*row[:before], *(inside[i] for i in cut), *row[len(row) - behind :]] for cut in cuts], [
            *map(len, cuts)
        ]


class Subwords(Windowed):
    """The tokeniser of a transformer, its ``tokenizer.json``."""

    def __init__(self, part: dict[str, Any], data: bytes) -> None:
        from tokenizers import Tokenizer

        super().__init__(part)
        self.inner = Tokenizer.from_buffer(data)
        self.inner.no_truncation()
        self.inner.no_padding()

    def numbers(self, text: str) -> list[int]:
        found: list[int] = self.inner.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
        return found


class Terms(Windowed):
    """Words and four letters inside them, of Chinese the characters and pairs of them, by the numbers of their
    vectors.
    """

    def __init__(self, part: dict[str, Any], data: bytes) -> None:
        super().__init__(part)
        self.number = {term: i for i, term in enumerate(json.loads(data))}

    def numbers(self, text: str) -> list[int]:
        return [self.number[t] for t in self.terms(text) if t in self.number]

    def terms(self, text: str) -> Iterator[str]:
        """The terms of a text, in its order."""
        for piece in PIECES.findall(unicodedata.normalize("NFKC", text).lower()):
            if "\u3400" <= piece[0] <= "\u9fff":
                yield from piece
                yield from (piece[i : i + 2] for i in range(len(piece) - 1))
            elif piece[0].isdigit():
                yield "0"
            else:
                yield piece
                inside = f"<{piece}>" if len(piece) > 2 else ""
                yield from ("##" + inside[i : i + 4] for i in range(len(inside) - 3))


class Counts:
    """How often a text holds each of the words, pairs of words and character sequences that a model counts."""

    def __init__(self, part: dict[str, Any], data: bytes) -> None:
        self.part, terms = part, json.loads(data)
        self.places: dict[str, dict[str, int]] = {}
        start = 0
        for kind, some in terms.items():
            self.places[kind] = {term: start + i for i, term in enumerate(some)}
            start += len(some)
        self.width = start

    def __call__(self, text: str) -> dict[str, Any]:
        low = seen(text, self.part["view"]).lower()
        counts = np.zeros((1, self.width), np.float32)
        for kind, terms in (("word", word_terms(low)), ("char", letter_terms(low))):
            place = self.places[kind]
            for term, n in Counter(terms).items():
                if term in place:
                    counts[0, place[term]] = n
        return {self.part["inputs"][0]: counts}


def word_terms(text: str) -> Iterator[str]:
    """Words and single signs, and each with the one behind it."""
    words = WORDS.findall(text)
    yield from words
    yield from (f"{a} {b}" for a, b in pairwise(words))


def letter_terms(text: str) -> Iterator[str]:
    """One to four characters inside each word, a blank at both of its ends; a word that is shorter once, whole."""
    for word in BLANKS.sub(" ", text).split():
        padded = f" {word} "
        for n in range(1, 5):
            yield from (padded[i : i + n] for i in range(max(1, len(padded) - n + 1)))
            if len(padded) <= n:
                break


def seen(text: str, view: list[str]) -> str:
    """The text as the network is shown it."""
    for step in view:
        text = VIEWS[step](text)
    return text


def halfwidth(text: str) -> str:
    """Full-width letters and signs as half-width ones."""
    return unicodedata.normalize("NFKC", text)


def plain(text: str) -> str:
    """Characters in their composed form, without control characters and invisible ones, single blanks."""
    composed = unicodedata.normalize("NFC", text)
    kept = (" " if c.isspace() else c for c in composed if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(kept).split())


def join(text: str) -> str:
    """No blanks between Chinese characters."""
    return BETWEEN.sub("", text)


VIEWS: dict[str, Callable[[str], str]] = {
    "plain": plain,
    "halfwidth": halfwidth,
    "join": join,
    "query": "query: {}".format,
    "passage": "passage: {}".format,
}
"""The views that need no library beyond Python's own."""
