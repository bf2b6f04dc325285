"""Names of files as people write them: one Unicode form, whatever bytes a disk or an archive holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from regraft.data.text.charsets import Guess, decoded, guess, least_cost

_LONELY = re.compile("[\ud800-\udfff]")

SHORT = 80
"""A short name stays below so many bytes of UTF-8: a disk takes 255, and more is put behind it."""

OF_NAMES = {"cp1252": 3.0, "cp437": 7.0, "cp850": 6.5, "cp866": 4.0, "cp852": 4.0,
            "mac-roman": -8.0, "mac-cyrillic": -8.0}  # fmt: skip
"""By how many bits encodings are preferred: archives and old disks name files in the code pages of DOS, as no texts
are, and names are so short that the most usual encoding is to be believed; macOS has named files in UTF-8 for long."""

_HIDDEN = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information", "icon\r")
)


def hidden(name: str) -> bool:
    """Whether a file or folder is one that desktops and tools hide."""
    return name.startswith((".", "__MACOSX")) or name.lower() in _HIDDEN


def shown(name: str) -> str:
    """A name that can be written anywhere: in NFC (macOS writes é as e and an accent), bytes that are no UTF-8 decoded
    as what they most likely are.
    """
    if name.isascii():
        return name
    return spelled(name, guess_of([name]) if _LONELY.search(name) else None)


def odd(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that hold bytes that are no UTF-8, as Python keeps them (lone surrogates)."""
    return [name for name in names if not name.isascii() and _LONELY.search(name)]


def guess_of(names: Iterable[str]) -> Guess:
    """What the odd ones among ``names`` are written in, judged by all of them together."""
    pieces = sorted({piece for name in names for piece in name.split("/") if _LONELY.search(piece)})
    return guess(b"\n".join(map(_bytes, pieces)), OF_NAMES)


def spelled(name: str, how: Guess | None) -> str:
    """A name in NFC, its odd pieces decoded as ``how`` says, the encoding of the names beside it."""
    if name.isascii():
        return name
    if how is not None:
        name = "/".join(_decoded(piece, how.encoding) for piece in name.split("/"))
    return unicodedata.normalize("NFC", name)


@lru_cache(maxsize=1 << 12)
def _decoded(piece: str, encoding: str) -> str:
    """A piece of a name; one that is UTF-8 only by chance, as it then reads worse, is decoded too."""
    if piece.isascii():
        return piece
    text = decoded(_bytes(piece), encoding)
    if _LONELY.search(piece) or ("\ufffd" not in text and least_cost(text) < least_cost(piece)):
        return text
    return piece


def _bytes(name: str) -> bytes:
    try:
        return name.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:
        # no bytes of a file: a surrogate of Windows or of JSON
        return name.encode("utf-8", errors="replace")


def order(name: str) -> list[str]:
    """Sorted as a walk would go: by folder, then by name."""
    return name.split("/")


def short(path: str, otherwise: str = "data") -> str:
    """A name that a file may have anywhere, for what lies at ``path`` (also ``embedded:NAME`` or ``PATH#part``): its
    last piece up to the first dot.

    Letters with their marks and digits of every script stay, and so do ``_`` and ``-``; everything else becomes ``-``.
    In NFC and below `SHORT` bytes; ``otherwise`` where nothing is left.
    """
    pieces = [p for p in re.split(r"[/\\:#]+", path) if p]
    last = Path(path).resolve().name if pieces[-1:] in (["."], [".."]) else "".join(pieces[-1:])
    letters: list[str] = []
    for c in shown(last).lstrip(".").split(".")[0]:
        kind = unicodedata.category(c)[0]
        if kind == "M" and letters and letters[-1][0].isalpha():
            letters[-1] += c
        elif kind in "LN" or c in "_-":
            letters.append(c)
        elif letters[-1:] != ["-"]:
            letters.append("-")
    ends = accumulate(len(c.encode()) for c in letters)
    return "".join(c for c, end in zip(letters, ends, strict=True) if end < SHORT).strip("-") or otherwise
