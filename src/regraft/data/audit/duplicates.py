"""The same item twice: a picture to the pixel, or re-encoded, resized, slightly retouched; a text likewise."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray

from regraft.core.types import Modality
from regraft.data.audit.facts import THUMB, Facts
from regraft.data.text.texts import TextFacts, texts_resembling

NEAR = 0.9
"""Two pictures are near duplicates where their thumbnails, less their local mean, correlate at least so much. On 800
photos of three sets, re-encoded at JPEG quality 25 to 90 and half to 1.3 times the size: copies correlate 0.979 or
more, different pictures 0.71 at most; see tests/data/test_duplicates.py."""

SMALLEST_SIDE = 64
MOST = 20_000
SIGNATURE = 64
"""Bytes of a signature: of a picture the signs of 512 projections of its detail, of a text a byte of 64 hashes."""
_BLOCK = 2048


def exact_pairs(facts: Facts | TextFacts) -> NDArray[np.int64]:
    """(p, 2) rows of pictures with the same pixels, or of the same texts, each with the first of its kind."""
    order = np.argsort(facts.pixels, kind="stable")
    same = facts.pixels[order][1:] == facts.pixels[order][:-1]
    first = order.copy()
    for i in range(1, len(order)):
        if same[i - 1]:
            first[i] = first[i - 1]
    pairs = np.stack([first, order], 1)[1:][same]
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def near_pairs(facts: Facts | TextFacts) -> NDArray[np.int64]:
    """(p, 2) rows of pictures that look the same without having the same pixels, for pictures above 64 pixels; for
    texts, see `regraft.data.text.texts`.

    Small pictures (digits, icons) resemble each other without being copies; they are not compared. At most the first
    20,000 are, which takes some seconds.
    """
    if isinstance(facts, TextFacts):
        return facts.near
    large = np.flatnonzero(facts.info[:, :2].min(1) > SMALLEST_SIDE)[:MOST] if len(facts.info) else np.zeros(0, int)
    if len(large) < 2:
        return np.zeros((0, 2), np.int64)
    detail = _detail(facts.thumbs[large])
    found = []
    for start in range(0, len(large), 2048):
        block = detail[start : start + 2048] @ detail[start:].T
        a, b = np.nonzero(block >= NEAR)
        keep = b > a
        found.append(np.stack([large[a[keep] + start], large[b[keep] + start]], 1))
    pairs = np.concatenate(found)
    return pairs[facts.pixels[pairs[:, 0]] != facts.pixels[pairs[:, 1]]]


def picture_signatures(facts: Facts) -> NDArray[np.uint8]:
    """(m, 64) the sides of 512 random hyperplanes on which a picture's detail lies (Charikar 2002,
    https://doi.org/10.1145/509907.509965): what tells near copies, in a sixteenth of a thumbnail. Zero for pictures
    that are not compared: up to 64 pixels, or flat.
    """
    signatures = np.zeros((len(facts.pixels), SIGNATURE), np.uint8)
    large = np.flatnonzero(facts.info[:, :2].min(1) > SMALLEST_SIDE) if len(facts.info) else np.zeros(0, np.int64)
    for start in range(0, len(large), _BLOCK):
        rows = large[start : start + _BLOCK]
        signatures[rows] = np.packbits(_detail(facts.thumbs[rows]) @ _planes() > 0, axis=1)
    return signatures


@cache
def _planes() -> NDArray[np.float32]:
    """(1024, 512) of 1 and -1; models keep what they gave, and a generator's raw numbers stay the same."""
    raw = np.random.PCG64(1).random_raw(THUMB * THUMB * SIGNATURE // 8).astype("<u8")
    return _signs(raw.view(np.uint8).reshape(THUMB * THUMB, SIGNATURE))


def _signs(signatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.unpackbits(signatures, axis=1).astype(np.float32) * 2 - 1


def resembling(ours: NDArray[np.uint8], theirs: NDArray[np.uint8], modality: Modality) -> NDArray[np.bool_]:
    """(m,) which of ``ours``, signatures (m, 64), tell of a near copy of one of ``theirs`` (k, 64): the rule of
    `near_pairs`, as far as the signatures know.
    """
    if modality == "text":
        return texts_resembling(ours, theirs)
    found = np.zeros(len(ours), bool)
    some = np.flatnonzero(ours.any(1))
    if not len(theirs):
        return found
    signs, bits = _signs(theirs).T, 8 * SIGNATURE
    least = bits * (1 - 2 * np.arccos(NEAR) / np.pi)
    for start in range(0, len(some), _BLOCK):
        rows = some[start : start + _BLOCK]
        found[rows] = (_signs(ours[rows]) @ signs).max(1) >= least
    return found


def _detail(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Unit vectors of the thumbnails less their local mean; flat pictures become zero and resemble nothing."""
    x = thumbs.reshape(-1, THUMB, THUMB).astype(np.float32)
    x = x - scipy.ndimage.uniform_filter(x, (0, 9, 9), mode="nearest")
    x = x.reshape(len(x), -1)
    x -= x.mean(1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.where(length > THUMB, x / np.maximum(length, 1), 0).astype(np.float32)


def clusters(n: int, *pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) cluster numbers in which both of every pair have the same."""
    joined = np.concatenate([p.reshape(-1, 2) for p in pairs]) if pairs else np.zeros((0, 2), np.int64)
    graph = scipy.sparse.coo_matrix((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(n, n))
    return scipy.sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
