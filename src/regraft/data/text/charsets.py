"""Which encoding bytes that are not UTF-8 are written in.

Every candidate decodes a sample; a model of how common characters are in each language (`regraft.data.text.letters`)
says how many bits the decoded text would cost, the fewest win. That reads a few characters right where counts of bytes
need hundreds. What no language of ours explains is asked of charset-normalizer.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from regraft.data.text import letters

SAMPLE = 1 << 12
_WEST = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "fi", "is", "ca")
_MIDDLE = ("pl", "cs", "sk", "hu", "ro", "hr", "de")
_SLAVIC = ("ru", "uk", "bg", "sr", "be")

CANDIDATES: dict[str, tuple[float, tuple[str, ...]]] = {
    "cp1252": (0, _WEST), "iso-8859-15": (4, _WEST), "mac-roman": (5, _WEST), "cp850": (8, _WEST), "cp437": (9, _WEST),
    "cp1250": (2, _MIDDLE), "iso-8859-2": (2.5, _MIDDLE), "cp852": (9, _MIDDLE),
    "cp1254": (2, ("tr",)), "cp857": (9, ("tr",)), "cp1257": (4, ("lv", "lt", "et")), "cp1258": (6, ("vi",)),
    "cp1251": (2, _SLAVIC), "koi8-r": (3, ("ru", "bg")), "koi8-u": (4, ("uk",)), "cp866": (6, _SLAVIC),
    "iso-8859-5": (6, _SLAVIC), "mac-cyrillic": (8, _SLAVIC),
    "cp1253": (4, ("el",)), "iso-8859-7": (4.5, ("el",)), "cp1255": (4, ("he",)), "cp1256": (4, ("ar", "fa")),
    "cp874": (4, ("th",)),
    "gb18030": (2, ("zh",)), "big5": (3, ("zh-hant",)), "shift_jis": (3, ("ja",)), "euc-jp": (4, ("ja",)),
    "euc-kr": (3, ("ko",)),
}  # fmt: skip
"""Encoding -> by how many bits it is less usual than others, and the languages that are written in it."""

WIDER = {
    "big5": ("cp950", "big5hkscs"), "shift_jis": ("cp932", "shift_jisx0213"), "euc-kr": ("cp949",),
    "euc-jp": ("euc_jp", "euc_jis_2004"), "iso-8859-15": ("cp1252",), "gb2312": ("gb18030",), "gbk": ("gb18030",),
    "iso8859-1": ("cp1252",), "iso8859-9": ("cp1254",), "koi8-r": ("koi8-u",), "tis-620": ("cp874",),
}  # fmt: skip
"""What is written under the first name is often of its extension."""

_HALF = 0.5
# none of these separators is the second byte of a character in any candidate
_FIELDS = re.compile(rb"[^\r\n\t,;\"]*[\x80-\xff][^\r\n\t,;\"]*")


class Guess(NamedTuple):
    """An encoding, how sure it is (0 to 1), and the next best that would give another text, with how sure that is."""

    encoding: str
    confidence: float
    second: str = ""
    second_confidence: float = 0.0


def decoded(data: bytes, encoding: str) -> str:
    """The text in an encoding or its usual extension; what means nothing in either becomes U+FFFD."""
    names = WIDER.get(_plain(encoding), ())
    for name in (*names, encoding):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return min((data.decode(name, errors="replace") for name in (*names, encoding)), key=lambda t: t.count("\ufffd"))


def suits(data: bytes, encoding: str) -> bool:
    """Whether bytes read well in an encoding, which is quicker told than whether they read best."""
    if encoding not in CANDIDATES:
        return False
    strange, _ = _strangeness(decoded(_sample(data), encoding), encoding)
    return strange < ORDINARY and "\ufffd" not in decoded(data, encoding)


ORDINARY = 11.0


def guess(data: bytes, usual: Mapping[str, float] | None = None) -> Guess:
    """The likeliest encoding of bytes that are not UTF-8. ``usual``: encoding -> by how many bits it is to be
    preferred, as by what the files beside it are written in.
    """
    sample = _sample(data)
    names = list(CANDIDATES)
    if len(sample) > 2 * FIRST:
        early = _costs(sample[:FIRST], names, usual or {})
        names = [n for n in names if early[n] <= min(early.values()) + HOPELESS]
    texts = {name: decoded(sample, name) for name in names}
    costs = _costs(sample, names, usual or {})
    order = sorted(costs, key=lambda name: costs[name])
    best = order[0]
    # the same text under another name is no rival
    rivals = [n for n in order[1:] if texts[n] != texts[best]]
    odds = [2 ** -min(60.0, _HALF * (costs[n] - costs[best])) for n in rivals]
    whole = 1 + sum(odds)
    strange, high = _strangeness(texts[best], best)
    if strange > STRANGE and high >= ENOUGH:
        asked = _asked(sample)
        if asked is not None and asked[0] not in CANDIDATES:
            return Guess(asked[0], asked[1], best, (1 - asked[1]) / whole)
    return Guess(best, 1 / whole, rivals[0], odds[0] / whole) if rivals else Guess(best, 1.0)


FIRST, HOPELESS = 120, 40.0
"""Candidates that lag by so many bits after the first bytes of a sample are not tried on the rest."""

STRANGE, ENOUGH = 14.5, 20
"""Where so many characters beyond ASCII cost more bits than so on the average, no language of ours explains them."""


def least_cost(text: str) -> float:
    """Bits that a text costs in whatever language, however it was encoded."""
    return min(cost(text, name) - CANDIDATES[name][0] for name in CANDIDATES)


def _costs(sample: bytes, names: Iterable[str], usual: Mapping[str, float]) -> dict[str, float]:
    return {name: cost(decoded(sample, name), name) - usual.get(name, 0.0) for name in names}


def _asked(sample: bytes) -> tuple[str, float] | None:
    """charset-normalizer's answer: an encoding and how sure it is."""
    from charset_normalizer import from_bytes

    found = from_bytes(sample).best()
    return None if found is None else (found.encoding.replace("_", "-"), 1 - found.chaos)


