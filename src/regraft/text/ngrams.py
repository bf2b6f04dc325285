"""Terms of a text without any dictionary: what `regraft_tiny_text` has vectors for."""

from __future__ import annotations

import re
import unicodedata

_PIECES = re.compile(r"[\u3400-\u9fff]+|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[^\w\s]")
INSIDE = 4


def terms(text: str) -> list[str]:
    """Words, and sequences of 4 letters inside ``<`` and ``>``; of Chinese the characters and pairs of them.

    Full-width letters are read as plain ones (NFKC), capitals as small ones; numbers count as one term, other signs one
    by one.
    """
    found: list[str] = []
    for piece in _PIECES.findall(unicodedata.normalize("NFKC", text).lower()):
        if "\u3400" <= piece[0] <= "\u9fff":
            found += [*piece, *(piece[i : i + 2] for i in range(len(piece) - 1))]
        elif piece[0].isdigit():
            found.append("0")
        else:
            found.append(piece)
            if len(piece) > 2:
                marked = f"<{piece}>"
                found += ["##" + marked[i : i + INSIDE] for i in range(len(marked) - INSIDE + 1)]
    return found
