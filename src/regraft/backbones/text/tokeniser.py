"""From texts to the numbers a network takes: the view, the tokeniser, windows of a bounded length, packing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from regraft.core.errors import WeightsError
from regraft.core.types import PreprocessSpec
from regraft.text.ngrams import terms
from regraft.text.views import view
from regraft.text.words import need, words

TOKENISER, WORDS, TERMS, DICTIONARY = "tokenizer.json", "words.json", "terms.json", "gloss.txt"
"""The names in `Pretrained.files`: of a subword tokeniser, a list of words or terms, the dictionary of the view."""


class Tokeniser(Protocol):
    """Gives token numbers. ``pad`` fills up what is shorter; ``ends`` are how many special tokens stand at each end."""

    pad: int
    ends: tuple[int, int]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text in the network's view, with special tokens, however many they are."""
        ...


class Subwords:
    """The tokeniser of a transformer (a ``tokenizer.json`` of the library tokenizers)."""

    def __init__(self, data: bytes, spec: PreprocessSpec, pad: int, dictionary: bytes | None = None) -> None:
        library = need("tokenizers", "A network with a tokeniser of subwords")
        try:
            self.inner = library.Tokenizer.from_buffer(data)
        except Exception as error:  # the library raises plain Exception
            raise WeightsError(f"The tokeniser is no whole tokenizer.json: {error}.") from error
        self.inner.no_truncation()
        self.inner.no_padding()
        self.pad = pad
        self.view = view(spec.view, dictionary)
        marks = self.inner.encode("a").special_tokens_mask
        first = next((i for i, special in enumerate(marks) if not special), 0)
        last = next((i for i, special in enumerate(reversed(marks)) if not special), 0)
        self.ends = (first, last)

    @property
    def rows(self) -> int:
        """How many rows a table of embeddings needs at least."""
        return max(self.inner.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        # what cannot be written as UTF-8 (half of a surrogate pair) becomes a question mark
        shown = [self.view(t).encode("utf-8", "replace").decode("utf-8") for t in texts]
        found = self.inner.encode_batch_fast(shown)
        return [e.ids for e in found]


class WordList:
    """Words as the numbers of their vectors; words without a vector are left out."""

    def __init__(self, data: bytes, spec: PreprocessSpec, dictionary: bytes | None = None) -> None:
        self.number = {word: i for i, word in enumerate(json.loads(data))}
        self.pad, self.ends = 0, (0, 0)
        self.view = view(spec.view, dictionary)

    def _numbers(self, text: str) -> list[int | None]:
        found = (self.number.get(w, self.number.get(w.lower())) for w in words(self.view(text)))
        return list(found)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[n for n in self._numbers(t) if n is not None] for t in texts]

    def unknown(self, texts: Sequence[str]) -> float:
        """The share of the texts' words that have no vector; 0 where there are no words."""
        numbers = [n for t in texts for n in self._numbers(t)]
        return sum(n is None for n in numbers) / max(1, len(numbers))


class TermList(WordList):
    """Terms of `regraft.text.ngrams` as the numbers of their vectors."""

    def _numbers(self, text: str) -> list[int | None]:
        return [self.number.get(t) for t in terms(self.view(text))]


def tokeniser(files: Mapping[str, bytes], spec: PreprocessSpec, pad: int) -> Subwords | WordList:
    """The tokeniser that a network's files hold."""
    dictionary = files.get(DICTIONARY)
    if WORDS in files:
        return WordList(files[WORDS], spec, dictionary)
    if TERMS in files:
        return TermList(files[TERMS], spec, dictionary)
    return Subwords(files[TOKENISER], spec, pad, dictionary)


def pack(rows: Sequence[Sequence[int]], length: int, made_by: Tokeniser) -> Tensor:
    """Token numbers -> int64 (n, 2, length): the numbers, and a mask of 1 where there is one.

    What is longer is cut to ``length``; the special tokens at its end stay.
    """
    packed = np.zeros((len(rows), 2, length), np.int64)
    packed[:, 0] = made_by.pad
    behind = made_by.ends[1]
    for i, row in enumerate(rows):
        if len(row) > length:
            row = [*row[: length - behind], *row[len(row) - behind :]]
        packed[i, 0, : len(row)] = row
        packed[i, 1, : len(row)] = 1
    return torch.from_numpy(packed)


def windows(row: Sequence[int], longest: int, made_by: Tokeniser) -> list[tuple[tuple[int, ...], int]]:
    """A text's numbers as windows of at most ``longest``, each with the special tokens at its ends, and each one's
    weight: the tokens it holds of the text. Windows are of nearly equal length; 0 is no bound.
    """
    if not longest or len(row) <= longest:
        return [(tuple(row), max(1, len(row) - sum(made_by.ends)))]
    before, behind = made_by.ends
    inside = list(row[before : len(row) - behind])
    count = -(-len(inside) // (longest - before - behind))
    parts: list[Any] = np.array_split(np.arange(len(inside)), count)
    return [
        ((*row[:before], *(inside[i] for i in part), *row[len(row) - behind :]), len(part)) for part in parts
    ]  # fmt: skip