def _strangeness(text: str, name: str) -> tuple[float, int]:
    """What a letter beyond ASCII costs on the average, and how many there are."""
    found = Counter(c for c in text if c > "\x7f" and _is_letter(c))
    total = sum(found.values())
    return min(_letters_cost(found, language) for language in CANDIDATES[name][1]) / max(total, 1), total


def cost(text: str, name: str) -> float:
    """Bits that a text costs in the likeliest language of an encoding, with what the encoding itself costs."""
    bits, languages = CANDIDATES[name]
    eastern = languages[0] in _EAST
    plain: Counter[str] = Counter()
    marked: Counter[str] = Counter()
    alone = 0
    for (before, c, after), n in Counter(zip(" " + text, text, text[1:] + " ", strict=False)).items():
        bits += n * _place_bits(before, c, after, eastern)
        if _is_letter(c):
            (plain if c < "\x80" else marked)[c] += n
            alone += n * (c > "\x7f" and not before.isalpha() and not after.isalpha())
    if languages[0] in letters.LATIN:
        return bits + min(_letters_cost(marked, language) + against
                          for language, against in _a_to_z(plain, languages).items())  # fmt: skip
    # a lonely character of another script among Latin words is rarely meant, be it there ever so often (à la carte)
    latin = sum(plain.values())
    foreign = LONELY * alone if marked.total() == alone <= latin / 4 else min(FOREIGN, 0.3 * latin)
    return bits + foreign + min(_letters_cost(marked, language) for language in languages)


def _letters_cost(marked: Mapping[str, int], language: str) -> float:
    rarer = letters.LATIN[language][1] if language in letters.LATIN else 0.0
    return rarer + sum(n * _letter_bits(c, language) for c, n in marked.items())


def _a_to_z(plain: Mapping[str, int], languages: Iterable[str]) -> dict[str, float]:
    """What the letters without marks say against each language: of many no more than of ``HEARD`` of them, since
    marked words stand among English ones often enough.
    """
    bits = {name: sum(n * place[c.lower()] for c, n in plain.items()) for name, place in _PLACES.items()}
    share = min(1.0, HEARD / max(sum(plain.values()), 1))
    return {name: 0.18 * share * (bits[name] - min(bits.values())) for name in languages}


_PLACES = {name: {c: i for i, c in enumerate(order)} for name, order in letters.A_TO_Z.items()}
HEARD = 40
FOREIGN, LONELY = 5.0, 8.0


