"""What a text says, apart from how it is written."""

from __future__ import annotations

import re
import unicodedata

INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff]")


def normalised(text: str) -> str:
    """The text as a reader takes it: one form of each character, no case, no invisible ones, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(INVISIBLE.sub("", folded).split())


def is_empty(text: str) -> bool:
    """Whether there is nothing to see."""
    return not text.strip() or not INVISIBLE.sub("", text).strip()


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit in any script."""
    return any(c.isalnum() for c in text)
