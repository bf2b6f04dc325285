"""Bytes of a text file -> text, whatever encoding a spreadsheet left it in, plain or gzipped."""

from __future__ import annotations

import codecs
import difflib
import encodings.aliases
import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from regraft.core.errors import InputError, UnreadableItem
from regraft.core.types import Problem
from regraft.data.text.charsets import CANDIDATES, Guess, decoded, guess, suits

LIMIT = 1 << 30
NEAR = 0.05
"""A second encoding that is as likely as that is named."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f]")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")


class Decoded(NamedTuple):
    """A decoded text. Where two encodings are mixed, ``others`` lines are not UTF-8; ``damaged`` lines hold bytes that
    mean nothing in any encoding, which became U+FFFD.

    ``confidence`` is how sure the encoding is (0 to 1), ``second`` another one that is nearly as likely; ``told`` says
    that the encoding was given.
    """

    text: str
    encoding: str
    others: int = 0
    damaged: int = 0
    confidence: float = 1.0
    second: str = ""
    told: bool = False


def decode_text(data: bytes, encoding: str | None = None, usual: Mapping[str, float] | None = None) -> Decoded:
    """By its byte order mark, else in ``encoding`` where it is given; else as UTF-8 or UTF-16, else as what
    `regraft.data.text.charsets` takes it for; ``usual`` says which encodings to prefer there, and by how many bits.

    A file in which some lines are UTF-8 and some are not is decoded line by line. Raises ``InputError`` where there is
    no such encoding.
    """
    if encoding is not None:
        check_encoding(encoding)
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _counted(data.decode(name, errors="replace"), name)
    if encoding is not None:
        return _counted(decoded(data, encoding), encoding, told=True)
    return _certain(data) or _legacy(data, usual)


def decode_texts(files: Sequence[bytes], encoding: str | None = None) -> list[Decoded]:
    """The texts of files that lie together: what one is too short to say of its encoding, the others do."""
    if encoding is not None:
        return [decode_text(data, encoding) for data in files]
    found = {i: certain for i, data in enumerate(files) if (certain := decode_text_surely(data))}
    rest = [i for i in range(len(files)) if i not in found]
    if rest:
        shared = guess(b"\n".join(files[i][:TOGETHER] for i in rest[:: max(1, len(rest) // 50)]))
        for i in rest:
            if suits(files[i], shared.encoding) and not _has_utf8(files[i]):
                found[i] = _guessed(files[i], shared)
            else:
                found[i] = _legacy(files[i], {shared.encoding: USUAL})
    return [found[i] for i in range(len(files))]


TOGETHER, USUAL = 2000, 8.0


def decode_text_surely(data: bytes) -> Decoded | None:
    """The text where its encoding is no guess: by a mark, or because it is UTF-8 or UTF-16; else None."""
    return decode_text(data) if any(data.startswith(mark) for mark, _ in _MARKS) else _certain(data)


def check_encoding(name: str) -> None:
    """Raises ``InputError`` unless ``name`` is an encoding of texts that Python knows."""
    try:
        "".encode(name)
    except (LookupError, ValueError, TypeError) as error:
        known = sorted({a.replace("_", "-") for a in {*encodings.aliases.aliases, *CANDIDATES}})
        close = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]!r}?" if close else f"some are: utf-8, utf-16, {', '.join(sorted(CANDIDATES))}."
        raise InputError(f"--encoding {name}: there is no such encoding of texts: {hint}") from error


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


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text in any encoding: a picture, say, whatever the file is called."""
    head = data[:4096]
    if decode_text_surely(head) or not head:
        return b"\0" in head and not any(head.startswith(m) for m, _ in _MARKS) and _wide(head) is None
    controls = sum(b < 32 and b not in b"\t\n\r\f\x1a\x1b" for b in head)
    return controls > 0.02 * len(head)


def encoding_problems(decoded: Decoded, name: str) -> list[Problem]:
    """What a person should know of how the file ``name`` was decoded."""
    found = []
    way_out = "; --encoding NAME says otherwise" if decoded.confidence < 1 else ""
    if decoded.others:
        text = f"mixes encodings ({decoded.encoding}): {decoded.others} lines are not UTF-8; each is read as its own"
        found.append(Problem("encoding", name, text + way_out))
    elif decoded.encoding not in ("utf-8", "utf-8-sig") and not decoded.told:
        rival = f", {decoded.second} is likely too" if decoded.second else ""
        sure = f" ({min(decoded.confidence, 0.99):.0%} sure{rival})" if decoded.confidence < 1 else ""
        found.append(Problem("encoding", name, f"is not UTF-8; read as {decoded.encoding}{sure}{way_out}"))
    if decoded.damaged:
        text = f"{decoded.damaged} lines hold bytes that mean nothing in {decoded.encoding}; they are read as \ufffd"
        found.append(Problem("encoding", name, text))
    return found


