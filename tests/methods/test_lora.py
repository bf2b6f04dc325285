"""LoRA: only the updates learn, and merged they give the same answers in the network's own form."""

import numpy as np
import pytest
import torch
from torch import nn

from regraft.backbones.base import Body
from regraft.core.errors import InputError
from regraft.methods.base import Options
from regraft.methods.finetuning.lora import add, merge, plan
from regraft.training.feeds.features import RowBatches
from regraft.training.loop import Learner, Settings, train


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x):
        return x + self.mlp(self.attention(x, x, x)[0])


class First(nn.Module):
    def forward(self, x):
        return x.mean(1)


def body() -> Body:
    torch.manual_seed(0)
    return Body([("a", Attends()), ("b", Attends())], First())


def test_only_the_updates_learn_and_the_merged_network_answers_alike(tmp_path) -> None:
    net, names = body(), list(body().state_dict())
    before = {k: v.clone() for k, v in net.state_dict().items()}
    add(net)
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = (rng.normal(size=(40, 5, 8)) + y[:, None, None]).astype(np.float32)
    learner = Learner(net, nn.Linear(8, 2))
    phases = plan(2, Options(6, 0.01)).phases
    train(learner, phases, RowBatches([x], 0), np.eye(2)[y], Settings(batch=10, precision="float32"), folder=tmp_path)
    kept = {k: v for k, v in net.state_dict().items() if "lora_" not in k}
    assert len(kept) == len(names)
    for key, value in kept.items():
        plain = key.replace("parametrizations.", "").replace(".original", "")
        assert torch.equal(value, before[plain]), "the pretrained weights did not move"
    answers = learner(torch.from_numpy(x)).detach()
    merge(net)
    assert set(net.state_dict()) == set(names)
    assert torch.allclose(learner(torch.from_numpy(x)), answers, atol=1e-5)
    moved = [k for k in names if not torch.allclose(net.state_dict()[k], before[k], atol=1e-4)]
    assert any("mlp" in k for k in moved) and any("in_proj" in k for k in moved)


def test_a_network_of_convolutions_is_refused() -> None:
    with pytest.raises(InputError, match="for transformers"):
        add(Body([("c", nn.Conv2d(3, 4, 3))], First()))
