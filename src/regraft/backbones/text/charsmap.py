"""A map of characters in the form that SentencePiece compiles it to, which the library tokenizers reads.

That is a double array (Aoe 1989, as in Darts): one 32-bit unit a state. A state whose children lie at ``base ^ label``
holds ``own place ^ base`` in its bits from 10 on, its own label in the lowest 8, and bit 8 where a word ends there; the
word's value then stands at ``base``, marked by bit 31. Behind it come the replacements, each ended by a zero byte.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

BLOCK = 256
_ENDS, _VALUE, _LARGEST = 1 << 8, 1 << 31, 1 << 21

Trie = dict[int, "Trie | int"]


def compiled(characters: Mapping[str, str]) -> bytes:
    """The map from a character to what takes its place, as the bytes that ``normalizers.Precompiled`` takes.

    Neither side holds U+0000. Raises ``ValueError`` where the map is too large for the format.
    """
    places: dict[str, int] = {}
    blob = bytearray()
    trie: Trie = {}
    for character, instead in characters.items():
        if instead not in places:
            places[instead] = len(blob)
            blob += instead.encode() + b"\0"
        node = trie
        for byte in character.encode():
            node = node.setdefault(byte, {})  # type: ignore[assignment]
        node[0] = places[instead]
    units = _double_array(trie)
    return struct.pack("<I", 4 * len(units)) + units.astype("<u4").tobytes() + bytes(blob)


def _double_array(trie: Trie) -> np.ndarray:
    units, free = np.zeros(BLOCK, np.uint32), np.ones(BLOCK, bool)
    bases = np.zeros(BLOCK, bool)
    free[0] = False
    waiting: list[tuple[int, Trie]] = [(0, trie)]
    while waiting:
        place, node = waiting.pop()
        labels = np.fromiter(node, np.int64, len(node))
        base = _base(labels, free, bases)
        while base is None:
            units, free, bases = (np.concatenate([a, np.full(BLOCK, new, a.dtype)])
                                  for a, new in ((units, 0), (free, True), (bases, False)))  # fmt: skip
            base = _base(labels, free, bases)
        if place ^ base >= _LARGEST:
            raise ValueError(f"a map of {len(units)} states is too large for this format")
        free[base ^ labels], bases[base] = False, True
        units[place] |= (place ^ base) << 10 | (_ENDS if 0 in node else 0)
        for label, child in node.items():
            if isinstance(child, dict):
                units[base ^ label] = label
                waiting.append((base ^ label, child))
            else:
                units[base] = _VALUE | child
    return units


def _base(labels: np.ndarray, free: np.ndarray, bases: np.ndarray) -> int | None:
    """The first base that no other state has and whose children's places are free."""
    for base in np.flatnonzero(free)[:, None] ^ labels[:1]:
        if not bases[base[0]] and free[base[0] ^ labels].all():
            return int(base[0])
    return None
