"""Bytes of a text file -> text, whatever encoding a spreadsheet left it in, plain or gzipped."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from typing import NamedTuple

from regraft.errors import UnreadableItem
from regraft.types import Problem

LIMIT = 1 << 30
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Decoded(NamedTuple):
    """A decoded text. Where two encodings are mixed, ``others`` lines are not UTF-8; ``damaged`` lines hold bytes that
    mean nothing in any encoding, which became U+FFFD.
    """

    text: str
    encoding: str
    others: int = 0
    damaged: int = 0


def decode_text(data: bytes, encoding: str | None = None) -> Decoded:
    """By its byte order mark, else UTF-8, else GB18030 where that gives mostly Chinese, else Windows-1252.

    A file in which some lines are UTF-8 and some are not is decoded line by line.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return _counted(data.decode(encoding, errors="replace"), encoding)
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    lines = data.split(b"\n")
    utf8 = [_utf8(line) for line in lines]
    others = [line for line, text in zip(lines, utf8, strict=True) if text is None]
    if not any(text and _surely_utf8(text) for text in utf8):
        encoding = _legacy(data)
        return _counted(data.decode(encoding, errors="replace"), encoding)
    encoding = _legacy(b"\n".join(others))
    joined = "\n".join(
        line.decode(encoding, errors="replace") if text is None else text
        for line, text in zip(lines, utf8, strict=True)
    )
    return _counted(joined, f"utf-8 and {encoding}", len(others))


def unzipped(data: bytes) -> bytes:
    """The content of gzipped bytes, and other bytes as they are; raises ``UnreadableItem`` where they are damaged."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableItem(f"it is no whole gzip file: {error}") from error
    if len(content) > LIMIT:
        raise UnreadableItem(f"it would unpack to more than {LIMIT / 1e9:.1f} GB")
    return content


def encoding_problems(decoded: Decoded, name: str) -> list[Problem]:
    """What a person should know of how the file ``name`` was decoded."""
    found = []
    if decoded.others:
        text = f"mixes encodings ({decoded.encoding}): {decoded.others} lines are not UTF-8; each is read as its own"
        found.append(Problem("encoding", name, text))
    elif decoded.encoding not in ("utf-8", "utf-8-sig"):
        found.append(Problem("encoding", name, f"is not UTF-8; read as {decoded.encoding}"))
    if decoded.damaged:
        text = f"{decoded.damaged} lines hold bytes that mean nothing in {decoded.encoding}; they are read as \ufffd"
        found.append(Problem("encoding", name, text))
    return found


def _counted(text: str, encoding: str, others: int = 0) -> Decoded:
    damaged = sum("\ufffd" in line for line in text.split("\n")) if "\ufffd" in text else 0
    return Decoded(text, encoding, others, damaged)


def _utf8(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _surely_utf8(text: str) -> bool:
    """Whether characters are not so by chance: a short run of another encoding can look like one of UTF-8."""
    high = [c for c in text if ord(c) > 127]
    return len(high) > 3 or (len(high) > 1 and all(c > "\u07ff" for c in high))


def _legacy(data: bytes) -> str:
    """``gb18030`` or ``cp1252`` for bytes that are not UTF-8."""
    text = data.decode("gb18030", errors="replace")
    high = [c for c in text if ord(c) > 127]
    # umlauts read as GB18030 give lonely characters between letters; Chinese comes in runs
    in_runs = sum(len(run) for run in re.findall("[\u4e00-\u9fff]{2,}", text))
    chinese = sum("\u4e00" <= c <= "\u9fff" for c in high)
    marks = sum("\u3000" <= c <= "\u303f" or "\uff00" <= c <= "\uffef" for c in high)
    return "gb18030" if chinese + marks > 0.9 * len(high) and in_runs > 0.5 * chinese else "cp1252"
