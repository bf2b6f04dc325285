"""What an audit knows of texts: their length and language, and which are there twice or almost."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import UnreadableItem
from regraft.data.items import Items
from regraft.data.text.languages import language_of
from regraft.data.text.shortening import normalised

NEAR = 0.8
"""Two texts are near duplicates where they share so much of their runs of five characters (Jaccard similarity)."""

SHORTEST = 20
SHINGLE = 5
SKETCHED = 2000
BANDS, ROWS = 16, 4
CHUNK = 1 << 20
CROWD, MOST_BEFORE = 50, 2000
"""Up to how many texts of a band are compared each with each, and with how many of a larger one by the sketch."""
DOUBT = 0.15
"""Three standard deviations of what 64 hashes say of the similarity."""
_HASH = np.uint64(0x9E3779B97F4A7C15)


class TextFacts(NamedTuple):
    """Facts about n texts; rows of unreadable ones are absent (``positions`` (m,) are those that are there).

    ``pixels`` (m,) uint64 digests of the normalised texts, which stand where those of pictures do; ``lengths`` (m,) in
    characters; ``languages`` of `language_of`; ``near`` (p, 2) rows that are nearly the same.
    """

    positions: NDArray[np.int64]
    pixels: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    languages: list[str]
    near: NDArray[np.int64]


def readable(items: Items) -> tuple[list[str], list[int], dict[int, str]]:
    """The texts that can be read, their positions, and position -> why for the others."""
    texts, positions, failed = [], [], {}
    for i in range(len(items)):
        try:
            texts.append(str(items.load(i)))
            positions.append(i)
        except UnreadableItem as error:
            failed[i] = str(error)
    return texts, positions, failed


def text_facts(items: Items) -> tuple[TextFacts, dict[int, str]]:
    """The facts of every text that can be read, and position -> why for the others."""
    texts, positions, failed = readable(items)
    plain = [normalised(t) for t in texts]
    pixels = _digests(plain)
    lengths = np.array([len(t) for t in texts], np.int64)
    languages = [language_of(t) for t in texts]
    return TextFacts(np.array(positions, np.int64), pixels, lengths, languages, _near(plain, pixels)), failed


def text_prints(items: Items) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint8]]:
    """Of the m texts that can be read: positions (m,), digests (m,) of the normalised texts, and signatures (m, 64),
    a byte of each least hash (Li and König 2010, https://arxiv.org/abs/0910.3349), zero for texts too short to compare.
    """
    texts, positions, _ = readable(items)
    plain = [normalised(t) for t in texts]
    rows = [i for i, text in enumerate(plain) if len(text) >= SHORTEST]
    signatures = np.zeros((len(plain), BANDS * ROWS), np.uint8)
    signatures[rows] = _sketches([plain[i][:SKETCHED] for i in rows]).astype(np.uint8)
    return np.array(positions, np.int64), _digests(plain), signatures


def texts_resembling(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(m,) which of ``ours``, signatures (m, 64) of `text_prints`, are nearly the same as one of ``theirs`` (k, 64), by
    what the signatures say: three standard deviations of it are 0.15. At most 50 of a band are compared.
    """
    found = np.zeros(len(ours), bool)
    bands = [np.ascontiguousarray(s).view(f"<u{ROWS}") for s in (ours, theirs)]
    for band in range(BANDS):
        order = np.argsort(bands[1][:, band], kind="stable")
        there, wanted = bands[1][order, band], bands[0][:, band]
        first, behind = (np.searchsorted(there, wanted, side) for side in ("left", "right"))
        for step in range(CROWD):
            rows = np.flatnonzero(~found & (first + step < behind) & ours.any(1))
            if not len(rows):
                break
            found[rows] = (ours[rows] == theirs[order[first[rows] + step]]).mean(1) >= NEAR
    return found


def near_between(first: Items, second: Items) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(n,) digests of the readable texts of both, the first's before the second's, and (p, 2) rows that are nearly the
    same. Raises ``UnreadableItem`` where one cannot be read.
    """
    plain = [normalised(str(items.load(i))) for items in (first, second) for i in range(len(items))]
    digests = _digests(plain)
    return digests, _near(plain, digests)


def _digests(plain: Sequence[str]) -> NDArray[np.uint64]:
    found = b"".join(hashlib.blake2b(_bytes(t), digest_size=8).digest() for t in plain)
    return np.frombuffer(found, "<u8").astype(np.uint64)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _near(texts: Sequence[str], digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(p, 2) rows of texts of 20 characters or more that are nearly, not wholly, the same.

    Candidates share a band of their MinHash sketch (Broder 1997) of the first 2,000 characters, whichever two of that
    band they are; those whose sketches agree are compared in full. In a crowd of more than 50, texts that are joined
    already are not compared again, so that the work grows with their number.
    """
    _, first = np.unique(digests, return_index=True)
    rows = np.array([i for i in sorted(first) if len(texts[i]) >= SHORTEST], np.int64)
    if len(rows) < 2:
        return np.zeros((0, 2), np.int64)
    joined = _Joined([texts[i] for i in rows], _sketches([texts[i][:SKETCHED] for i in rows]))
    for band in range(BANDS):
        part = joined.sketch[:, band * ROWS : (band + 1) * ROWS]
        keys = np.ascontiguousarray(part).view(f"V{4 * ROWS}").reshape(-1)
        _, member, counts = np.unique(keys, return_inverse=True, return_counts=True)
        order = np.argsort(member.reshape(-1), kind="stable")
        for together in np.split(order, np.cumsum(counts)[:-1]):
            for place in range(1, len(together)):
                joined.compare(int(together[place]), together[:place], every=len(together) <= CROWD)
    return rows[np.array(sorted(joined.pairs), np.int64).reshape(-1, 2)]


class _Joined:
    """Which of the texts hang together so far, and by which ``pairs``."""

    def __init__(self, texts: list[str], sketch: NDArray[np.uint32]) -> None:
        self.texts, self.sketch = texts, sketch
        self.cluster = np.arange(len(texts))
        self.pairs: list[tuple[int, int]] = []
        self.known: set[tuple[int, int]] = set()

    def compare(self, text: int, before: NDArray[np.int64], every: bool) -> None:
        """A text with those ``before`` it in its band that may be near. Unless ``every`` pair is wanted, first with the
        first, which in a crowd of copies is enough, then with those of the last 2,000 that are not joined to it.
        """
        others = before
        if not every:
            if self.cluster[before[0]] != self.cluster[text]:
                self._pair(int(before[0]), text)
            others = before[-MOST_BEFORE:]
            others = others[self.cluster[others] != self.cluster[text]]
        if len(others):
            agree = (self.sketch[others] == self.sketch[text]).mean(1)
            likely = np.flatnonzero(agree >= NEAR - DOUBT)
            for place in likely[np.argsort(-agree[likely], kind="stable")][:CROWD]:
                if every or self.cluster[others[place]] != self.cluster[text]:
                    self._pair(int(others[place]), text)

    def _pair(self, a: int, b: int) -> None:
        pair = (min(a, b), max(a, b))
        if pair in self.known:
            return
        self.known.add(pair)
        if _similarity(self.texts[a], self.texts[b]) >= NEAR:
            self.pairs.append(pair)
            self.cluster[self.cluster == self.cluster[b]] = self.cluster[a]


def _shingles(text: str) -> set[str]:
    return {text[i : i + SHINGLE] for i in range(len(text) - SHINGLE + 1)}


def _similarity(a: str, b: str) -> float:
    if min(len(a), len(b)) < 0.5 * max(len(a), len(b)):
        return 0.0
    one, other = _shingles(a), _shingles(b)
    return len(one & other) / len(one | other)


def _sketches(texts: Sequence[str]) -> NDArray[np.uint32]:
    """(n, 64) least hashes of each text's runs of five characters, under 64 hash functions."""
    random = np.random.default_rng(0).integers(1, 1 << 63, (2, BANDS * ROWS), np.uint64)
    found = np.zeros((len(texts), BANDS * ROWS), np.uint32)
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and size < CHUNK:
            size += len(texts[end])
            end += 1
        lengths = np.array([len(t) for t in texts[start:end]])
        codes = np.frombuffer("".join(texts[start:end]).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
        hashes = np.zeros(len(codes) - SHINGLE + 1, np.uint64)
        for k in range(SHINGLE):
            hashes = hashes * _HASH + codes[k : k + len(hashes)]
        # runs that reach into the next text are no run of either
        begins = np.cumsum(lengths) - lengths
        inside = np.repeat(begins + lengths - SHINGLE, lengths)[: len(hashes)] >= np.arange(len(hashes))
        counts = np.add.reduceat(inside.astype(np.int64), begins)
        own = hashes[inside]
        own ^= own >> np.uint64(29)
        for k in range(BANDS * ROWS):
            values = ((own * (random[0, k] | np.uint64(1)) + random[1, k]) >> np.uint64(32)).astype(np.uint32)
            found[start:end, k] = np.minimum.reduceat(values, np.cumsum(counts) - counts)
        start = end
    return found
