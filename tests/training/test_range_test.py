"""The range test finds a rate that learns, leaves the learner alone, and says the same twice."""

import torch

from regraft.methods.base import Phase
from regraft.training.loop import train
from regraft.training.lr_range import suggest
from tests.training.test_loop import SETTINGS, problem, weights


def test_the_suggested_rate_learns(tmp_path) -> None:
    learner, data, targets = problem()
    before = weights(learner)
    phase = Phase("all", 8, 0, 1.0)
    rate, curve = suggest(learner, phase, data, targets, SETTINGS)
    assert weights(learner) == before and 1e-5 < rate < 0.3
    torch.manual_seed(7)
    assert suggest(learner, phase, data, targets, SETTINGS) == (rate, curve)
    assert [c["rate"] for c in curve] == sorted(c["rate"] for c in curve)
    at = train(learner, [Phase("all", 12, 0, rate)], data, targets, SETTINGS, folder=tmp_path)
    assert at.history[-1]["loss"] < 0.7 * at.history[0]["loss"]
