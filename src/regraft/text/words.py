"""The words of a text: runs of letters by rule, Chinese by jieba; libraries that may not be installed."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from regraft.core.errors import InputError
from regraft.core.runtime import cache_dir

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_RUN = re.compile(rf"([{HAN}]+)")
_LETTERS = re.compile(rf"[^\W\d_{HAN}]+(?:['’][^\W\d_{HAN}]+)*|\d+")


def need(library: str, what: str, extra: str = "text") -> Any:
    """The imported library; raises ``InputError`` with the way to get it where it is not installed."""
    try:
        return import_module(library)
    except ImportError as error:
        raise InputError(
            f"{what} needs the library {library}, which is not installed: pip install 'regraft[{extra}]'."
        ) from error


@functools.cache
def segmenter() -> Any:
    """jieba's tokenizer, silent, with its dictionary kept in regraft's own cache folder."""
    jieba = need("jieba", "Cutting Chinese into words")
    jieba.setLogLevel(logging.CRITICAL)
    folder = cache_dir() / "jieba"
    folder.mkdir(parents=True, exist_ok=True)
    made = jieba.Tokenizer()
    made.tmp_dir = str(folder)
    return made


def runs(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is Chinese, piece) for each piece; the pieces together are the text."""
    for i, piece in enumerate(_RUN.split(text)):
        if piece:
            yield i % 2 == 1, piece


def spaced(pieces: Iterable[Iterable[str]]) -> str:
    """All pieces in one line, parted by single blanks."""
    return " ".join(part.strip() for piece in pieces for part in piece if part.strip())


def han_words(piece: str) -> list[str]:
    """A run of Chinese characters as words (jieba)."""
    found: list[str] = segmenter().lcut(piece)
    return found


def words(text: str) -> list[str]:
    """Words and numbers, without punctuation and in their own spelling."""
    found: list[str] = []
    for chinese, piece in runs(text):
        found += han_words(piece) if chinese else _LETTERS.findall(piece)
    return found