def _sample(data: bytes) -> bytes:
    """The fields and lines with characters beyond ASCII, from all over, some 4 KB of them."""
    fields = _FIELDS.findall(data)
    step = max(1, sum(map(len, fields)) // SAMPLE)
    return b"\n".join(field[:SAMPLE] for field in fields[::step])[: 2 * SAMPLE]


_EAST = ("zh", "zh-hant", "ja", "ko")


def _is_letter(c: str) -> bool:
    return c.isalpha() or (c > "\x7f" and unicodedata.category(c)[0] == "M")


@lru_cache(maxsize=1 << 16)
def _place_bits(before: str, c: str, after: str, eastern: bool) -> float:
    """What a character costs between its neighbours in any language; of letters beyond ASCII what is odd about it."""
    if c < "\x80":
        return _ascii_bits(c) + (8.0 if c.isalpha() and _is_foreign(before) else 0.0)
    if not _is_letter(c):
        return _mark_bits(before, c, after, eastern)
    lonely = 4.0 if _script(c) == "LATIN" else 6.0
    bits = 0.0 if before.isalpha() or after.isalpha() else lonely
    if c.lower() != c:
        bits += 10.0 if before.islower() else 0.7 if before.isupper() or after.isupper() else 2.5
    if "\uff61" <= c <= "\uff9f" and "\uff61" <= before <= "\uff9f":
        bits -= 4.5
    return bits + (8.0 if not eastern and before.isalpha() and _script(before) != _script(c) else 0.0)


def _is_foreign(c: str) -> bool:
    return c > "\x7f" and c.isalpha() and _script(c) != "LATIN"


def _mark_bits(before: str, c: str, after: str, eastern: bool) -> float:
    """What a sign beyond ASCII costs that is no letter."""
    if unicodedata.category(c) in ("Cc", "Co", "Cn", "Cs") or c == "\ufffd":
        return 26.0
    if eastern:
        return 6.0 if c in "，。、！？" else 9.0 if c in "“”…：；（）《》「」『』～・\u3000‘’—" else 17.0
    inside = 5.0 if before.isalpha() and after.isalpha() and c not in "’·\u200c" else 0.0
    usual, rare = "«»‘—°€£¿¡•§،؟\u200c", "©®„·º\xa0№™½"
    return inside + (7.0 if c in "’“”–…" else 9.0 if c in usual else 11.0 if c in rare else 17.0)


def _ascii_bits(c: str) -> float:
    if c.isalpha():
        return 4.5 if c.islower() else 7.0
    if c == " ":
        return 3.0
    return 6.0 if c.isdigit() or c in ".,\n" else 8.0 if c.isprintable() or c in "\t\r" else 20.0


@lru_cache(maxsize=1 << 16)
def _letter_bits(c: str, language: str) -> float:
    """-log2 of how common a letter beyond ASCII is in a language."""
    table = _table(language)
    if bits := table.get(c) or table.get(c.lower()):
        return bits
    if language in ("zh", "zh-hant"):
        first, whole = ("gb-1", "gb") if language == "zh" else ("big5-1", "big5")
        return 13.5 if c in _standard(first) else 19.0 if c in _standard(whole) else 23.0
    if language == "ja":
        return 13.5 if c in _standard("jis-1") else 12.0 if "\u3041" <= c <= "\uff9f" and not _is_han(c) else 19.0
    if language == "ko":
        return 14.5 if "\uac00" <= c <= "\ud7a3" and c in _standard("ksx") else 20.0
    return 13.5 if c.lower() in _known(_script(c)) else 19.0


def _is_han(c: str) -> bool:
    return "\u3400" <= c <= "\u9fff" or "\uf900" <= c <= "\ufaff"


@cache
def _standard(name: str) -> frozenset[str]:
    """The characters of a national standard, or of its first half, which holds the common ones."""
    codec, first, last = _STANDARDS[name]
    pairs = (bytes((a, b)) for a in range(first, last + 1) for b in range(0x40, 0xFF))
    return frozenset(pair.decode(codec, errors="ignore") for pair in pairs)


_STANDARDS = {
    "gb-1": ("gb2312", 0xB0, 0xD7), "gb": ("gb2312", 0xA1, 0xF7), "big5-1": ("big5", 0xA4, 0xC6),
    "big5": ("big5", 0xA1, 0xF9), "jis-1": ("euc_jp", 0xB0, 0xCF), "ksx": ("euc_kr", 0xB0, 0xC8),
}  # fmt: skip


@cache
def _table(language: str) -> dict[str, float]:
    """Character -> bits, of those that are common in a language."""
    if language in letters.LATIN:
        # the same share for all: how many of a text's letters have marks says less than which
        return _spread((letters.LATIN[language][0], 0.06, 0.8))
    if language in letters.ALPHABETS:
        return _spread((letters.ALPHABETS[language], 0.8, 0.9))
    if language == "ja":
        return _spread((letters.HIRAGANA, 0.5, 0.95), (letters.KATAKANA, 0.12, 0.97), (letters.KANJI, 0.18, 0.994))
    if language == "ko":
        return _spread((letters.HANGUL, 0.85, 0.985))
    own = letters.HAN_SIMPLIFIED if language == "zh" else letters.HAN_TRADITIONAL
    return _spread((letters.HAN_OF_BOTH, 0.45, 0.994), (own, 0.22, 0.985))


def _spread(*parts: tuple[str, float, float]) -> dict[str, float]:
    """Bits of characters that share a probability, each so many times as likely as the one before it."""
    found: dict[str, float] = {}
    for characters, share, decay in parts:
        first = share * (1 - decay) / (1 - decay ** len(characters))
        for i, c in enumerate(characters):
            found.setdefault(c, -math.log2(first) - i * math.log2(decay))
    return found


@cache
def _known(script: str) -> frozenset[str]:
    """The letters of all languages of a script."""
    strings: Iterable[str] = (*(s for s, _ in letters.LATIN.values()), *letters.ALPHABETS.values())
    return frozenset(c for s in strings for c in s if _script(c) == script)


@lru_cache(maxsize=1 << 14)
def _script(c: str) -> str:
    return unicodedata.name(c, "").split(" ")[0]


def _plain(encoding: str) -> str:
    """One name for all spellings of an encoding: Python's own where it knows it, but as it is mostly written."""
    name = encoding.lower().replace("_", "-")
    if name in CANDIDATES or name in WIDER or encoding in CANDIDATES:
        return encoding if encoding in CANDIDATES else name
    known = codecs.lookup(encoding).name
    return {"shift-jis": "shift_jis", "shift_jis": "shift_jis", "euc_kr": "euc-kr", "euc_jp": "euc-jp"}.get(
        known, known
    )
