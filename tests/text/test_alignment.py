"""Aligning two tables of word vectors."""

import numpy as np
import pytest

from regraft.core.errors import InputError
from regraft.text.alignment import align


def test_a_known_rotation_is_found() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(60, 8))
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    order = rng.permutation(60)
    target = np.empty_like(source)
    target[order] = source @ rotation * rng.uniform(0.5, 2, (60, 1))
    pairs = np.stack([np.arange(60), order], 1)
    assert np.allclose(align(source, target, pairs[:20]), rotation), (
        "a third of the pairs suffices, lengths do not matter"
    )


def test_noise_leaves_it_orthogonal_and_better_than_nothing() -> None:
    rng = np.random.default_rng(1)
    source = rng.normal(size=(80, 5)).astype(np.float32)
    target = source @ np.linalg.qr(rng.normal(size=(5, 5)))[0] + 0.1 * rng.normal(size=(80, 5))
    found = align(source, target, [(i, i) for i in range(40)])
    assert np.allclose(found @ found.T, np.eye(5))
    unseen = slice(40, 80)
    assert np.linalg.norm(source[unseen] @ found - target[unseen]) < 0.2 * np.linalg.norm(
        source[unseen] - target[unseen]
    )


@pytest.mark.parametrize(("shape", "pairs", "message"), [
    ((4, 3), [(0, 0)], "cannot be aligned"), ((4, 2), [], "at least one pair"), ((4, 2), [(0, 4)], "beyond"),
    ((4, 2), [(-1, 0)], "beyond"),
])  # fmt: skip
def test_what_cannot_be_aligned(shape: tuple[int, int], pairs: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        align(np.ones((4, 2)), np.ones(shape), pairs)
