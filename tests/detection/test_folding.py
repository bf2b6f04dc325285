"""Folded detectors give the answers of those they were made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regraft.models.detectors import catalog
from regraft.models.detectors.bn_folding import folded

FRAME = (64, 96)


@pytest.mark.parametrize(
    ("kind", "body", "left"),
    [("yolo", None, 0), ("ssd", "regraft_tiny", 0), ("fasterrcnn", "random:mobilenet_v2", 0),
     ("ssd", "random:densenet121", 121)],
)  # fmt: skip
def test_the_same_maps(kind: str, body: str | None, left: int) -> None:
    net = catalog.untrained(kind, ("a", "b"), backbone=body, frame=FRAME)
    chance = torch.Generator().manual_seed(0)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.running_mean.uniform_(-0.2, 0.2, generator=chance)
        m.running_var.uniform_(0.5, 2, generator=chance)
        nn.init.uniform_(m.weight, 0.5, 1.5)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.eval()
    quick = folded(net)
    x = torch.randint(0, 255, (2, 3, *FRAME), dtype=torch.uint8, generator=chance)
    with torch.inference_mode():
        for a, b in zip(net.through([x]), quick.through([x]), strict=True):
            assert a.abs().max() > 1e-3 and torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(a.abs().max()))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in quick.modules()) == left < len(norms)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
