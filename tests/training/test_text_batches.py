"""Texts in batches by length: every text once an epoch, the same for the same seed, little padding."""

import numpy as np
import torch

from regraft.training.feeds.base import count
from regraft.training.feeds.tokens import TextBatches, padded


def pack(rows, length):
    found = torch.zeros(len(rows), 2, length, dtype=torch.int64)
    for i, row in enumerate(rows):
        found[i, 0, : len(row)] = torch.tensor(row)
        found[i, 1, : len(row)] = 1
    return found


def texts(n: int = 203) -> TextBatches:
    lengths = np.random.default_rng(0).integers(1, 60, n)
    return TextBatches([[i + 1] * int(k) for i, k in enumerate(lengths)], pack, seed=4)


def test_every_text_comes_once_with_its_own_numbers() -> None:
    data = texts()
    batches = list(data.epoch(0, 16, 0))
    assert len(batches) == count(203, 16)
    assert sorted(np.concatenate([p for _, p in batches])) == list(range(203))
    for x, positions in batches:
        assert (x[:, 0].max(1).values.numpy() == positions + 1).all()
        assert x.shape[2] % 8 == 0


def test_an_epoch_is_repeatable_and_another_differs() -> None:
    data = texts()
    orders = [[p.tolist() for _, p in data.epoch(number, 16, 0)] for number in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert [p.tolist() for _, p in data.epoch(0, 16, 5)] == orders[0][5:], "a resumed epoch goes on where it stopped"


def test_batches_hold_texts_of_like_length() -> None:
    data = texts()
    batches = [x for x, _ in data.epoch(0, 16, 0)]
    held, real = sum(x.shape[2] * len(x) for x in batches), sum(int(x[:, 1].sum()) for x in batches)
    assert held < 1.3 * real, "by chance it would be nearly twice as much"
    assert padded(1) == 8 and padded(8) == 8 and padded(9) == 16


def test_two_processes_share_every_batch() -> None:
    data = texts(64)
    whole = [p for _, p in data.epoch(0, 16, 0)]
    halves = [[p for _, p in data.epoch(0, 16, 0, (rank, 2))] for rank in (0, 1)]
    assert all(sorted([*a, *b]) == sorted(w) for a, b, w in zip(*halves, whole, strict=True))
