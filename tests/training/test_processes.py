"""Two processes learn as one does, and what goes wrong in one is said once."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from regraft.backbones.base import Body
from regraft.core.errors import InputError
from regraft.methods.base import Phase
from regraft.training.feeds.base import count, order
from regraft.training.loop import Learner, Settings, train
from tests.training.test_loop import problem


def still() -> Learner:
    """No dropout, no batch statistics: what one process computes, two can."""
    torch.manual_seed(0)
    body = Body([("a", nn.Sequential(nn.Flatten(), nn.Linear(12 * 12 * 3, 8), nn.Tanh()))], nn.Identity())
    return Learner(body, nn.Linear(8, 2))


def judged(learner: Learner) -> float:
    return float(learner.head.weight.square().sum())


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    _, data, targets = problem()
    learners = []
    for n in (1, 2):
        learner = still()
        settings = Settings(batch=16, precision="float32")
        at = train(learner, [Phase("all", 2, 0, 0.01)], data, targets, settings, folder=tmp_path / str(n), inner=judged,
                   processes=n)  # fmt: skip
        assert at.step == 6 and len(at.history) == 2
        learners.append(learner)
    for a, b in zip(*(learner.state_dict().values() for learner in learners), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_a_fault_in_one_process_is_one_sentence(tmp_path: Path) -> None:
    _, data, targets = problem()
    targets[:] = float("nan")
    with pytest.raises(InputError, match="no longer a number"):
        train(still(), [Phase("all", 2, 0, 0.01)], data, targets, Settings(batch=16, precision="float32"),
              folder=tmp_path, processes=2)  # fmt: skip


def gone(learner: Learner) -> float:
    os._exit(3)


@pytest.mark.slow
def test_a_process_that_is_gone_is_one_sentence_too(tmp_path: Path) -> None:
    _, data, targets = problem()
    with pytest.raises(InputError, match="--processes 2: process . ended with exit code 3. In a script the call"):
        train(still(), [Phase("all", 1, 0, 0.01)], data, targets, Settings(batch=16, precision="float32"),
              folder=tmp_path, inner=gone, processes=2)  # fmt: skip


def test_every_process_takes_its_share() -> None:
    whole = order(21, 0, 0, 10)
    halves = [order(21, 0, 0, 10, (rank, 2)) for rank in (0, 1)]
    assert [len(p) for p in halves[0]] == [5, 6] and len(halves[0]) == count(21, 10, 2) == len(whole)
    assert all(sorted([*a, *b]) == sorted(w) for a, b, w in zip(*halves, whole, strict=True))
    assert count(23, 10, 2) == len(order(23, 0, 0, 10, (0, 2))) == 2, "three are too few for two processes"
