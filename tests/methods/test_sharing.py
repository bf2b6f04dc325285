"""Losses of several tasks weighed against each other."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from regraft.methods.multi_task import Heads, TaskLoss, Uncertainty
from regraft.training.losses import LOSSES


def test_the_noise_that_is_learned_is_the_loss() -> None:
    """``exp(-s) L + s / 2`` is least where ``exp(s) = 2 L``: a noisy task counts less."""
    weighing = Uncertainty(2)
    optimiser = torch.optim.Adam(weighing.parameters(), 0.05)
    losses = torch.tensor([0.25, 4.0])
    for _ in range(500):
        optimiser.zero_grad()
        sum(weighing.weighed(i, losses[i]) for i in range(2)).backward()
        optimiser.step()
    assert weighing.log_noise.exp().tolist() == pytest.approx([0.5, 8.0], rel=1e-3)
    assert weighing.weights() == pytest.approx([2.0, 0.125], rel=1e-3)


def test_a_batch_teaches_its_own_head() -> None:
    torch.manual_seed(0)
    heads = Heads([nn.Linear(4, 3), nn.Linear(4, 1)])
    learner = SimpleNamespace(head=heads, extra=nn.Module(), body=nn.Module(), features=lambda x: x)
    step = TaskLoss(["form", "mean"], [LOSSES["softmax"], LOSSES[None]], [3, 1], 0.0)

    def loss(task: int, targets: torch.Tensor) -> torch.Tensor:
        return step(learner, SimpleNamespace(x=x, domain=task), targets, None)["loss"]

    x, targets = torch.randn(5, 4), torch.eye(3)[[0, 1, 2, 0, 1]]
    of_classes = loss(0, targets)
    wanted = nn.functional.cross_entropy(heads.of_task[0](x), targets)
    assert torch.allclose(of_classes, wanted)
    of_classes.backward()
    assert heads.of_task[0].weight.grad is not None and heads.of_task[1].weight.grad is None
    numbers = torch.cat([torch.randn(5, 1), torch.zeros(5, 2)], 1)
    of_numbers = loss(1, numbers)
    assert torch.allclose(of_numbers, ((heads.of_task[1](x) - numbers[:, :1]) ** 2).mean() / 2)
    learner.extra = Uncertainty(2)
    assert torch.allclose(loss(1, numbers), of_numbers)
