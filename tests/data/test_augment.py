"""Augmented views: the same for the same seed and view, in any thread; and never a lie."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from regraft.core.errors import UnknownName
from regraft.core.types import PreprocessSpec
from regraft.data.items import PictureArray
from regraft.data.transforms.augment import OPERATIONS, POLICIES, crop, flip
from regraft.data.transforms.policy import Augmented, Policy, may_flip

SPEC = PreprocessSpec(height=32, width=32)


@pytest.fixture
def items() -> PictureArray:
    return PictureArray(np.random.default_rng(0).integers(0, 255, (12, 40, 36, 3), dtype=np.uint8), "x")


def views(items: PictureArray, policy: str, seed: int = 0, view: int = 0) -> np.ndarray:
    augmented = Augmented(items, SPEC, Policy(policy), seed, view)
    return np.stack([augmented.load(i) for i in range(len(items))])


@pytest.mark.parametrize("policy", [*POLICIES, *OPERATIONS, "crop,blur"])
def test_same_seed_and_view_same_bits_in_any_thread(items: PictureArray, policy: str) -> None:
    once = views(items, policy)
    assert once.shape == (12, 32, 32, 3) and once.dtype == np.uint8
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda _: views(items, policy), range(4)))
    assert all((m == once).all() for m in many)
    if policy != "none":
        assert (views(items, policy, seed=1) != once).any() and (views(items, policy, view=1) != once).any()


def test_digests_tell_views_apart(items: PictureArray) -> None:
    digests = {
        Augmented(items, SPEC, Policy(p), s, v).digest(0) for p in ("light", "strong") for s in (0, 1) for v in (0, 1)
    }
    assert len(digests) == 8
    assert len({Augmented(items, SPEC, Policy("light"), 0, 0).digest(i) for i in range(12)}) == 12


def test_what_changes_the_meaning_is_left_out() -> None:
    assert not may_flip([str(i) for i in range(10)]) and not may_flip(["a", "b"])
    assert not may_flip(["turn_left", "turn_right"])
    assert may_flip(["ants", "bees"]) and may_flip(["bright", "leftover"])
    assert flip in Policy("light").operations and flip not in Policy("light", flips=False).operations
    assert flip in Policy("flip", flips=False).operations, "who names it means it"


def test_a_flip_mirrors_and_a_whole_crop_keeps(items: PictureArray) -> None:
    picture = items.load(0)
    seen = {Policy("flip")(picture, np.random.default_rng(i)).tobytes() for i in range(10)}
    assert seen == {picture.tobytes(), np.ascontiguousarray(picture[:, ::-1]).tobytes()}
    import torch

    x = torch.from_numpy(picture).permute(2, 0, 1)
    assert crop(1.0)(x, np.random.default_rng(0)).shape == x.shape


def test_unknown_names(items: PictureArray) -> None:
    with pytest.raises(UnknownName, match="did you mean 'strong'"):
        views(items, "stron")
    with pytest.raises(UnknownName, match="did you mean 'rotate'"):
        views(items, "crop,rotat")


def test_views_of_another_way_of_drawing_are_stored_apart(items: PictureArray, monkeypatch) -> None:
    one = Augmented(items, SPEC, Policy("light"), 0, 0)
    before = one.digest(0)
    monkeypatch.setattr("regraft.data.transforms.policy.DRAWN", 99)
    assert one.digest(0) != before
