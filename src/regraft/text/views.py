"""Views: functions of a text that bring it nearer to what a network knows, applied before its tokeniser.

A chain of them is written with ``+``: ``halfwidth+pinyin``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from regraft.core.errors import InputError
from regraft.core.registry import Registry
from regraft.text.cedict import Glosses
from regraft.text.words import HAN, han_words, need, runs, spaced

View = Callable[[str], str]

VIEWS = Registry("view", {
    "plain": "regraft.text.views:plain",
    "halfwidth": "regraft.text.views:halfwidth",
    "join": "regraft.text.views:join",
    "segment": "regraft.text.views:segment",
    "lemma": "regraft.text.views:lemma",
    "pinyin": "regraft.text.views:pinyin",
    "pinyin-tones": "regraft.text.views:pinyin_tones",
    "query": "regraft.text.views:query",
    "passage": "regraft.text.views:passage",
    "gloss": "regraft.text.views:gloss",
})  # fmt: skip

_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_BETWEEN = re.compile(rf"(?<=[{HAN}，。！？、；：])[ \u3000]+(?=[{HAN}，。！？、；：])")
_SCRIPTS = {"CYRILLIC": "ru", "GREEK": "el", "ARMENIAN": "hy", "GEORGIAN": "ka", "LATIN": "en"}


def plain(text: str) -> str:
    """NFC; characters without width and control characters out; every white space one blank."""
    composed = unicodedata.normalize("NFC", text)
    kept = (" " if c.isspace() else c for c in composed if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(kept).split())


def halfwidth(text: str) -> str:
    """Full-width letters, digits and punctuation as half-width ones (NFKC)."""
    return unicodedata.normalize("NFKC", text)


def join(text: str) -> str:
    """No blanks between Chinese characters, as Chinese is written: the reverse of `segment`."""
    return _BETWEEN.sub("", text)


def segment(text: str) -> str:
    """Chinese words parted by blanks (jieba); everything else as it is."""
    return spaced(han_words(piece) if chinese else [piece] for chinese, piece in runs(text))


def lemma(text: str) -> str:
    """Each word as its dictionary form (simplemma), the language by the script, English for Latin letters."""
    simplemma = need("simplemma", "The view lemma")

    def form(match: re.Match[str]) -> str:
        word = match[0]
        language = _SCRIPTS.get(unicodedata.name(word[0], "").partition(" ")[0])
        return str(simplemma.lemmatize(word, lang=language)) if language else word

    return _LETTERS.sub(form, text)


def pinyin(text: str) -> str:
    """Chinese characters as their sounds without tones (pypinyin), parted by blanks; everything else as it is."""
    return _sounds(text, "NORMAL")


def pinyin_tones(text: str) -> str:
    """As `pinyin`, with the tone as a digit behind each syllable."""
    return _sounds(text, "TONE3")


def query(text: str) -> str:
    """``query: `` in front: how E5 networks saw what is compared, grouped or classified, and questions
    (Wang et al. 2024). It stands last in a chain.
    """
    return f"query: {text}"


def passage(text: str) -> str:
    """``passage: `` in front: how E5 networks saw the documents among which a question's answer is."""
    return f"passage: {text}"


def gloss(dictionary: bytes, name: str) -> View:
    """The view that puts a dictionary's first meaning in the place of each Chinese word; ``name`` is the file's.

    Raises ``InputError`` where the bytes are not in the format of CC-CEDICT.
    """
    return Glosses.read(dictionary, name)


def steps(chain: str) -> tuple[str, ...]:
    """``"halfwidth+pinyin"`` -> ``("halfwidth", "pinyin")``; raises ``UnknownName`` and, for gloss, ``InputError``."""
    names = "|".join(sorted(map(re.escape, VIEWS), key=len, reverse=True))
    found = tuple(part.strip() for part in re.split(rf"\+(?=(?:{names})(?:$|[+:]))|\+(?![^+]*[/\\.])", chain))
    for step in found:
        _check(step)
    return found


def _check(step: str) -> None:
    name, _, path = step.partition(":")
    VIEWS.get(name)
    if (name == "gloss") != bool(path):
        raise InputError(
            "The view gloss needs a dictionary in the format of CC-CEDICT: gloss:PATH."
            if name == "gloss"
            else f"The view {name} takes nothing behind a colon, and {step!r} has {path!r}."
        )


def dictionary_of(view: Sequence[str]) -> Path | None:
    """The file that the gloss step of a view names; raises ``InputError`` where it is not there or there are two."""
    paths = [Path(step.partition(":")[2]).expanduser() for step in view if step.startswith("gloss:")]
    if len(paths) > 1:
        raise InputError("A view takes one gloss step, not several.")
    if paths and not paths[0].is_file():
        raise InputError(f"There is no dictionary {paths[0]}: gloss:PATH wants a file in the format of CC-CEDICT.")
    return paths[0] if paths else None


class Chain:
    """Functions of a text, one after the other."""

    def __init__(self, functions: list[View]) -> None:
        self.functions = functions

    def __call__(self, text: str) -> str:
        for function in self.functions:
            text = function(text)
        return text


def view(chain: Sequence[str], dictionary: bytes | None = None) -> View:
    """The steps as one function; ``dictionary`` takes the place of the file that a gloss step names."""
    functions: list[View] = []
    for step in chain:
        _check(step)
        name, _, path = step.partition(":")
        if name != "gloss":
            functions.append(VIEWS.get(name))
            continue
        if dictionary is None:
            file = dictionary_of([step])
            assert file is not None
            dictionary = file.read_bytes()
        functions.append(gloss(dictionary, path))

    return Chain(functions)


def _sounds(text: str, style: str) -> str:
    pypinyin = need("pypinyin", "The view pinyin")
    of_style = getattr(pypinyin.Style, style)
    return spaced(pypinyin.lazy_pinyin(p, style=of_style) if chinese else [p] for chinese, p in runs(text))
