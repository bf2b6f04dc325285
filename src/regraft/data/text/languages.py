"""The language of a text, by its letters and, for Latin ones, by its most common words. A quick guess."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

LOOKED_AT = 4000

_LETTERS = {
    "zh": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "ja": "\u3041-\u30fa\u30fc-\u30ff\uff66-\uff9d",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
    "ru": "\u0400-\u052f",
    "ar": "\u0620-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc",
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "th": "\u0e01-\u0e5b",
    "hi": "\u0900-\u097f",
    "he": "\u0590-\u05ff",
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
}
_SCRIPTS = {name: re.compile(f"[{letters}]+") for name, letters in _LETTERS.items()}
_OTHER = re.compile("[\u0250-\u02ff\u0531-\u058f\u0980-\u0eff\u1000-\u137f\u1780-\u17ff\u1c90-\u1cbf\u1d00-\u1dbf]")
"""Phonetic signs, Armenian, Bengali to Lao, Burmese, Georgian, Amharic, Khmer: further letters that multilingual
networks know.
"""
_EMOJI = re.compile("[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff]")
_WEIGHT = {"zh": 4, "ja": 2, "ko": 2, "th": 2}
"""A Chinese character says as much as some four Latin letters."""

_NOT_RUSSIAN = re.compile("[ґєіїўђћљњџѓќѕјқғңәөүұһ]", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = {
    "en": "the and of to a in is it that this was for with as but on are you not have be his from by at an they its so "
    "i my very all who there what just more than like if good film movie great no we he she has or out about i'm",
    "de": "der die das und ist nicht ein eine einen ich zu den von mit sich auf für es im dem auch wie war aber sehr "
    "als bei noch nur wir sie oder hat nach so man mir kein gut film schon wenn des am sind",
    "fr": "le la les et est un une des de du en que qui dans pour pas ce il elle je ne sur au plus avec très mais son "
    "sont cette nous vous par c'est être tout bien film à se sa ou on",
    "es": "el la los las y es un una de del en que por para no con se su lo al más muy pero como me mi este esta son "
    "todo ya película bien fue está hay yo le o sin",
    "it": "il la lo gli le e è un una di del della che in per non con si sono ma più molto come mi questo questa ho ha "
    "film anche nel dei da al alla bene tutto era se ci o",
    "pt": "o a os as e é um uma de do da em que por para não com se seu mais muito mas como me este esta são foi no na "
    "filme bem ao dos das eu já está tem isso ou",
    "nl": "de het een en is niet van ik dat in te zijn op met voor die maar ook er aan heel als om bij naar dit wel "
    "geen nog zo wat was je heeft door over goed veel film hij",
}
_COMMON = {name: frozenset(words.split()) for name, words in _WORDS.items()}
SHARE = 0.1
"""The least share of a text's words that must be common ones of a language: texts of these seven have 25 to 50 %."""
NAMES = {
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "ar": "Arabic", "el": "Greek", "th": "Thai",
    "hi": "Hindi", "he": "Hebrew", "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "cyrillic": "a language in Cyrillic letters",
    "latin": "another language in Latin letters", "other": "a language in other letters",
    "rare": "a language in rare letters", "emoji": "emoji",
}  # fmt: skip
"""What the answers of `language_of` are called, but for ``none``."""
_NEED_MANY = (*_WORDS, "latin", "emoji")
PART = 0.1
"""A language that has so much of the words of some texts is one of theirs; with less, a few names or quotations."""
FEWEST_WORDS = 50
"""With fewer words in Latin letters, emoji among them, nothing is said of their language."""
_HAN = _LETTERS["zh"]
_CUT, _NEXT = re.compile(rf"(?<=[{_HAN}])[ \u3000]+(?=[{_HAN}])"), re.compile(rf"(?<=[{_HAN}])(?=[{_HAN}])")
CUT = 0.2
"""The least share of the places between two Chinese characters that hold a blank in texts cut into words; about half of
them do, and hardly any where Chinese is written as it is."""


class Languages(NamedTuple):
    """``texts`` maps each answer of `language_of` to its texts, the most frequent first; ``main`` are those of
    `NAMES` that have a part in the words, the largest first, none where the texts are too few or too short to tell.
    ``cut`` says whether Chinese is cut into words by blanks.
    """

    texts: dict[str, int]
    main: tuple[str, ...]
    cut: bool


def language_of(text: str) -> str:
    """zh, ja, ko, ru, cyrillic, ar, el, th, hi, he, en, de, fr, es, it, pt, nl; ``latin``, ``other`` or ``rare`` for
    letters of another language; where there are none ``emoji`` or ``none``. Of a long text the first 4,000 characters
    with a letter are looked at.
    """
    found = "none"
    for start in range(0, len(text), LOOKED_AT):
        told = _language(text[start : start + LOOKED_AT])
        if told not in ("emoji", "none"):
            return told
        found = told if found == "none" else found
    return found


def _language(text: str) -> str:
    if text.isascii():
        return _latin(text) if _SCRIPTS["latin"].search(text) else "none"
    text = unicodedata.normalize("NFKC", text)  # letters of formulas, ligatures and units are those that they look like
    counts = {name: sum(map(len, script.findall(text))) * _WEIGHT.get(name, 1) for name, script in _SCRIPTS.items()}
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        if any(c.isalpha() for c in text):
            return "other" if _OTHER.search(text) else "rare"
        return "emoji" if _EMOJI.search(text) else "none"
    if best == "zh" and counts["ja"] > 0.1 * counts["zh"]:
        return "ja"
    if best == "ru" and _NOT_RUSSIAN.search(text):
        return "cyrillic"
    return _latin(text) if best == "latin" else best


def _latin(text: str) -> str:
    words = _WORD.findall(text.lower())
    counts = {name: sum(w in common for w in words) for name, common in _COMMON.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] and counts[best] >= SHARE * len(words) else "latin"


def languages_in(texts: Iterable[str]) -> Languages:
    """What languages texts are in, weighed by their words, so that a text of two words hardly counts.

    What has one common word of English and no other, as a Polish text with the word film, may be anything. Where there
    is at least as much English, such words in plain letters are taken for it, else for another language.
    """
    counts, words, plain, cut, beside = Counter[str](), Counter[str](), 0, 0, 0
    for text in texts:
        name = language_of(text)
        counts[name] += 1
        text = text[:LOOKED_AT]
        if name == "en" and len(_COMMON["en"].intersection(_WORD.findall(text.lower()))) < 2:
            name = "latin"
        if name == "latin" and text.isascii():
            plain += _words(text, name)
        elif name != "none":
            words[name] += _words(text, name)
        if name == "zh":
            cut, beside = cut + len(_CUT.findall(text)), beside + len(_NEXT.findall(text))
    words["en" if words["en"] >= plain else "latin"] += plain
    total = words.total()
    main = [name for name, n in words.most_common() if n and n >= PART * total]
    if sum(words[name] for name in _NEED_MANY) < FEWEST_WORDS:
        main = [name for name in main if name not in _NEED_MANY]
    return Languages(dict(counts.most_common()), tuple(main), cut > CUT * (cut + beside))


def _words(text: str, language: str) -> int:
    """How many there are; two Chinese characters, or as much of other scripts without blanks, are about one, and so is
    an emoji.
    """
    if language == "emoji":
        return len(_EMOJI.findall(text))
    if language in _WEIGHT and language != "ko":
        return -(-sum(map(len, _SCRIPTS[language].findall(text))) // 2)
    return len(_WORD.findall(text))
