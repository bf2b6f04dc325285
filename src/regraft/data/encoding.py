"""Bytes of a text file -> text, whatever encoding a spreadsheet left it in."""

from __future__ import annotations

import codecs
import re

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def decode_text(data: bytes) -> tuple[str, str]:
    """(text, encoding). By its byte order mark, else UTF-8, else GB18030 where that gives mostly Chinese, else
    Windows-1252, in which every byte means something.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("gb18030")
        high = [c for c in text if ord(c) > 127]
        # umlauts read as GB18030 give lonely characters between letters; Chinese comes in runs
        in_runs = sum(len(run) for run in re.findall("[\u4e00-\u9fff]{2,}", text))
        chinese = sum("\u4e00" <= c <= "\u9fff" for c in high)
        marks = sum("\u3000" <= c <= "\u303f" or "\uff00" <= c <= "\uffef" for c in high)
        if chinese + marks > 0.9 * len(high) and in_runs > 0.5 * chinese:
            return text, "gb18030"
    except UnicodeDecodeError:
        pass
    return data.decode("cp1252", errors="replace"), "cp1252"
