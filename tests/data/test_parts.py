import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.data.dataset import classification_dataset
from regraft.data.folds import hold_out
from regraft.data.items import PictureArray
from regraft.data.parts import evaluation_part, part_of, training_part


def test_a_fifth_of_every_class_is_held_out() -> None:
    y = np.repeat([0, 1, 2], [100, 50, 10])
    kept, held = hold_out(y, None, seed=3)
    assert np.bincount(y[held]).tolist() == [20, 10, 2]
    assert sorted([*kept, *held]) == list(range(160))


def test_the_number_held_out_is_a_fifth_also_of_many_small_classes() -> None:
    y = np.repeat(np.arange(10), 3)
    _, held = hold_out(y, None)
    assert len(held) == 6
    assert np.bincount(y[held]).max() == 1


def test_a_class_of_one_stays_in_training() -> None:
    y = np.array([0] * 10 + [1])
    kept, held = hold_out(y, None)
    assert 10 in kept and len(held) == 2


def test_one_example_a_class_cannot_be_held_out() -> None:
    kept, held = hold_out(np.arange(5), None)
    assert len(held) == 0 and len(kept) == 5


def test_seeds_decide() -> None:
    y = np.repeat([0, 1], 50)
    a, b, c = (hold_out(y, None, seed=s)[1] for s in (0, 0, 1))
    assert (a == b).all() and (a != c).any()


def test_no_group_is_torn() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 30, 300)
    y = rng.integers(0, 3, 300)
    kept, held = hold_out(y, groups, seed=1)
    assert not set(groups[kept]) & set(groups[held])
    assert 0.1 < len(held) / 300 < 0.3
    assert set(y[kept]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("word", "part"),
    [("Train", "train"), ("valid", "val"), ("t10k", "test"), ("VALIDATION", "val"), ("ants", None)],
)
def test_part_names(word: str, part: str | None) -> None:
    assert part_of(word) == part


def dataset(parts: list[str]):
    n = len(parts)
    return classification_dataset(
        "d", PictureArray(np.zeros((n, 4, 4), np.uint8), "d"), np.zeros(n, int), ("a",), np.array(parts)
    )


def test_a_part_called_test_is_never_learned_from() -> None:
    assert training_part(dataset(["train", "test"])).part_names == ["train"]
    with pytest.raises(DataError, match="none called train"):
        training_part(dataset(["test", "test"]))


def test_evaluation_prefers_test_then_val() -> None:
    assert evaluation_part(dataset(["train", "val", "test"])).part_names == ["test"]
    assert evaluation_part(dataset(["train", "val"])).part_names == ["val"]
    assert len(evaluation_part(dataset(["", ""]))) == 2
