"""Glosses word by word from a dictionary in the format of CC-CEDICT (https://cc-cedict.org/wiki/format:syntax)."""

from __future__ import annotations

import gzip
import re

from regraft.core.errors import InputError
from regraft.text.words import han_words, runs, spaced

_LINE = re.compile(r"(\S+)\s+(\S+)\s+\[{1,2}([^\[\]]*)\]{1,2}\s+/(.+)/\s*")
_ASIDE = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*")
_POINTER = re.compile(r"(surname|(old |archaic |japanese )?variant of|see (also )?|abbr\. for|CL:|erhua variant)", re.I)
LONGEST = 12


class Glosses:
    """A text -> the text with a meaning in the place of each Chinese word that ``meanings`` holds."""

    def __init__(self, meanings: dict[str, str]) -> None:
        self.meanings = meanings

    @classmethod
    def read(cls, data: bytes, name: str) -> Glosses:
        """From a dictionary's bytes (gzip too); raises ``InputError`` with the first line that is no entry."""
        try:
            text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
        except (UnicodeDecodeError, OSError, EOFError) as error:
            raise InputError(f"The dictionary {name} is no text in UTF-8, as CC-CEDICT is: {error}.") from error
        best: dict[str, tuple[bool, str]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            entry = _LINE.fullmatch(line)
            if entry is None:
                raise InputError(
                    f"The dictionary {name} is not in the format of CC-CEDICT: its line {number} is {line[:40]!r}, "
                    "wanted is 'Traditional Simplified [pin1 yin1] /meaning/'."
                )
            found = _meaning(entry[4])
            if found is not None:
                for word in (entry[2], entry[1]):
                    if word not in best or (best[word][0] and not found[0]):
                        best[word] = found
        if not best:
            raise InputError(f"The dictionary {name} holds no entry; wanted is a file in the format of CC-CEDICT.")
        return cls({word: meaning for word, (_, meaning) in best.items()})

    def __call__(self, text: str) -> str:
        return spaced(self._of_run(piece) if chinese else [piece] for chinese, piece in runs(text))

    def _of_run(self, piece: str) -> list[str]:
        found: list[str] = []
        for word in han_words(piece):
            found += [self.meanings[word]] if word in self.meanings else self._longest(word)
        return found

    def _longest(self, word: str) -> list[str]:
        """The longest known pieces from the left on; characters that none begins with stay as they are."""
        found, at, unknown = [], 0, ""
        while at < len(word):
            ends = range(min(len(word), at + LONGEST), at, -1)
            end = next((e for e in ends if word[at:e] in self.meanings), None)
            if end is None:
                unknown, at = unknown + word[at], at + 1
                continue
            found += [unknown, self.meanings[word[at:end]]]
            unknown, at = "", end
        return [*found, unknown]


def _meaning(meanings: str) -> tuple[bool, str] | None:
    """(whether it only points elsewhere, the first meaning without asides), or None where nothing is left."""
    cleaned = [(m, " ".join(_ASIDE.sub(" ", m).split())) for m in re.split(r"[/;]", meanings)]
    plain = [text for raw, text in cleaned if text and not _POINTER.match(raw.strip())]
    if plain:
        return False, plain[0]
    rest = [text for _, text in cleaned if text]
    return (True, rest[0]) if rest else None