def _certain(data: bytes) -> Decoded | None:
    """UTF-16 without a mark, the seven-bit encodings of Japanese and Chinese mail, UTF-8."""
    if b"\0" in data and not _stray_zeros(data) and (wide := _wide(data)):
        return wide
    if data.isascii():
        for name, sign in (("iso2022_jp_2", b"\x1b$"), ("iso2022_kr", b"\x1b$)C"), ("hz", b"~{")):
            if sign in data and (name != "hz" or _HZ.search(data)):
                try:
                    text = data.decode(name)
                except UnicodeDecodeError:
                    continue
                if not text.isascii():
                    return Decoded(text, name.replace("iso2022_", "iso-2022-").removesuffix("_2"))
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        return None


def _stray_zeros(data: bytes) -> bool:
    """Whether few zero bytes stand in what is a text of UTF-8 without them."""
    rest = data.replace(b"\0", b"")
    return 4 * data.count(0) < len(data) and not _CONTROLS.search(rest) and _is_utf8(rest)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wide(data: bytes) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark: where the zero bytes of its spaces and line ends stand tells which."""
    zeros = [data[k::4].count(0) for k in range(4)]
    if min(zeros[2], zeros[3]) > 0.4 * len(data) / 4 or min(zeros[0], zeros[1]) > 0.4 * len(data) / 4:
        name = "utf-32-le" if zeros[3] >= zeros[0] else "utf-32-be"
    else:
        name = "utf-16-le" if zeros[1] + zeros[3] > zeros[0] + zeros[2] else "utf-16-be"
    text = data.decode(name, errors="replace")
    odd = sum(c == "\ufffd" or (c < " " and c not in "\t\n\r\f") for c in text)
    return _counted(text, name) if odd <= 0.02 * len(text) else None


def _legacy(data: bytes, usual: Mapping[str, float] | None) -> Decoded:
    """Bytes that are not UTF-8, or not all of them."""
    if not _has_utf8(data):
        return _guessed(data, guess(data, usual))
    lines = data.split(b"\n")
    texts = [_utf8(line) for line in lines]
    others = b"\n".join(line for line, text in zip(lines, texts, strict=True) if text is None)
    found = guess(others, usual) if others else Guess("utf-8", 1.0)
    joined = "\n".join(decoded(line, found.encoding) if text is None else text
                       for line, text in zip(lines, texts, strict=True))  # fmt: skip
    if not others:
        return _counted(joined, "utf-8")
    mixed = _counted(joined, f"utf-8 and {found.encoding}", sum(text is None for text in texts))
    return mixed._replace(confidence=min(found.confidence, 0.999))


def _guessed(data: bytes, found: Guess) -> Decoded:
    second = found.second if found.second_confidence >= NEAR else ""
    text = _counted(decoded(data, found.encoding), found.encoding)
    return text._replace(confidence=min(found.confidence, 0.999), second=second)


def _has_utf8(data: bytes) -> bool:
    """Whether some line is UTF-8, and not by chance."""
    return any(not line.isascii() and (text := _utf8(line)) and _surely_utf8(text) for line in data.split(b"\n"))


def _counted(text: str, encoding: str, others: int = 0, *, told: bool = False) -> Decoded:
    damaged = sum("\ufffd" in line for line in text.split("\n")) if "\ufffd" in text else 0
    return Decoded(text, encoding, others, damaged, told=told)


def _utf8(line: bytes) -> str | None:
    """A line as UTF-8, though a byte of it be damaged; None where it is of another encoding."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("utf-8", errors="replace")
        damaged = text.count("\ufffd")
        long = sum(c > "\u07ff" for c in text) - damaged
        short = sum("\x7f" < c <= "\u07ff" for c in text)
        # characters of three bytes are hardly ever so by chance, those of two now and then
        return text if damaged <= 0.2 * long or damaged <= 0.1 * short else None


def _surely_utf8(text: str) -> bool:
    """Whether characters are not so by chance: a short run of another encoding can look like one of UTF-8."""
    high = [c for c in text if ord(c) > 127]
    return len(high) > 3 or (len(high) > 1 and all(c > "\u07ff" for c in high))
