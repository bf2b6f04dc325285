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
MOST_WINDOWS = 16
"""So many windows of a text are read by a network that is loaded anew; a saved model knows its own number."""
_UNKNOWN = ("[UNK]", "<unk>")


class Tokeniser(Protocol):
    """Gives token numbers. ``pad`` fills up what is shorter; ``ends`` are how many special tokens stand at each end."""

    pad: int
    ends: tuple[int, int]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text in the network's view, with special tokens, however many they are; only of a text's
        first `PreprocessSpec.characters`.
        """
        ...

    def unknown(self, texts: Sequence[str]) -> float:
        """The share of what the texts consist of that it has no numbers for; 0 where they are empty."""
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
        self.shown = Shown(spec, dictionary)
        marks = self.inner.encode("a").special_tokens_mask
        first = next((i for i, special in enumerate(marks) if not special), 0)
        last = next((i for i, special in enumerate(reversed(marks)) if not special), 0)
        self.ends = (first, last)

    @property
    def rows(self) -> int:
        """How many rows a table of embeddings needs at least."""
        return max(self.inner.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        found = self.inner.encode_batch_fast([_writable(self.shown(t)) for t in texts])
        return [e.ids for e in found]

    def unknown(self, texts: Sequence[str]) -> float:
        """By characters, blanks not counted: one unknown token may stand for a run of them."""
        number = next((n for n in map(self.inner.token_to_id, _UNKNOWN) if n is not None), None)
        shown = [_writable(self.shown(t)) for t in texts]
        lost = [shown[i][a:b] for i, e in enumerate(self.inner.encode_batch(shown))
                for n, (a, b) in zip(e.ids, e.offsets, strict=True) if n == number]  # fmt: skip
        return _letters(lost) / max(1, _letters(shown))


class Shown:
    """What of a text a network with that spec is shown: its beginning, where there is a bound, in the view."""

    def __init__(self, spec: PreprocessSpec, dictionary: bytes | None) -> None:
        self.most, self.view = spec.characters or None, view(spec.view, dictionary)

    def __call__(self, text: str) -> str:
        return self.view(text[: self.most])


def _writable(text: str) -> str:
    """What cannot be written as UTF-8 (half of a surrogate pair) becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _letters(texts: Sequence[str]) -> int:
    return sum(not c.isspace() for text in texts for c in text)


class WordList:
    """Words as the numbers of their vectors; words without a vector are left out."""

    def __init__(self, data: bytes, spec: PreprocessSpec, dictionary: bytes | None = None) -> None:
        self.number = {word: i for i, word in enumerate(json.loads(data))}
        self.pad, self.ends = 0, (0, 0)
        self.shown = Shown(spec, dictionary)

    def _numbers(self, text: str) -> list[int | None]:
        found = (self.number.get(w, self.number.get(w.lower())) for w in words(self.shown(text)))
        return list(found)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[n for n in self._numbers(t) if n is not None] for t in texts]

    def unknown(self, texts: Sequence[str]) -> float:
        """By words."""
        numbers = [n for t in texts for n in self._numbers(t)]
        return sum(n is None for n in numbers) / max(1, len(numbers))


class TermList(WordList):
    """Terms of `regraft.text.ngrams` as the numbers of their vectors."""

    def _numbers(self, text: str) -> list[int | None]:
        return [self.number.get(t) for t in terms(self.shown(text))]


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


def windows(row: Sequence[int], longest: int, made_by: Tokeniser, most: int = 0) -> list[tuple[tuple[int, ...], int]]:
    """A text's numbers as windows of at most ``longest``, each with the special tokens at its ends, and each one's
    weight: the tokens it holds of the text. Windows are of nearly equal length and do not overlap, so that every token
    counts once; what is longer than ``most`` of them is cut there. 0 is no bound.
    """
    if not longest or len(row) <= longest:
        return [(tuple(row), max(1, len(row) - sum(made_by.ends)))]
    before, behind = made_by.ends
    inside = list(row[before : len(row) - behind])[: most * (longest - before - behind) or None]
    count = -(-len(inside) // (longest - before - behind))
    parts: list[Any] = np.array_split(np.arange(len(inside)), count)
    return [
        ((*row[:before], *(inside[i] for i in part), *row[len(row) - behind :]), len(part)) for part in parts
    ]  # fmt: skip
