"""Two domains in step: the same batches for the same step, whatever happened before."""

import numpy as np
import pytest
import torch
from torch import nn

from regraft.backbones.base import Body
from regraft.core.errors import InputError
from regraft.methods.adaptation.on_networks import (
    even_size,
    frozen_batch_norm_statistics,
    recompute_batch_norm_statistics,
    take_statistics,
)
from regraft.training.feeds.features import RowBatches
from regraft.training.feeds.two_domains import Both, TwoDomains
from regraft.training.learner import Learner
from regraft.training.objective import pieces


def rows(n: int, seed: int = 0) -> RowBatches:
    return RowBatches([np.arange(n, dtype=np.float32)[:, None]], seed)


def test_each_domain_goes_its_own_way() -> None:
    two = TwoDomains(rows(25), rows(10), rows(10), epochs=4)
    steps = [step for number in range(4) for step in two.epoch(number, 4, 0)]
    assert len(steps) == 12 and len(two) == 10
    assert [round(b.progress, 3) for b, _ in steps[:4]] == [0, 0.083, 0.167, 0.25]
    assert all((b.source[:, 0].numpy() == positions).all() for b, positions in steps)
    first = np.concatenate([p for _, p in steps[:6]])
    assert sorted(first) == list(range(25)), "the source's epoch ends when it ends (a last batch of one joins)"
    assert all((b.target[:, 0].long() == b.places).all() for b, _ in steps)
    again = list(two.epoch(2, 4, 1))
    for (b, p), (c, q) in zip(steps[7:9], again, strict=True):
        assert (p == q).all() and torch.equal(b.source, c.source) and torch.equal(b.target, c.target)
        assert b.progress == c.progress


def test_without_the_source() -> None:
    two = TwoDomains(None, rows(10), rows(10), epochs=1)
    both, positions = next(two.epoch(0, 4, 0))
    assert both.source is None and len(both) == 4 and (both.places.numpy() == positions).all()
    with pytest.raises(InputError, match="trains in one"):
        next(two.epoch(0, 4, 0, (0, 2)))


def test_pieces_and_moving() -> None:
    both = Both(torch.zeros(6, 2), torch.ones(4, 2), torch.arange(4), 0.5)
    parts = both.tensor_split(2)
    assert [len(p.source) for p in parts] == [3, 3] and [len(p.target) for p in parts] == [2, 2]
    assert both.to("cpu").device == torch.device("cpu")


def test_a_pass_that_leaves_no_trace() -> None:
    norm = nn.BatchNorm1d(2).train()
    x = torch.randn(8, 2) * 3 + 5
    with frozen_batch_norm_statistics(norm):
        out = norm(x)
    assert torch.allclose(out.mean(0), torch.zeros(2), atol=1e-5), "the batch's own statistics were used"
    assert norm.running_mean.tolist() == [0, 0] and int(norm.num_batches_tracked) == 0
    norm(x)
    assert norm.running_mean.abs().min() > 0.1


def test_statistics_of_the_target(shared) -> None:
    from regraft.backbones.base import Body

    arrays = np.load(shared / "reference/adaptation.npz")
    body = Body([("n", nn.BatchNorm1d(64).double())], nn.Identity())
    learner = Learner(body, nn.Identity())

    class InOrder(RowBatches):
        def epoch(self, number, size, skip, share=(0, 1)):
            for i in range(0, 36, size):
                yield torch.from_numpy(self.views[0][i : i + size]), np.arange(i, i + size)

    take_statistics(learner, InOrder([arrays["f_t"]], 0), size=12)
    norm = body.blocks[0][1]
    assert np.allclose(norm.running_mean, arrays["adabn_cumulative_mean"], rtol=1e-9)
    assert np.allclose(norm.running_var, arrays["adabn_cumulative_var"], rtol=1e-9)
    assert not norm.training and norm.momentum == 0.1


def test_pieces_of_a_short_batch_of_the_target_are_never_empty() -> None:
    both = Both(torch.zeros(32, 1), torch.zeros(2, 1), torch.arange(2), 0.0)
    assert all(len(p.target) and len(p.places) for p in pieces(both, 4))  # type: ignore[arg-type]


def test_statistics_weigh_items_and_not_batches() -> None:
    """Batches of 6 and 2: by batches the mean of the two last would count three times too much."""
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 2
    norm = nn.BatchNorm1d(3, momentum=0.1).double()
    body = Body([("norm", norm)], nn.Identity())
    with recompute_batch_norm_statistics(body):
        for part in (x[:6], x[6:]):
            body.features(part)
    assert torch.allclose(norm.running_mean, x.mean(0), rtol=1e-12)
    wanted = (6 * x[:6].var(0) + 2 * x[6:].var(0)) / 8
    assert torch.allclose(norm.running_var, wanted, rtol=1e-12)
    assert norm.momentum == 0.1 and not norm.training
    norm(x)  # nothing goes on counting
    assert torch.allclose(norm.running_mean, x.mean(0), rtol=1e-12)


def test_the_last_batch_is_none_of_two_or_three() -> None:
    for n in (65, 66, 130, 194, 257, 6401):
        size = even_size(n, 64)
        assert 32 < size <= 64 and (n % size or size) >= 8
    assert even_size(200, 64) == 64 and even_size(30, 64) == 64 and even_size(128, 64) == 64
