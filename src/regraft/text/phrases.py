"""Words where they stand in a text, and the words and phrases it is made of."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from importlib.util import find_spec

from regraft.text.words import HAN, han_words

_CLAUSE = re.compile(r"[^\w\s'’\-]+|\n+")
_PIECE = re.compile(rf"(?P<han>[{HAN}]+)|[^\W_{HAN}]+(?:['’\-][^\W_{HAN}]+)*")
_HAN = re.compile(f"[{HAN}]")


@functools.cache
def has_words_of_chinese() -> bool:
    """Whether jieba is installed, which cuts Chinese into words."""
    return find_spec("jieba") is not None


def spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word, number, and picture sign such as an emoji.

    Chinese is cut by jieba, where it is not installed into single characters.
    """
    found: list[tuple[int, int]] = []
    for piece in _PIECE.finditer(text):
        start = piece.start()
        if piece["han"] is None:
            found.append(piece.span())
            continue
        for word in han_words(piece["han"]) if has_words_of_chinese() else piece["han"]:
            found.append((start, start + len(word)))
            start += len(word)
    signs = [(i, i + 1) for i, letter in enumerate(text) if unicodedata.category(letter) == "So"]
    return sorted([*found, *signs])


def phrases(text: str) -> list[str]:
    """Words, and pairs of neighbours inside a clause, in small letters; numbers alone are left out.

    Chinese words are those of jieba; where it is not installed, pairs of characters stand for words and phrases.
    """
    found: list[str] = []
    for clause in _CLAUSE.split(unicodedata.normalize("NFKC", text).lower()):
        words: list[str] = []
        for piece in _PIECE.finditer(clause):
            han = piece["han"]
            if han is None:
                words.append(piece[0])
            elif has_words_of_chinese():
                words += han_words(han)
            else:
                found += [han[i : i + 2] for i in range(max(1, len(han) - 1))]
        found += [w for w in words if not w.isdigit()]
        found += [_joined(a, b) for a, b in itertools.pairwise(words) if not (a.isdigit() and b.isdigit())]
    return found


def _joined(a: str, b: str) -> str:
    """Two neighbours as they are written: Chinese ones without a blank."""
    return f"{a}{b}" if _HAN.match(a[-1]) and _HAN.match(b[0]) else f"{a} {b}"
